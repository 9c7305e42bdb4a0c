/** How well a network does on a dataset. */
import type { Dataset } from '../data/dataset.js';
import { batches } from '../data/loader.js';
import type { Network } from '../engine/network.js';
import { InputError } from '../errors.js';
import type { Model } from '../models/model.js';
import { elements } from '../ops/define.js';
import { checkDataset } from './checkDataset.js';
import { type Crops, logProbabilities, viewsOf } from './predict.js';

export interface EvaluateOptions {
  /** Images at one time, 100 by default. */
  readonly batch?: number;
  /** 1: the centre, the default; 10: corners, centre and their mirror images, whose class probabilities are averaged. */
  readonly crops?: Crops;
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
  const batch = Math.min(options.batch ?? 100, images);
  const views = viewsOf(network.model, input, crops);
  const tally = new Tally(classes, names(dataset, classes));
  const perImage = elements(input.shape);
  let padded: Uint8Array | undefined;
  for await (const { images: bytes, labels, indices } of batches(dataset, { batch, shuffle: false, signal })) {
    let whole = bytes;
    if (labels.length < batch) {
      // The program of the whole batch serves for the rest too; what fills it up is not counted.
      padded ??= new Uint8Array(batch * perImage);
      padded.set(bytes);
      whole = padded;
    }
    const logs = await logProbabilities(network, whole, views, signal);
    tally.add(logs.subarray(0, labels.length * classes), labels, indices);
    onProgress?.(tally.images, images);
  }
  return tally.result();
}

function names(dataset: Dataset, classes: number): readonly string[] {
  return Array.from({ length: classes }, (_, i) => dataset.classes[i] ?? String(i));
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
