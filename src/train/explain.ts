/** Which parts of an image a network's answer hangs on: by its gradient, and by covering them. Maps have a value for each pixel of the network's input. */
import type { Network } from '../engine/network.js';
import { ArgumentError, InputError } from '../errors.js';
import type { Model } from '../models/model.js';
import { augment } from '../ops/augment.js';
import { elements, formatShape } from '../ops/define.js';
import { inputOf } from './checkDataset.js';
import { logProbabilities } from './predict.js';

/** Values over the network's input, row by row. */
export interface ImageMap {
  readonly height: number;
  readonly width: number;
  /** [height, width] */
  readonly values: Float32Array;
}

/** A part of a stored image. */
export interface Window {
  readonly top: number;
  readonly left: number;
  readonly height: number;
  readonly width: number;
}

export interface OcclusionOptions {
  /** Side of the patch as a share of the input's; ¼ by default. */
  readonly patch?: number;
  /** Places of the patch along a side, 16 by default. */
  readonly places?: number;
  /** Images at one time, 32 by default. */
  readonly batch?: number;
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

export interface Occlusion extends ImageMap {
  /** Probability of the class with nothing covered. */
  readonly probability: number;
  /** The least that it came to, and the patch that did it (clipped to the input). */
  readonly least: number;
  readonly at: Window;
}

/** Mid-grey: neither dark nor light. */
const patchLevel = 128;

/**
 * The part of a stored image that the network sees in `forward`.
 *
 * @throws ArgumentError for a network without `input`
 */
export function seenWindow(network: Network<Model>): Window {
  const input = inputOf(network);
  const [, height, width] = network.model.inputShape;
  const { crop, offset } = augment.attributes(input.inference);
  const [, rows, columns] = input.shape;
  const [top, left] = crop === 'fixed' ? (offset as readonly number[]) : [(rows - height) >> 1, (columns - width) >> 1];
  return { top, left, height, width };
}

/**
 * The gradient, by the pixels, of a class's score over another's: for each pixel the largest magnitude over its channels (Simonyan et al.
 * 2013, §3, who take the score alone: what all classes have in common tells nothing).
 *
 * It is the difference of two gradients of the loss, ∂/∂x (z_a − z_b) = ∂L(b)/∂x − ∂L(a)/∂x with L(c) = log Σ exp z − z_c: unlike each
 * of them it does not vanish where the network is sure.
 *
 * @param image bytes [C, H, W] as stored
 * @param of the class to be explained
 * @param over the class it is told from, such as the next most probable
 */
export async function saliency(
  network: Network<Model>,
  image: Uint8Array,
  of: number,
  over: number,
  signal?: AbortSignal,
): Promise<ImageMap> {
  expectOne(network, image);
  const pair = new Uint8Array(2 * image.length);
  pair.set(image);
  pair.set(image, image.length);
  const { gradients } = await network.gradients(pair, [over, of], { of: ['images'], dropout: false, signal });
  const [channels, height, width] = network.model.inputShape;
  const plane = height * width;
  const values = new Float32Array(plane);
  for (let i = 0; i < channels * plane; i++) {
    // The loss is a mean over the two.
    const slope = 2 * Math.abs(gradients.images[i] - gradients.images[channels * plane + i]);
    if (slope > values[i % plane]) values[i % plane] = slope;
  }
  return { height, width, values };
}

/**
 * How far the probability of a class falls when a grey patch covers a part of the image (Zeiler and Fergus 2014, §4.2): at each pixel the
 * fall with the patch centred there, between the places that were tried by bilinear interpolation. Where the patch helps the value is negative.
 *
 * @param image bytes [C, H, W] as stored
 */
export async function occlusion(
  network: Network<Model>,
  image: Uint8Array,
  of: number,
  options: OcclusionOptions = {},
): Promise<Occlusion> {
  expectOne(network, image);
  const { patch = 0.25, onProgress, signal } = options;
  if (!(patch > 0 && patch <= 1)) throw new ArgumentError(`patch must be a share above 0, up to 1, got ${patch}`);
  const seen = seenWindow(network);
  const { height, width } = seen;
  const places = Math.min(options.places ?? 16, height, width);
  const patches = Array.from({ length: places * places }, (_, i) =>
    patchAt(seen, patch, (Math.floor(i / places) + 0.5) / places, ((i % places) + 0.5) / places),
  );
  // The first image stays as it is.
  const variants: readonly (Window | undefined)[] = [undefined, ...patches];
  const batch = Math.min(options.batch ?? 32, variants.length);
  const bytes = new Uint8Array(batch * image.length);
  const probabilities: number[] = [];
  for (let start = 0; start < variants.length; start += batch) {
    for (let n = 0; n < batch; n++) {
      const own = bytes.subarray(n * image.length, (n + 1) * image.length);
      own.set(image);
      // The last batch is filled up with the image itself, so that one program serves for all.
      const covered = variants[start + n];
      if (covered) cover(own, inputOf(network).shape, covered);
    }
    const logs = await logProbabilities(network, bytes, [undefined], signal);
    const { classes } = network.model;
    for (let n = 0; n < batch; n++) probabilities.push(Math.exp(logs[n * classes + of]));
    onProgress?.(Math.min(start + batch, variants.length), variants.length);
  }
  const [probability, ...covered] = probabilities.slice(0, variants.length);
  const least = Math.min(...covered);
  const falls = covered.map((each) => probability - each);
  return {
    ...{ height, width, values: spread(falls, places, height, width) },
    ...{ probability, least, at: patches[covered.indexOf(least)] },
  };
}

function expectOne(network: Network<Model>, image: Uint8Array): void {
  const { shape } = inputOf(network);
  if (image.length === elements(shape)) return;
  throw new InputError(`an image of ${formatShape(shape)} takes ${elements(shape)} bytes, got ${image.length}`);
}

/** The patch around a place in what is seen, given as shares of its sides; in the stored image's coordinates. */
function patchAt(seen: Window, share: number, down: number, across: number): Window {
  const range = (start: number, extent: number, centre: number) => {
    const side = Math.max(1, Math.round(share * extent));
    const from = Math.round(centre * extent - side / 2);
    const [first, end] = [Math.max(0, from), Math.min(extent, from + side)];
    return [start + first, end - first];
  };
  const [top, height] = range(seen.top, seen.height, down);
  const [left, width] = range(seen.left, seen.width, across);
  return { top, left, height, width };
}

function cover(planes: Uint8Array, [channels, rows, columns]: readonly number[], patch: Window): void {
  for (let c = 0; c < channels; c++) {
    for (let y = patch.top; y < patch.top + patch.height; y++) {
      const start = (c * rows + y) * columns + patch.left;
      planes.fill(patchLevel, start, start + patch.width);
    }
  }
}

/** Values at the centres of places × places cells, interpolated for each pixel. */
function spread(cells: readonly number[], places: number, height: number, width: number): Float32Array {
  const along = (i: number, extent: number) => {
    const at = Math.min(places - 1, Math.max(0, ((i + 0.5) * places) / extent - 0.5));
    const before = Math.floor(at);
    return { before, after: Math.min(places - 1, before + 1), share: at - before };
  };
  return Float32Array.from({ length: height * width }, (_, i) => {
    const y = along(Math.floor(i / width), height);
    const x = along(i % width, width);
    const row = (r: number) => (1 - x.share) * cells[r * places + x.before] + x.share * cells[r * places + x.after];
    return (1 - y.share) * row(y.before) + y.share * row(y.after);
  });
}
