/** The training loop. */
import type { Dataset } from '../data/dataset.js';
import { batches, type ImageBatch } from '../data/loader.js';
import type { Network } from '../engine/network.js';
import { ArgumentError, DivergenceError, FileError } from '../errors.js';
import type { Model, Recipe } from '../models/model.js';
import { checkDataset } from './checkDataset.js';
import {
  type Checkpoint,
  type CheckpointState,
  checkpointPath,
  expectNoCheckpoint,
  makeFolder,
  openCheckpoint,
  removeLeftovers,
  restoreCheckpoint,
  writeCheckpoint,
} from './checkpoint.js';
import { type Course, courseOf, rateAt, rateFactors, ratesAt } from './course.js';
import { DivergenceFinder } from './divergence.js';
import { epochOf } from './epoch.js';
import { evaluate } from './evaluate.js';
import type { CheckpointEvent, EndEvent, TrainingEvent } from './events.js';
import { NotFinite } from './finite.js';
import { Meter } from './meter.js';
import { afterValidation, atStart, type TrainingProgress } from './progress.js';

export interface TrainerOptions {
  readonly train: Dataset;
  /** Is classified after each epoch: early stop, the best checkpoint and a plateau's schedule go by it. */
  readonly validation?: Dataset;
  /** Replaces parts of the model's recipe. The optimizer is the network's (see `NetworkOptions`). */
  readonly recipe?: Partial<Omit<Recipe, 'optimizer'>>;
  /** Instead of the recipe's length. An epoch is the whole batches of the training set. */
  readonly epochs?: number;
  readonly steps?: number;
  /** Images that the device holds at one time; all of a batch by default. */
  readonly microBatch?: number;
  /** Factors on the learning rate of layers ('fc8') or parameters ('fc8.bias'); 0 leaves them alone. */
  readonly rates?: Readonly<Record<string, number>>;
  /** Folder of the checkpoints: 'last.safetensors', and with a validation set 'best.safetensors'. */
  readonly checkpoint?: string;
  /** Steps; each epoch has one at its end anyway. */
  readonly checkpointEvery?: number;
  /** Goes on from the folder's last checkpoint. */
  readonly resume?: boolean;
  /** Ends the training after so many epochs without a better validation. */
  readonly patience?: number;
  /** Steps that one event speaks of; an epoch has 20 events by default, and no event more than 20 steps. */
  readonly reportEvery?: number;
  /** Ends the training after the step under way, with a checkpoint where there is a folder. */
  readonly signal?: AbortSignal;
}

/**
 * Trains a network. With the same seed, data and options the parameters come out the same, bit for bit, whether or not the training was
 * interrupted and resumed. The order of the images and all chance come from the network's seed.
 *
 *     const trainer = new Trainer(network, { train, validation, epochs: 10, checkpoint: 'run' });
 *     for await (const event of trainer.fit()) if (event.kind === 'validation') console.log(event.epoch, event.top1);
 */
export class Trainer {
  /** The recipe as it will be followed, with its iterations and the images of an epoch. */
  readonly recipe: Recipe;
  readonly steps: number;
  readonly stepsPerEpoch: number;
  private readonly course: Course;
  private readonly factors: ReadonlyMap<string, number>;
  private progress: TrainingProgress = atStart;
  private running = false;

  /**
   * @throws ArgumentError for options that cannot be; InputError for a dataset that the network cannot read, with a label that is no
   * class, or smaller than a batch
   */
  constructor(
    private readonly network: Network<Model>,
    private readonly options: TrainerOptions,
  ) {
    const { train, validation, recipe = {}, rates = {}, patience } = options;
    const before = network.model.recipe;
    for (const dataset of [train, validation]) if (dataset) checkDataset(network, dataset);
    const merged: Recipe = { ...before, ...defined(recipe), optimizer: network.optimizer };
    const batchBefore = recipe.iterations === undefined ? before.batch : merged.batch;
    this.course = courseOf(merged, train.labels.length, options, batchBefore);
    this.recipe = this.course.recipe;
    this.steps = this.course.steps;
    this.stepsPerEpoch = this.course.stepsPerEpoch;
    this.factors = rateFactors(
      network.parameters.map(({ name }) => name),
      rates,
    );
    for (const name of ['microBatch', 'checkpointEvery', 'patience', 'reportEvery'] as const) {
      const value = options[name];
      if (value === undefined || (Number.isSafeInteger(value) && value > 0)) continue;
      throw new ArgumentError(`${name} must be a whole number of at least 1, got ${value}`);
    }
    if (!(Number.isFinite(this.recipe.learningRate) && this.recipe.learningRate >= 0)) {
      throw new ArgumentError(
        `the learning rate must be a finite number of at least 0, got ${this.recipe.learningRate}`,
      );
    }
    if (!validation && patience !== undefined) throw new ArgumentError('patience needs a validation set');
    if (!validation && this.recipe.schedule.kind === 'plateau') {
      throw new ArgumentError('a plateau schedule needs a validation set: it lowers the rate when validation stalls');
    }
    if (options.resume && options.checkpoint === undefined) {
      throw new ArgumentError('resume needs the folder of the checkpoint');
    }
  }

