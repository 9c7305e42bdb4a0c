/** Training with a curve: what the scripts of this folder do with the events of a `Trainer`. */
import type { DataSplits, Dataset } from '../../src/data/dataset.js';
import { imageInput } from '../../src/data/imageInput.js';
import { openData } from '../../src/data/openData.js';
import { meanImage } from '../../src/data/statistics.js';
import type { Network } from '../../src/engine/network.js';
import type { NetworkOptions } from '../../src/engine/types.js';
import { ArgumentError } from '../../src/errors.js';
import type { Model } from '../../src/models/model.js';
import { evaluate } from '../../src/train/evaluate.js';
import type { TrainingEvent } from '../../src/train/events.js';
import { Trainer, type TrainerOptions } from '../../src/train/trainer.js';
import { type Curve, type Figure, Means, type Point, percent, rounded } from './record.js';
import type { Run } from './script.js';

/** Lines about a training under way come no faster than this, in milliseconds. */
const between = 15_000;

/** The data of a run: a training set, and a test set to judge by. */
export async function dataFor(run: Run, model: Model): Promise<Required<Pick<DataSplits, 'train' | 'test'>>> {
  const { train, test } = await openData(run.options.data, {
    preprocessing: model.preprocessing,
    augmentation: model.augmentation,
    seed: run.seed,
    signal: run.signal,
  });
  if (!test) throw new ArgumentError(`'${run.options.data}' has no test images; expected a folder with train and test`);
  run.say(`${train.labels.length} training and ${test.labels.length} test images`);
  return { train, test };
}

/** A network that reads the images of `train` as bytes, less their mean image where its preprocessing has one. */
export async function networkFor(
  run: Run,
  model: Model,
  train: Dataset,
  options: NetworkOptions = {},
): Promise<Network<Model>> {
  const statistics = model.preprocessing.meanImage ? { meanImage: await meanImage(train, run.signal) } : {};
  const named = { ...model, classNames: train.classes };
  return run.engine.network(named, { seed: run.seed, input: imageInput(model, train.shape, statistics), ...options });
}

/** The curves of one training: means over stretches of it, and what validation found. */
export class History {
  readonly loss: Means;
  readonly error: Means;
  /** Error in per cent. */
  readonly validation: Point[] = [];
  /** Steps taken. */
  done = 0;
  /** Loss of the very first step. */
  first: number | undefined;
  private spoken = performance.now();

  /**
   * @param steps how many there will be
   * @param perUnit steps in one unit of the x axis: those of an epoch where it counts epochs
   */
  constructor(
    private readonly run: Run,
    private readonly label: string,
    readonly steps: number,
    readonly perUnit = 1,
  ) {
    this.loss = new Means(steps);
    this.error = new Means(steps);
  }

  add(event: TrainingEvent): void {
    if (event.kind === 'step') {
      this.done = event.step;
      this.first ??= rounded(event.loss);
      this.loss.add(event.step / this.perUnit, event.loss);
      this.error.add(event.step / this.perUnit, 100 * (1 - event.top1));
      if (performance.now() - this.spoken < between) return;
      this.spoken = performance.now();
      const { step, loss, imagesPerSecond } = event;
      this.say(`step ${step} of ${this.steps}, loss ${loss.toPrecision(4)}, ${Math.round(imagesPerSecond)} images/s`);
    }
    if (event.kind === 'validation') {
      this.validation.push([rounded(event.step / this.perUnit), rounded(100 * (1 - event.top1))]);
      this.say(`step ${event.step}: ${(100 * event.top1).toFixed(2)} % of the test images right`);
    }
  }

  say(text: string): void {
    this.run.say(`${this.label}: ${text}`);
  }

  /** As curves of a plot whose x axis is called `x`. */
  curves(x: string, which: readonly ('loss' | 'error' | 'validation')[], name = this.label): Curve[] {
    const all = {
      loss: { y: 'training loss', points: this.loss.points },
      error: { y: 'training error, %', points: this.error.points },
      validation: { y: 'test error, %', points: this.validation },
    };
    return which.map((key) => ({ name, x, ...all[key] }));
  }
}

interface TrainExtras {
  /** Steps in one unit of the x axis of curves. */
  readonly perUnit?: number;
  /** Ends the training at a time of `performance.now()`. */
  readonly until?: number;
  /** Is awaited between two steps. */
  readonly onStep?: (step: number) => Promise<void>;
}

/** Trains to the end. */
export async function train(
  run: Run,
  label: string,
  network: Network<Model>,
  options: Omit<TrainerOptions, 'signal' | 'steps' | 'reportEvery'> & { readonly steps: number },
  { perUnit = 1, until = Number.POSITIVE_INFINITY, onStep }: TrainExtras = {},
): Promise<History> {
  const history = new History(run, label, options.steps, perUnit);
  const trainer = new Trainer(network, { ...options, reportEvery: 1, signal: run.signal });
  for await (const event of trainer.fit()) {
    history.add(event);
    if (event.kind === 'step') await onStep?.(event.step);
    if (performance.now() > until) break;
  }
  run.signal.throwIfAborted();
  return history;
}

/** Whole batches of a training set: what a `Trainer` takes for an epoch. */
export function stepsPerEpoch(dataset: Dataset, batch: number): number {
  return Math.floor(dataset.labels.length / batch);
}

/** Loss and accuracy on a test set. */
export async function testFigures(
  run: Run,
  network: Network<Model>,
  test: Dataset,
  what = `${test.labels.length.toLocaleString('en-US')} test images`,
): Promise<readonly [Figure, Figure]> {
  const { top1, loss } = await evaluate(network, test, { batch: 100, signal: run.signal });
  return [percent(`accuracy on ${what}`, top1), { name: `loss on ${what}`, value: rounded(loss), unit: '' }];
}
