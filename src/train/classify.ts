/** What stored images show, in the words of a network. */
import type { Network } from '../engine/network.js';
import { InputError } from '../errors.js';
import type { Model } from '../models/model.js';
import { elements } from '../ops/define.js';
import { inputOf } from './checkDataset.js';
import { type Crops, logProbabilities, viewsOf } from './predict.js';

export interface ClassifyOptions {
  /** The centre of the image, the default, or ten crops. */
  readonly crops?: Crops;
  /** Images at one time, 32 by default. */
  readonly batch?: number;
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** A class and how probable the network takes it to be. */
export interface Guess {
  readonly class: number;
  /** Its name, or its number where the model knows no names. */
  readonly label: string;
  readonly probability: number;
}

/**
 * All classes of each image, the most probable first.
 *
 * @param images bytes [N, ...network.input.shape]: resized, in planes
 * @throws ArgumentError for a network without `input` or another number of crops, InputError for another number of bytes
 */
export async function classify(
  network: Network<Model>,
  images: Uint8Array,
  options: ClassifyOptions = {},
): Promise<readonly (readonly Guess[])[]> {
  const { crops = 1, onProgress, signal } = options;
  const input = inputOf(network);
  const { classes } = network.model;
  const views = viewsOf(network.model, input, crops);
  const size = elements(input.shape);
  const count = images.length / size;
  if (!Number.isInteger(count) || count === 0) {
    throw new InputError(`images of ${input.shape.join(' × ')} take a multiple of ${size} bytes, got ${images.length}`);
  }
  const batch = Math.min(options.batch ?? 32, count);
  const results: (readonly Guess[])[] = [];
  for (let start = 0; start < count; start += batch) {
    const part = images.subarray(start * size, (start + batch) * size);
    const logs = await logProbabilities(network, part, views, signal);
    for (let at = 0; at < logs.length; at += classes) {
      results.push(ranked(logs.subarray(at, at + classes), network.model));
    }
    onProgress?.(results.length, count);
  }
  return results;
}

function ranked(logs: Float64Array, { classNames }: Model): readonly Guess[] {
  const guesses = Array.from(logs, (log, index) => ({
    class: index,
    label: classNames?.[index] ?? String(index),
    probability: Math.exp(log),
  }));
  return guesses.sort((a, b) => b.probability - a.probability || a.class - b.class);
}