  /**
   * Trains to the end and tells what happens. It can be left at any event (`break`), and gone on with by another call.
   *
   * @throws DivergenceError when a number is no longer finite; FileError when a checkpoint cannot be read or written: the one before
   * stands; what reading the data and the device throw
   */
  async *fit(): AsyncGenerator<TrainingEvent> {
    if (this.running) throw new ArgumentError('this trainer is training already');
    this.running = true;
    try {
      yield* this.loop();
    } finally {
      this.running = false;
    }
  }

  private async *loop(): AsyncGenerator<TrainingEvent> {
    const { network, options, course } = this;
    const { train, validation, microBatch, checkpoint, patience = Infinity, signal } = options;
    yield* this.begin();
    const finder = new DivergenceFinder({
      network,
      train,
      batch: course.recipe.batch,
      stepsPerEpoch: course.stepsPerEpoch,
      microBatch,
      step: (batch, progress) => this.step(batch, progress),
    });
    await finder.keep(this.progress);
    const meter = new Meter(options.reportEvery ?? Math.min(20, Math.ceil(course.stepsPerEpoch / 20)));
    try {
      while (this.progress.step < this.steps || this.progress.position > 0) {
        if (this.progress.position === 0 && this.progress.waited >= patience) {
          yield this.end('early stop');
          return;
        }
        finder.note(this.progress);
        yield* this.epoch(meter, finder);
        if (signal?.aborted) break;
        if (validation && !(yield* this.validate(validation))) break;
        this.progress = { ...this.progress, epoch: this.progress.epoch + 1, position: 0 };
        if (checkpoint !== undefined) yield await this.save('last', checkpoint);
        meter.restart();
      }
      if (!signal?.aborted) {
        yield this.end('done');
        return;
      }
      if (checkpoint !== undefined) yield await this.save('last', checkpoint);
      yield this.end('aborted');
    } catch (error) {
      if (error instanceof NotFinite) throw this.withCheckpoint(await finder.explain(error.step));
      throw error;
    }
  }

  /** From the checkpoint, or with a first one: that the folder can be written to is then known before hours have gone by. */
  private async *begin(): AsyncGenerator<CheckpointEvent> {
    const { checkpoint, resume } = this.options;
    if (checkpoint === undefined || this.progress !== atStart) return;
    if (resume) {
      const opened = await openCheckpoint(checkpoint);
      try {
        this.checkState(opened);
        await restoreCheckpoint(opened, this.network);
        this.progress = opened.state.progress;
      } finally {
        await opened.file.close();
      }
      await removeLeftovers(checkpoint);
      return;
    }
    await expectNoCheckpoint(checkpoint);
    await makeFolder(checkpoint);
    this.network.stepCounter = 0;
    yield await this.save('last', checkpoint);
  }

