/**
 * Finds the step and the layer in which a training first went bad. By the time a loss is read that is not finite, the updates that follow have
 * spoilt every parameter; but a training can be repeated. So a copy of the network is kept from time to time, and from it the
 * steps up to the bad one are taken again, to the same bits.
 */

import type { Dataset } from '../data/dataset.js';
import { batches, type ImageBatch } from '../data/loader.js';
import type { Network } from '../engine/network.js';
import { DivergenceError, InputError } from '../errors.js';
import type { Model } from '../models/model.js';
import { epochOf } from './epoch.js';
import { isFiniteArray, NotFinite } from './finite.js';
import { atStart, type TrainingProgress } from './progress.js';
import { firstNotFinite, Snapshot } from './snapshot.js';

/** Copies may take this share of the time. */
const shareOfTime = 0.01;

/** What a step that is taken again needs to know. */
export interface Replay {
  readonly network: Network<Model>;
  readonly train: Dataset;
  readonly batch: number;
  readonly stepsPerEpoch: number;
  readonly microBatch?: number;
  /** Takes the step that follows `progress`. */
  step(batch: ImageBatch, progress: TrainingProgress): Promise<unknown>;
}

/** The first value that is not finite. */
interface Finding {
  readonly layer: string;
  readonly value: string;
}

export class DivergenceFinder {
  private readonly snapshot: Snapshot;
  private from: TrainingProgress = atStart;
  /** By epoch, from that of the copy on: how often the rate had been lowered. */
  private drops: number[] = [];
  private takenAt = -Infinity;
  private cost = 0;

  constructor(private readonly replay: Replay) {
    this.snapshot = new Snapshot(replay.network);
  }

  /** Whether it is time for another copy. */
  get isDue(): boolean {
    return performance.now() - this.takenAt > this.cost / shareOfTime;
  }

  /**
   * Keeps the network as it is; all steps so far must have been read.
   *
   * @throws NotFinite, and keeps what it had, when a number of the network is not finite; InputError when it is so from the beginning
   */
  async keep(progress: TrainingProgress): Promise<void> {
    const start = performance.now();
    const bad = await firstNotFinite(this.replay.network);
    if (bad !== undefined && this.takenAt === -Infinity)
      throw new InputError(`'${bad}' has a number that is not finite`);
    if (bad !== undefined) throw new NotFinite(progress.step);
    await this.snapshot.take();
    this.from = progress;
    this.drops = [];
    this.note(progress);
    this.takenAt = performance.now();
    this.cost = this.takenAt - start;
  }

  /** To be called for every epoch. */
  note({ epoch, drops }: TrainingProgress): void {
    this.drops[epoch - this.from.epoch] = drops;
  }

  /** @param step the step, counted from 1, whose loss or whose result is not finite */
  async explain(step: number): Promise<DivergenceError> {
    const { step: at, layer, value } = await this.find(step);
    return new DivergenceError(
      `training diverged in step ${at}: the first value that is not finite is ${value}`,
      at,
      layer,
    );
  }

  private async find(step: number): Promise<Finding & { readonly step: number }> {
    const batch = await this.takeAgain(step - 1);
    const spoilt = await this.firstVariable();
    if (!spoilt) return { step, ...(await this.examine(batch, step - 1)) };
    // Variables that are bad already became so in the step before, whose figures were good.
    const before = await this.takeAgain(step - 2);
    return { step: step - 1, ...(await this.examine(before, step - 2)) };
  }

  /** Looks at the step that `batch` is for: layer by layer forward, then backward, then at the update. */
  private async examine(batch: ImageBatch, taken: number): Promise<Finding> {
    const forward = await this.firstOutput(batch);
    if (forward) return forward;
    const backward = await this.firstGradient(batch);
    if (backward) return backward;
    await this.replay.step(batch, this.progressAt(taken));
    const updated = await this.firstVariable();
    if (updated) return { ...updated, value: `the update of ${updated.value}` };
    return { layer: 'loss', value: 'the loss' };
  }

  private async firstVariable(): Promise<Finding | undefined> {
    const value = await firstNotFinite(this.replay.network);
    return value === undefined ? undefined : { layer: layerOf(value), value };
  }

  private async firstOutput(batch: ImageBatch): Promise<Finding | undefined> {
    for (const { images } of this.parts(batch)) {
      const { layers } = await this.replay.network.forward(images, { layers: true });
      const bad = Object.keys(layers).find((name) => !isFiniteArray(layers[name]));
      if (bad !== undefined) return { layer: bad, value: `the output of ${bad}` };
    }
    return undefined;
  }

  /** The gradient of the layer next to the loss comes first. */
  private async firstGradient(batch: ImageBatch): Promise<Finding | undefined> {
    for (const { images, labels } of this.parts(batch)) {
      const { loss, gradients } = await this.replay.network.gradients(images, labels);
      const bad = Object.keys(gradients).findLast((name) => !isFiniteArray(gradients[name]));
      if (bad !== undefined) return { layer: layerOf(bad), value: `the gradient of ${bad}` };
      if (!Number.isFinite(loss)) return { layer: 'loss', value: 'the loss' };
    }
    return undefined;
  }

  /** As many images at a time as the device holds. */
  private *parts({ images, labels }: ImageBatch): Generator<{ images: Uint8Array; labels: Int32Array }> {
    const count = this.replay.microBatch ?? labels.length;
    const size = images.length / labels.length;
    for (let from = 0; from < labels.length; from += count) {
      const until = Math.min(from + count, labels.length);
      yield { images: images.subarray(from * size, until * size), labels: labels.subarray(from, until) };
    }
  }

  /** Puts the network where it was after `taken` steps; returns the batch of the next. */
  private async takeAgain(taken: number): Promise<ImageBatch> {
    const { network, train, batch, stepsPerEpoch } = this.replay;
    await this.snapshot.restore();
    for (let { epoch, position } = this.progressAt(this.from.step); ; epoch++, position = 0) {
      const order = epochOf(network, { batch, epoch, from: position });
      if (position === stepsPerEpoch) continue;
      for await (const next of batches(train, order)) {
        if (network.stepCounter === taken) return next;
        await this.replay.step(next, this.progressAt(network.stepCounter));
      }
    }
  }

  /** What the schedule needs to know of the moment after so many steps. */
  private progressAt(taken: number): TrainingProgress {
    const { stepsPerEpoch } = this.replay;
    const past = this.from.position + taken - this.from.step;
    const epochs = Math.floor(past / stepsPerEpoch);
    return {
      ...this.from,
      step: taken,
      epoch: this.from.epoch + epochs,
      position: past - epochs * stepsPerEpoch,
      drops: this.drops[epochs] ?? this.from.drops,
    };
  }
}

/** 'conv1.weight', 'conv1.weight/momentum' → 'conv1' */
function layerOf(variable: string): string {
  return variable.slice(0, variable.indexOf('.'));
}
