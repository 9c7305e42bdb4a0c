/**
 * Random parts of images, resized: torchvision's RandomResizedCrop, which `alexnet-owt`'s recipe has. It is done here and not on the device,
 * where every image of a batch has one size of crop.
 */
import type { Augmentation } from '../models/augmentation.js';
import { hashName, unit } from '../ops/lib/deviates.js';
import { philox4x32, split64 } from '../ops/lib/philox.js';
import type { Dataset } from './dataset.js';
import { dataDomain } from './permutation.js';

/** `area` is a share of the image's; `aspect`, width by height, is drawn evenly in its logarithm. */
export interface ResizedCrop extends NonNullable<Augmentation['resizedCrop']> {
  /** Side of the square that a part is resized to: the network's input. */
  readonly size: number;
}

/** [top, left, height, width], in whole pixels. */
export type Part = readonly [number, number, number, number];

/** Draws of area and aspect that are tried for one that fits into the image. */
const attempts = 10;

/**
 * The part of image `index` in an epoch. Attempt k takes the four words of Philox(counter = (k, hash of 'resized crop', index, `dataDomain`), key =
 * seed + epoch·2³²) for area, aspect, top and left; where none fits it is the centre, as near to the aspects as the image is.
 */
export function drawPart(
  { area, aspect }: ResizedCrop,
  [height, width]: readonly [number, number],
  seed: number,
  epoch: number,
  index: number,
): Part {
  const [low, high] = split64(seed);
  const words = new Uint32Array(4);
  for (let k = 0; k < attempts; k++) {
    philox4x32([k, hashName('resized crop'), index, dataDomain], [low, (high + epoch) >>> 0], words);
    const pixels = height * width * (area[0] + (area[1] - area[0]) * unit(words[0]));
    const ratio = aspect[0] * (aspect[1] / aspect[0]) ** unit(words[1]);
    const [h, w] = [Math.round(Math.sqrt(pixels / ratio)), Math.round(Math.sqrt(pixels * ratio))];
    if (h < 1 || w < 1 || h > height || w > width) continue;
    return [Math.floor(unit(words[2]) * (height - h + 1)), Math.floor(unit(words[3]) * (width - w + 1)), h, w];
  }
  const ratio = Math.min(Math.max(width / height, aspect[0]), aspect[1]);
  const [h, w] = [Math.min(height, Math.round(width / ratio)), Math.min(width, Math.round(height * ratio))];
  return [(height - h) >> 1, (width - w) >> 1, h, w];
}

/** What an output pixel takes along one axis: `taps` weights from `first` on. */
interface Filter {
  readonly first: Int32Array;
  /** [outputs, taps] */
  readonly weights: Float64Array;
  readonly taps: number;
}

/**
 * Bilinear resizing from `extent` pixels to `size`: a triangle as wide as an input pixel, or as an output pixel where it shrinks (so does
 * torchvision with antialias). Pixel centres lie at halves; beyond the edge there is nothing, and weights add up to 1.
 */
function triangle(extent: number, size: number): Filter {
  const scale = extent / size;
  const reach = Math.max(scale, 1);
  const taps = Math.min(extent, 2 * Math.ceil(reach) + 1);
  const first = new Int32Array(size);
  const weights = new Float64Array(size * taps);
  for (let i = 0; i < size; i++) {
    const centre = (i + 0.5) * scale;
    first[i] = Math.min(Math.max(Math.floor(centre - reach), 0), extent - taps);
    let sum = 0;
    for (let k = 0; k < taps; k++) {
      const weight = Math.max(0, 1 - Math.abs(first[i] + k + 0.5 - centre) / reach);
      weights[i * taps + k] = weight;
      sum += weight;
    }
    for (let k = 0; k < taps; k++) weights[i * taps + k] /= sum;
  }
  return { first, weights, taps };
}

/** Resizes a part of an image [C, H, W] to [C, size, size]. Values are rounded once, at the end. */
export function resizePart(
  image: Uint8Array,
  [channels, height, width]: Dataset['shape'],
  [top, left, h, w]: Part,
  size: number,
  into: Uint8Array,
): void {
  const [down, across] = [triangle(h, size), triangle(w, size)];
  const rows = new Float64Array(h * size);
  for (let c = 0; c < channels; c++) {
    for (let y = 0; y < h; y++) filterRow(image, (c * height + top + y) * width + left, across, rows, y * size);
    for (let y = 0; y < size; y++) filterColumns(rows, size, down, y, into, (c * size + y) * size);
  }
}

/** Resizes the row that begins at `from`. */
function filterRow(image: Uint8Array, from: number, filter: Filter, into: Float64Array, to: number): void {
  const { first, weights, taps } = filter;
  for (let x = 0, w = 0; x < first.length; x++) {
    const start = from + first[x];
    let sum = 0;
    for (let k = 0; k < taps; k++, w++) sum += weights[w] * image[start + k];
    into[to + x] = sum;
  }
}

/** Row y of the result, out of rows [h, size]. */
function filterColumns(
  rows: Float64Array,
  size: number,
  filter: Filter,
  y: number,
  into: Uint8Array,
  to: number,
): void {
  const { first, weights, taps } = filter;
  const start = first[y] * size;
  for (let x = 0; x < size; x++) {
    let sum = 0.5;
    for (let k = 0, at = start + x; k < taps; k++, at += size) sum += weights[y * taps + k] * rows[at];
    into[to + x] = sum; // cut off: rounded to the nearest
  }
}

/** Puts a part [C, size, size] into the centre of an image [C, H, W], from where the network crops it. */
export function placeInCentre(
  part: Uint8Array,
  size: number,
  [channels, height, width]: Dataset['shape'],
  into: Uint8Array,
): void {
  const [top, left] = [(height - size) >> 1, (width - size) >> 1];
  for (let row = 0; row < channels * size; row++) {
    const to = (Math.floor(row / size) * height + top + (row % size)) * width + left;
    into.set(part.subarray(row * size, (row + 1) * size), to);
  }
}
