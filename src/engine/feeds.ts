/** What the programs of a network are run on: images as they come, and what a training graph needs beside them. */
import type { TypedArray } from '../backends/backend.js';
import { split64 } from '../ops/lib/philox.js';
import { colourOffsets } from './colourNoise.js';
import { lossSeed } from './graphs.js';
import { type ImageInput, type StoredImages, storedInputs } from './imageInput.js';
import type { Images } from './types.js';

export type Feed = Record<string, TypedArray>;

/** Which draws a training graph makes, and how much of the batch it sees. */
export interface Chance {
  readonly step: number;
  /** Number of the part of the batch, from 0. */
  readonly part?: number;
  /** The part's share of the batch; 1 by default. */
  readonly share?: number;
}

/** Parts of one batch whose draws can be told apart: a step takes 53 bits of a counter of 64. */
export const mostParts = 2 ** 11;

export class Feeds {
  /** Written anew by each step; a backend has read it when the run has been given to it. */
  private offsets = new Float32Array(0);

  constructor(
    private readonly seed: number,
    private readonly input: ImageInput | undefined,
  ) {}

  /** For a graph without chance; `stored` is there for bytes. */
  images(images: Images, stored: StoredImages | undefined): Feed {
    if (!stored) return { images };
    const feed: Feed = { [storedInputs.bytes]: images };
    if (stored.attributes.meanImage !== 'none') feed[storedInputs.meanImage] = this.input?.meanImage as Float32Array;
    return feed;
  }

  /** For a graph with a loss. Part m of step s draws with the counter s + m·2⁵³. */
  training(
    images: Images,
    labels: Int32Array,
    stored: StoredImages | undefined,
    { step, part = 0, share = 1 }: Chance,
  ): Feed {
    const [low, high] = split64(step);
    const random = Int32Array.of(...split64(this.seed), low, high + part * 2 ** 21);
    const feed = { ...this.images(images, stored), labels, random, [lossSeed]: Float32Array.of(share) };
    return stored?.attributes.colour
      ? { ...feed, [storedInputs.colour]: this.colour(labels.length, random, stored) }
      : feed;
  }

  private colour(batch: number, random: Int32Array, { shape, attributes }: StoredImages): Float32Array {
    const length = batch * shape[0];
    if (this.offsets.length < length) this.offsets = new Float32Array(length);
    const into = this.offsets.subarray(0, length);
    return this.input?.colourNoise
      ? colourOffsets(this.input.colourNoise, batch, random, attributes.stream, into)
      : into;
  }
}
