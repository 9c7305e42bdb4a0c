/** The first convolution's filters as pictures: what a network looks for in its images. */
import type { Pixels } from '../data/image.js';
import type { Network } from '../engine/network.js';
import type { Model } from '../models/model.js';

/** Weights of the convolution that sees the images. */
export interface FirstFilters {
  /** 'conv1.weight' */
  readonly name: string;
  /** [O, C, KH, KW] */
  readonly shape: readonly number[];
  readonly weights: Float32Array;
  /** How the C input channels are to be read. */
  readonly channels: Model['preprocessing']['channels'];
}

/** Those of a network as they are now; none where no convolution comes first. */
export async function firstFilters(network: Network<Model>): Promise<FirstFilters | undefined> {
  const { inputShape, preprocessing } = network.model;
  const first = network.parameters.find(({ shape }) => shape.length > 1);
  if (first?.shape.length !== 4 || first.shape[1] !== inputShape[0]) return undefined;
  const { name, shape } = first;
  return { name, shape, weights: await network.read(name), channels: preprocessing.channels };
}

/** One picture a filter. Each has a contrast of its own: 0 is mid-grey, the weight of the largest magnitude is black or white in its channel. */
export function filterPictures({ shape, weights, channels }: FirstFilters): readonly Pixels[] {
  const [filters, inputs, height, width] = shape;
  const plane = height * width;
  const planes = channels === 'BGR' ? [2, 1, 0] : inputs === 3 ? [0, 1, 2] : [0, 0, 0];
  return Array.from({ length: filters }, (_, o) => {
    const own = weights.subarray(o * inputs * plane, (o + 1) * inputs * plane);
    const largest = own.reduce((most, weight) => Math.max(most, Math.abs(weight)), 0);
    const data = new Uint8Array(3 * plane);
    for (let i = 0; i < data.length; i++) {
      const weight = own[planes[i % 3] * plane + Math.floor(i / 3)];
      data[i] = Math.round(127.5 + 127.5 * (largest > 0 ? weight / largest : 0));
    }
    return { width, height, data };
  });
}