  /** The rest of an epoch, or what there is of it before the end or an abort. */
  private async *epoch(meter: Meter, finder: DivergenceFinder): AsyncGenerator<TrainingEvent> {
    const { train, checkpoint, checkpointEvery = Infinity, signal } = this.options;
    const { stepsPerEpoch, recipe } = this.course;
    const { epoch, position } = this.progress;
    const isOver = () => this.progress.step >= this.steps || this.progress.position >= stepsPerEpoch;
    if (!isOver() && !signal?.aborted) {
      const order = epochOf(this.network, { batch: recipe.batch, epoch, from: position });
      for await (const batch of batches(train, order)) {
        const before = this.progress;
        const figures = await this.step(batch, before);
        this.progress = { ...before, step: before.step + 1, position: before.position + 1 };
        meter.add(this.progress.step, epoch + 1, rateAt(this.course, before), figures);
        // The step before is read while the device computes this one.
        yield* meter.read(1);
        if (isOver() || signal?.aborted) break;
        const saves = checkpoint !== undefined && this.progress.step % checkpointEvery === 0;
        if (!saves && !finder.isDue) continue;
        if (saves) yield* meter.readAll();
        else yield* meter.read(0);
        await finder.keep(this.progress);
        if (saves) yield await this.save('last', checkpoint);
        if (saves) meter.restart();
      }
    }
    yield* meter.readAll();
  }

  private step(batch: ImageBatch, progress: TrainingProgress) {
    const { microBatch } = this.options;
    const { colourNoiseUntil = Infinity } = this.network.model.augmentation ?? {};
    return this.network.step(batch.images, batch.labels, {
      learningRate: ratesAt(this.course, this.factors, progress),
      microBatch,
      colourNoise: progress.epoch < colourNoiseUntil,
    });
  }

  /** False when it was aborted: it is made up for after resuming. */
  private async *validate(validation: Dataset): AsyncGenerator<TrainingEvent, boolean> {
    const { microBatch, checkpoint, signal } = this.options;
    const { recipe } = this.course;
    const batch = microBatch ?? recipe.batch;
    let figures: Awaited<ReturnType<typeof evaluate>>;
    try {
      figures = await evaluate(this.network, validation, { batch, signal });
    } catch (error) {
      if (signal?.aborted) return false;
      throw error;
    }
    const { loss, top1, top5 } = figures;
    if (!Number.isFinite(loss)) throw new NotFinite(this.progress.step);
    const { progress, best, dropped } = afterValidation(this.progress, recipe.schedule, { loss, top1 });
    this.progress = progress;
    const { epoch, step } = progress;
    yield { kind: 'validation', epoch: epoch + 1, step, loss, top1, top5, best };
    // Before the last checkpoint: killed in between, a resumed training comes by here again.
    if (best && checkpoint !== undefined) yield await this.save('best', checkpoint);
    if (dropped) yield { kind: 'drop', step, lr: rateAt(this.course, progress) };
    return true;
  }

  private async save(which: 'last' | 'best', folder: string): Promise<CheckpointEvent> {
    const { network, progress } = this;
    const path = checkpointPath(folder, which);
    const { train } = this.options;
    const state: CheckpointState = {
      seed: network.seed,
      recipe: this.recipe,
      optimizer: network.optimizer,
      frozen: network.parameters.filter(({ frozen }) => frozen).map(({ name }) => name),
      data: { name: train.name, images: train.labels.length, shape: train.shape },
      progress,
    };
    await writeCheckpoint(path, network, state);
    return { kind: 'checkpoint', path, step: progress.step };
  }

  /** A checkpoint says where in its data it stands: other data, or other batches, have no such place. */
  private checkState({ path, state }: Checkpoint): void {
    const { train } = this.options;
    const { data, recipe, progress } = state;
    const expect = (what: string, theirs: number, ours: number) => {
      if (theirs === ours) return;
      throw new FileError(`'${path}' is of a training with ${what} of ${theirs}, this one has ${ours}`);
    };
    expect('a training set', data.images, train.labels.length);
    expect('a batch', recipe.batch, this.recipe.batch);
    if (progress.position > this.stepsPerEpoch) {
      throw new FileError(`'${path}' stands at batch ${progress.position} of an epoch of ${this.stepsPerEpoch}`);
    }
  }

  private withCheckpoint(error: DivergenceError): DivergenceError {
    const { checkpoint } = this.options;
    if (checkpoint === undefined) return error;
    const stands = `'${checkpointPath(checkpoint, 'last')}' holds what was before`;
    return new DivergenceError(`${error.message}; ${stands}`, error.step, error.layer, { cause: error });
  }

  private end(reason: EndEvent['reason']): EndEvent {
    const { epoch, step, best } = this.progress;
    return { kind: 'end', reason, epoch, step, best };
  }
}

/** Without the fields that are there but undefined. */
function defined<T extends object>(fields: T): T {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as T;
}
