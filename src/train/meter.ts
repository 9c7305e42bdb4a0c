/** Figures of the steps, averaged over stretches of them, and read only when the next step has been handed to the device. */
import type { Step } from '../engine/types.js';
import type { StepEvent } from './events.js';
import { NotFinite } from './finite.js';

interface Pending {
  readonly step: number;
  readonly epoch: number;
  readonly lr: number;
  readonly figures: Step;
}

interface Sums {
  steps: number;
  loss: number;
  top1: number;
  top5: number;
  last: Pending | undefined;
  /** Images that the clock has seen. */
  images: number;
}

const nothing = (): Sums => ({ steps: 0, loss: 0, top1: 0, top5: 0, last: undefined, images: 0 });

export class Meter {
  private readonly pending: Pending[] = [];
  private sums = nothing();
  private since = performance.now();
  private warm = false;

  /** @param every steps in a stretch: stretches end at multiples of it, so that a resumed training has the same */
  constructor(private readonly every: number) {}

  add(step: number, epoch: number, lr: number, figures: Step): void {
    this.pending.push({ step, epoch, lr, figures });
  }

  /**
   * Waits until at most `left` steps are unread, and yields the stretches that are complete.
   *
   * @throws NotFinite for the first loss that is not
   */
  async *read(left: number): AsyncGenerator<StepEvent> {
    // Compiling is no part of the throughput: the clock starts after the first step.
    const allowed = this.warm ? left : 0;
    while (this.pending.length > allowed) {
      const next = this.pending.shift() as Pending;
      const { loss, top1, top5, batch } = next.figures;
      const figures = [await loss, await top1, await top5] as const;
      if (!Number.isFinite(figures[0])) throw new NotFinite(next.step);
      this.sums.loss += figures[0];
      this.sums.top1 += figures[1];
      this.sums.top5 += figures[2];
      this.sums.steps++;
      this.sums.last = next;
      if (this.warm) this.sums.images += batch;
      if (next.step % this.every === 0) yield* this.flush(batch);
      if (!this.warm) {
        this.warm = true;
        this.since = performance.now();
      }
    }
  }

  /** Everything that has not been told yet. */
  async *readAll(): AsyncGenerator<StepEvent> {
    yield* this.read(0);
    yield* this.flush();
  }

  /** What was done since the last event is not part of the throughput. */
  restart(): void {
    this.since = performance.now();
  }

  private *flush(batch = this.sums.last?.figures.batch ?? 0): Generator<StepEvent> {
    const { steps, loss, top1, top5, last, images } = this.sums;
    if (!last) return;
    const now = performance.now();
    const imagesPerSecond = ((images || batch) / Math.max(1e-3, now - this.since)) * 1000;
    this.sums = nothing();
    this.since = now;
    const { step, epoch, lr } = last;
    yield {
      kind: 'step',
      epoch,
      step,
      loss: loss / steps,
      top1: top1 / steps,
      top5: top5 / steps,
      lr,
      imagesPerSecond,
    };
  }
}
