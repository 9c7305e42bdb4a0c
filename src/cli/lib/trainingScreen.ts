/** What a training shows on a terminal: a bar with the figures of the moment, and a line for each epoch. */
import type { StepEvent, TrainingEvent } from '../../train/events.js';
import { print } from './output.js';
import { Progress } from './progress.js';

const columns = ['epoch', 'step', 'loss', 'top-1', 'validation', 'top-1', 'top-5', 'lr', 'images/s'] as const;
const widths = [6, 7, 8, 7, 10, 7, 7, 9, 9] as const;

/** Means over the steps of an epoch. */
interface EpochFigures {
  steps: number;
  loss: number;
  top1: number;
  seconds: number;
}

export class TrainingScreen {
  private readonly progress = new Progress('train');
  private epoch: EpochFigures = empty();
  private last: StepEvent | undefined;
  private lastStep: number;
  private headed = false;

  /** @param begun steps that were taken before */
  constructor(
    private readonly settings: {
      readonly steps: number;
      readonly epochs: number;
      readonly batch: number;
      readonly validates: boolean;
      readonly quiet: boolean;
      readonly begun: number;
    },
  ) {
    this.lastStep = settings.begun;
  }

  show(event: TrainingEvent): void {
    if (this.settings.quiet) return;
    switch (event.kind) {
      case 'step':
        this.step(event);
        break;
      case 'validation':
        this.line(event.epoch, event);
        break;
      case 'drop':
        this.say(`validation has stalled: the learning rate is ${rate(event.lr)} from step ${event.step + 1} on`);
        break;
      case 'end':
        if (this.epoch.steps > 0) this.line(event.epoch + 1);
        this.stop();
        break;
    }
  }

  stop(): void {
    this.progress.stop();
  }

  private step(event: StepEvent): void {
    // Without validation nothing else tells that an epoch is over.
    if (this.last && this.last.epoch !== event.epoch && this.epoch.steps > 0) this.line(this.last.epoch);
    const count = event.step - this.lastStep;
    this.epoch.steps += count;
    this.epoch.loss += count * event.loss;
    this.epoch.top1 += count * event.top1;
    this.epoch.seconds += (count * this.settings.batch) / event.imagesPerSecond;
    this.lastStep = event.step;
    this.last = event;
    const { steps, epochs, batch } = this.settings;
    const left = ((steps - event.step) * batch) / event.imagesPerSecond;
    this.progress.update(
      event.step,
      steps,
      `epoch ${event.epoch}/${epochs} · loss ${figure(event.loss)} · top-1 ${percent(event.top1)} · ${Math.round(event.imagesPerSecond).toLocaleString('en-US')} images/s · ${duration(left)} left`,
    );
  }

  private line(epoch: number, validation?: Extract<TrainingEvent, { kind: 'validation' }>): void {
    const { steps, loss, top1, seconds } = this.epoch;
    this.epoch = empty();
    if (!this.headed) this.say(row(this.settings.validates ? columns : columns.filter((_, i) => i < 4 || i > 6)));
    this.headed = true;
    const rates = [this.last ? rate(this.last.lr) : '–', Math.round((steps * this.settings.batch) / seconds)];
    const means = steps === 0 ? ['–', '–'] : [figure(loss / steps), percent(top1 / steps)];
    const validated = validation
      ? [figure(validation.loss), percent(validation.top1), percent(validation.top5)]
      : this.settings.validates
        ? ['–', '–', '–']
        : [];
    const cells = [epoch, this.lastStep, ...means, ...validated, rates[0], steps === 0 ? '–' : rates[1]];
    this.say(row(cells.map((cell) => cell.toLocaleString('en-US'))) + (validation?.best ? ' *' : ''));
  }

  private say(text: string): void {
    this.progress.stop();
    print(text);
  }
}

function empty(): EpochFigures {
  return { steps: 0, loss: 0, top1: 0, seconds: 0 };
}

function row(cells: readonly string[]): string {
  const kept = cells.length === columns.length ? widths : widths.filter((_, i) => i < 4 || i > 6);
  return cells.map((cell, i) => cell.padStart(kept[i])).join('  ');
}

/** 93.4 % */
export function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

/** A loss: three decimals, or three digits where it is large. */
export function figure(value: number): string {
  return value >= 100 ? value.toPrecision(3) : value.toFixed(3);
}

function rate(value: number): string {
  return String(Number(value.toPrecision(3)));
}

/** 0:42, 12:05, 1:02:03 */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '–';
  const whole = Math.max(0, Math.round(seconds));
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const [first, ...rest] = parts[0] > 0 ? parts : parts.slice(1);
  return [String(first), ...rest.map((part) => String(part).padStart(2, '0'))].join(':');
}
