/** How well a network does on a dataset. */
import { tenCrops } from '../data/augmentation.js';
import type { Dataset } from '../data/dataset.js';
import { batches } from '../data/loader.js';
import type { Network } from '../engine/network.js';
import type { ForwardOptions } from '../engine/types.js';
import { ArgumentError, InputError } from '../errors.js';
import type { Model } from '../models/model.js';
import { checkDataset } from './checkDataset.js';

export interface EvaluateOptions {
  /** Images at one time, 100 by default. */
  readonly batch?: number;
  /** 1: the centre, the default; 10: corners, centre and their mirror images, whose class probabilities are averaged. */
  readonly crops?: 1 | 10;
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** An image that was taken for something else. */
export interface Mistake {
  /** Its place in the dataset. */
  readonly index: number;
  readonly label: number;
  readonly predicted: number;
  /** Of the class that was predicted. */
  readonly probability: number;
}

/** Shares are from 0 to 1. */
export interface Evaluation {
  readonly images: number;
  /** Mean of −log of the probability of the label. */
  readonly loss: number;
  readonly top1: number;
  readonly top5: number;
  readonly classes: readonly string[];
  /** [classes, classes]: how many images of a class (the row) were taken for which one. */
  readonly confusion: Int32Array;
  /** By class. */
  readonly perClass: readonly { readonly images: number; readonly top1: number }[];
  /** The most confident first, at most 64. */
  readonly mistakes: readonly Mistake[];
}

const mostMistakes = 64;

/**
 * Classifies every image of a dataset.
 *
 * @throws InputError for an empty dataset, or one that the network cannot read; ArgumentError for options that cannot be
 */
export async function evaluate(
  network: Network<Model>,
  dataset: Dataset,
  options: EvaluateOptions = {},
): Promise<Evaluation> {
  const { crops = 1, onProgress, signal } = options;
  const { classes } = network.model;
  const input = checkDataset(network, dataset);
  const images = dataset.labels.length;
  if (images === 0) throw new InputError(`${dataset.name} has no images`);
  if (crops !== 1 && crops !== 10) throw new ArgumentError(`crops must be 1 or 10, got ${crops}`);
  const batch = Math.min(options.batch ?? 100, images);
  const [, height, width] = input.shape;
  const [, cropHeight, cropWidth] = network.model.inputShape;
  const views: readonly ForwardOptions['view'][] =
    crops === 1 ? [undefined] : tenCrops([height, width], [cropHeight, cropWidth]);
  const tally = new Tally(classes, names(dataset, classes));
  const perImage = height * width * input.shape[0];
  let padded: Uint8Array | undefined;
  for await (const { images: bytes, labels, indices } of batches(dataset, { batch, shuffle: false, signal })) {
    let whole = bytes;
    if (labels.length < batch) {
      // The program of the whole batch serves for the rest too; what fills it up is not counted.
      padded ??= new Uint8Array(batch * perImage);
      padded.set(bytes);
      whole = padded;
    }
    const logProbabilities: Float64Array[] = [];
    for (const view of views) {
      const { logits } = await network.forward(whole, { view, signal });
      logProbabilities.push(logSoftmax(logits, labels.length, classes));
    }
    tally.add(meanProbabilities(logProbabilities), labels, indices);
    onProgress?.(tally.images, images);
  }
  return tally.result();
}

function names(dataset: Dataset, classes: number): readonly string[] {
  return Array.from({ length: classes }, (_, i) => dataset.classes[i] ?? String(i));
}

/** [N, classes] → log of the softmax of each row, in float64. */
function logSoftmax(logits: Float32Array, rows: number, classes: number): Float64Array {
  const result = new Float64Array(rows * classes);
  for (let n = 0; n < rows; n++) {
    const row = logits.subarray(n * classes, (n + 1) * classes);
    const largest = row.reduce((most, value) => Math.max(most, value), -Infinity);
    let sum = 0;
    for (const value of row) sum += Math.exp(value - largest);
    const logSum = largest + Math.log(sum);
    for (let c = 0; c < classes; c++) result[n * classes + c] = row[c] - logSum;
  }
  return result;
}

/** Logs of the mean of probabilities that are given as logs. */
function meanProbabilities(logs: readonly Float64Array[]): Float64Array {
  if (logs.length === 1) return logs[0];
  return logs[0].map((_, i) => {
    const largest = logs.reduce((most, each) => Math.max(most, each[i]), -Infinity);
    if (largest === -Infinity) return largest;
    const sum = logs.reduce((total, each) => total + Math.exp(each[i] - largest), 0);
    return largest + Math.log(sum / logs.length);
  });
}

class Tally {
  images = 0;
  private loss = 0;
  private top1 = 0;
  private top5 = 0;
  private readonly confusion: Int32Array;
  private mistakes: Mistake[] = [];

  constructor(
    private readonly classes: number,
    private readonly names: readonly string[],
  ) {
    this.confusion = new Int32Array(classes * classes);
  }

  /** @param logs log of the probabilities, [N, classes] */
  add(logs: Float64Array, labels: Int32Array, indices: Int32Array): void {
    const { classes } = this;
    for (let n = 0; n < labels.length; n++) {
      const row = logs.subarray(n * classes, (n + 1) * classes);
      const label = labels[n];
      const rank = rankOf(row, label);
      const predicted = best(row);
      this.images++;
      this.loss -= row[label];
      this.top1 += Number(rank === 0);
      this.top5 += Number(rank < 5);
      this.confusion[label * classes + predicted]++;
      if (rank > 0) this.mistakes.push({ index: indices[n], label, predicted, probability: Math.exp(row[predicted]) });
    }
    this.mistakes.sort((a, b) => b.probability - a.probability || a.index - b.index);
    this.mistakes = this.mistakes.slice(0, mostMistakes);
  }

  result(): Evaluation {
    const { images, classes, confusion } = this;
    const perClass = this.names.map((_, label) => {
      const row = confusion.subarray(label * classes, (label + 1) * classes);
      const own = row.reduce((sum, count) => sum + count, 0);
      return { images: own, top1: own === 0 ? 0 : row[label] / own };
    });
    return {
      images,
      loss: this.loss / images,
      top1: this.top1 / images,
      top5: this.top5 / images,
      classes: this.names,
      confusion,
      perClass,
      mistakes: this.mistakes,
    };
  }
}

/** How many classes come before this one. Of equal ones the lower comes first; one that is NaN comes before all. */
function rankOf(row: Float64Array, label: number): number {
  let ahead = 0;
  for (let c = 0; c < row.length; c++) {
    if (!(row[c] < row[label]) && (row[c] !== row[label] || c < label)) ahead++;
  }
  return ahead;
}

function best(row: Float64Array): number {
  let found = 0;
  for (let c = 1; c < row.length; c++) if (row[c] > row[found]) found = c;
  return found;
}
