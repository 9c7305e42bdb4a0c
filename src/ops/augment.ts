/**
 * From stored images to what a network reads: crop, flips, translation, mean, colour noise, pixel noise, scale, channel order.
 *
 * For image n, channel c of the output and cell (i, j) of the crop, in this order, each step rounded once:
 *
 *     d = x − mean          the pixel that lands there, less its mean; 0 outside the image with fill 'zero'
 *     y = ((d + colour[n][c]) + noise·z)·scale[c]
 *
 * With `random` = [seedLo, seedHi, stepLo, stepHi] all chance is Philox4x32-10 under the key (seedLo, seedHi), in integers, so
 * every backend decides alike, bit for bit:
 *
 * - Image n, or the n-th run of `sharedBy` images, has the blocks with counter (2n, stream, stepLo, stepHi) and (2n + 1, …). Words 0 and 1 of the first choose top and
 *   left of a random crop, 2 and 3 the vertical and the horizontal flip; words 0 and 1 of the second choose the translation. A
 *   word w chooses one of k values as ⌊w·k/2³²⌋, and flips when ⌊w/2⌋ < ⌊probability·2³¹⌋. Words have their places whether they are used or not: to
 *   switch flips off moves no crop.
 * - z of output element e (row-major) is (S − 2040)/√87380, where S is the sum of the 16 bytes of the block with counter (e,
 *   stream + 2³¹, stepLo, stepHi). A byte has mean 127.5 and variance (256² − 1)/12, so z has mean 0 and variance 1; the sum of
 *   16 is near normal (excess kurtosis −0.075, |z| < 6.91). S is an integer, and noise/√87380 is rounded to 13 bits: their
 *   product is exact in float32, and adding it gives the same whether or not a compiler fuses the two.
 *
 * Normal deviates for colour noise (Krizhevsky et al. 2012, §4.1) are drawn on the host, which hands in the offsets that come of
 * them: a logarithm or a cosine differs between devices.
 */
import { GraphError } from '../errors.js';
import {
  bytesTouched,
  defineOp,
  elements,
  expectRank,
  expectShape,
  f32,
  formatShape,
  integerAttribute,
  type Judged,
  numberAttribute,
  type Op,
  pairAttribute,
  type Tensor64,
  type TensorType,
  wordAttribute,
} from './define.js';
import { multiplyHigh, philox4x32 } from './lib/philox.js';
import { roundingError } from './lib/sums.js';

/** Data that a recipe can hold. Numbers that are not integers are taken as float32. */
export type AugmentAttributes = {
  /** [height, width] of the crop; the whole image by default ([]). */
  readonly size: number | readonly number[];
  /**
   * Where the crop is cut: 'random' takes every position alike; 'centre' starts at half of what is left over, rounded down;
   * 'fixed' starts at `offset`.
   */
  readonly crop: 'centre' | 'random' | 'fixed';
  /** [top, left] of a fixed crop, 0 by default. */
  readonly offset: number | readonly number[];
  /** Probability of a mirror image, left to right; 0 never (the default), 1 always. */
  readonly flipHorizontal: number;
  /** Probability of an image upside down. */
  readonly flipVertical: number;
  /** Moves the image under the crop by up to [vertical, horizontal] pixels either way, every shift alike; 0 by default. */
  readonly translate: number | readonly number[];
  /** What a translation brings in from outside the image: 'zero' (after the mean, as a convolution pads) or the 'edge' pixel. */
  readonly fill: 'zero' | 'edge';
  /** Mean of each channel of the output, in its order; a single number stands for all; [] is none (the default). */
  readonly mean: number | readonly number[];
  /**
   * Whether there is an input with a mean image, and which of its pixels is subtracted: that in the pixel's own place, where the
   * 'crop' was cut (Caffe; it is flipped with the image), or that in the output cell's place in the 'centre' of the mean image
   * (the 2012 source: the same for every crop).
   */
  readonly meanImage: 'none' | 'crop' | 'centre';
  /** Whether there is an input `colour` of offsets to be added, one for each image and channel. */
  readonly colour: boolean;
  /** Standard deviation of noise on each pixel and channel, before scaling; 0 by default. */
  readonly noise: number;
  /** Factor on each channel of the output, in its order; a single number, 1 by default, stands for all. */
  readonly scale: number | readonly number[];
  /** Output channel c is channel C − 1 − c of the image: RGB becomes BGR. */
  readonly reverseChannels: boolean;
  /** Consecutive images that share one draw of crop, flips and translation, 1 by default. */
  readonly sharedBy: number;
  /** Tells these draws from those of other nodes: each needs a stream of its own. */
  readonly stream: number;
};

/** Whether anything is left to chance, so that the op has an input `random`. */
export function augmentIsRandom(given: Partial<AugmentAttributes>): boolean {
  const { crop, flipHorizontal = 0, flipVertical = 0, translate = 0, noise = 0 } = given;
  const maybe = [flipHorizontal, flipVertical].some((probability) => probability > 0 && probability < 1);
  const most = typeof translate === 'number' ? translate : Math.max(...translate);
  return crop === 'random' || maybe || most > 0 || noise > 0;
}

/** Half of a random word, rounded down, below this flips the image. */
export function flipThreshold(probability: number): number {
  return Math.floor(probability * 2 ** 31);
}

/** Standard deviation of the sum of 16 bytes. */
const byteSumDeviation = Math.sqrt((16 * (256 ** 2 - 1)) / 12);

/** noise/√87380 to 13 significant bits. */
export function noiseFactor(noise: number): number {
  if (noise === 0) return 0;
  const unit = 2 ** (Math.floor(Math.log2(noise / byteSumDeviation)) - 12);
  return Math.round(noise / byteSumDeviation / unit) * unit;
}

/** The second counter word of pixel noise; as host draws with counters from 2³¹ on use it too, it is no other node's stream. */
export function noiseStream(stream: number): number {
  return stream + 2 ** 31;
}

/** The sizes of an augmentation, unpacked once for reference and lowering. */
export interface AugmentGeometry {
  readonly batch: number;
  readonly channels: number;
  readonly inHeight: number;
  readonly inWidth: number;
  readonly outHeight: number;
  readonly outWidth: number;
  /** First position of the crop, [top, left], and number of positions to choose from. */
  readonly start: readonly [number, number];
  readonly choices: readonly [number, number];
  /** [vertical, horizontal] */
  readonly translate: readonly [number, number];
  /** Per output channel, float32. */
  readonly means: readonly number[];
  readonly scales: readonly number[];
}

/** Sizes from the shape of the images [N, C, H, W]; throws a GraphError for a crop that does not fit. */
export function augmentGeometry(given: AugmentAttributes, images: readonly number[]): AugmentGeometry {
  const [batch, channels, inHeight, inWidth] = images;
  const size = given.size as readonly number[];
  const [outHeight, outWidth] = size.length === 0 ? [inHeight, inWidth] : size;
  const [spareRows, spareColumns] = [inHeight - outHeight, inWidth - outWidth];
  if (spareRows < 0 || spareColumns < 0) {
    throw new GraphError(`augment: size ${formatShape(size)} is larger than the images ${formatShape(images)}`);
  }
  const [top, left] = given.offset as readonly number[];
  if (given.crop === 'fixed' && (top > spareRows || left > spareColumns)) {
    throw new GraphError(
      `augment: a crop of [${outHeight}, ${outWidth}] at offset [${top}, ${left}] leaves the images ${formatShape(images)}`,
    );
  }
  const starts = { random: [0, 0], centre: [spareRows >> 1, spareColumns >> 1], fixed: [top, left] } as const;
  const perChannel = (name: 'mean' | 'scale', none: number): readonly number[] => {
    const list = given[name] as readonly number[];
    if (list.length > 1 && list.length !== channels) {
      throw new GraphError(`augment: ${name} has ${list.length} numbers, the images ${channels} channels`);
    }
    return Array.from({ length: channels }, (_, c) => Math.fround(list[list.length === 1 ? 0 : c] ?? none));
  };
  const [vertical, horizontal] = given.translate as readonly number[];
  return {
    batch,
    channels,
    inHeight,
    inWidth,
    outHeight,
    outWidth,
    start: starts[given.crop],
    choices: given.crop === 'random' ? [spareRows + 1, spareColumns + 1] : [1, 1],
    translate: [vertical, horizontal],
    means: perChannel('mean', 0),
    scales: perChannel('scale', 1),
  };
}

/** Where one image is cut: the place in it of the crop's top left cell (which a translation may put outside), and its flips. */
export interface Placement {
  readonly top: number;
  readonly left: number;
  readonly flipVertical: boolean;
  readonly flipHorizontal: boolean;
}

/** What chance, or the lack of it, makes of image n. `random` is absent where nothing is left to chance. */
export function placement(
  given: AugmentAttributes,
  g: AugmentGeometry,
  random: ArrayLike<number> | undefined,
  n: number,
): Placement {
  const [first, second] = [new Uint32Array(4), new Uint32Array(4)];
  if (random) {
    const block = 2 * Math.floor(n / given.sharedBy);
    const key = [random[0], random[1]];
    philox4x32([block, given.stream, random[2], random[3]], key, first);
    philox4x32([block + 1, given.stream, random[2], random[3]], key, second);
  }
  const shift = (axis: 0 | 1) => multiplyHigh(second[axis], 2 * g.translate[axis] + 1) - g.translate[axis];
  return {
    top: g.start[0] + multiplyHigh(first[0], g.choices[0]) - shift(0),
    left: g.start[1] + multiplyHigh(first[1], g.choices[1]) - shift(1),
    flipVertical: first[2] >>> 1 < flipThreshold(given.flipVertical),
    flipHorizontal: first[3] >>> 1 < flipThreshold(given.flipHorizontal),
  };
}

/** S − 2040 for output element e: an integer between −2040 and 2040. */
export function noiseSum(stream: number, random: ArrayLike<number>, e: number): number {
  const words = new Uint32Array(4);
  philox4x32([e, noiseStream(stream), random[2], random[3]], [random[0], random[1]], words);
  return new Uint8Array(words.buffer).reduce((sum, byte) => sum + byte, -2040);
}

/** Position among the inputs of those that are there by attribute, or −1. */
export function augmentInputs(given: AugmentAttributes): { random: number; colour: number; mean: number } {
  const random = augmentIsRandom(given) ? 1 : -1;
  const colour = given.colour ? Math.max(random, 0) + 1 : -1;
  const mean = given.meanImage !== 'none' ? Math.max(random, colour, 0) + 1 : -1;
  return { random, colour, mean };
}

function numbers(name: string, given: number | readonly number[]): readonly number[] {
  const list = typeof given === 'number' ? [given] : given;
  return list.map((value) => numberAttribute('augment', name, value));
}

function attributes(given: Partial<AugmentAttributes>): AugmentAttributes {
  const size = given.size ?? [];
  const whole = typeof size !== 'number' && size.length === 0;
  const mean = numbers('mean', given.mean ?? []);
  const meanImage = wordAttribute('augment', 'meanImage', given.meanImage ?? 'none', ['none', 'crop', 'centre']);
  if (mean.length > 0 && meanImage !== 'none') {
    throw new GraphError('augment: mean must be [] where there is a mean image');
  }
  const scale = numbers('scale', given.scale ?? 1);
  if (scale.length === 0) throw new GraphError('augment: scale must have a number for all channels or one for each');
  return {
    size: whole ? [] : pairAttribute('augment', 'size', size, 1),
    crop: wordAttribute('augment', 'crop', given.crop ?? 'centre', ['centre', 'random', 'fixed']),
    offset: pairAttribute('augment', 'offset', given.offset ?? 0, 0),
    flipHorizontal: numberAttribute('augment', 'flipHorizontal', given.flipHorizontal ?? 0, 0, 1),
    flipVertical: numberAttribute('augment', 'flipVertical', given.flipVertical ?? 0, 0, 1),
    translate: pairAttribute('augment', 'translate', given.translate ?? 0, 0),
    fill: wordAttribute('augment', 'fill', given.fill ?? 'zero', ['zero', 'edge']),
    mean,
    meanImage,
    colour: given.colour ?? false,
    noise: numberAttribute('augment', 'noise', given.noise ?? 0, 0),
    scale,
    reverseChannels: given.reverseChannels ?? false,
    sharedBy: integerAttribute('augment', 'sharedBy', given.sharedBy ?? 1, 1),
    stream: integerAttribute('augment', 'stream', given.stream ?? 0, 0),
  };
}

function infer(given: AugmentAttributes, inputs: readonly TensorType[]): readonly TensorType[] {
  const at = augmentInputs(given);
  const expected = ['images', ...(['random', 'colour', 'mean'] as const).filter((name) => at[name] > 0)];
  if (inputs.length !== expected.length) {
    throw new GraphError(`augment: these attributes ask for the inputs ${expected.join(', ')}, got ${inputs.length}`);
  }
  const [images] = inputs;
  expectRank('augment', 'images', images, 4, images.dtype === 'u8' ? 'u8' : 'f32');
  const g = augmentGeometry(given, images.shape);
  if (at.random > 0) {
    const random = inputs[at.random];
    expectRank('augment', 'random', random, 1, 'i32');
    if (random.shape[0] !== 4) {
      throw new GraphError(`augment: random must be i32 [4] (seed and step, two words each), got [${random.shape[0]}]`);
    }
  }
  if (at.colour > 0) expectShape('augment', 'colour', inputs[at.colour], [g.batch, g.channels]);
  if (at.mean > 0) {
    const mean = inputs[at.mean];
    if (given.meanImage === 'crop') {
      expectShape('augment', 'the mean image', mean, [g.channels, g.inHeight, g.inWidth]);
    } else {
      expectRank('augment', 'the mean image', mean, 3);
      const [channels, height, width] = mean.shape;
      if (channels !== g.channels || height < g.outHeight || width < g.outWidth) {
        const least = formatShape([g.channels, g.outHeight, g.outWidth]);
        throw new GraphError(`augment: the mean image must be at least f32 ${least}, got ${formatShape(mean.shape)}`);
      }
    }
  }
  return [f32(g.batch, g.channels, g.outHeight, g.outWidth)];
}

/** A number that a kernel computes step by step in float32, and how far off it may be; exact for as long as no step rounds. */
class Rounded {
  value = 0;
  error = 0;

  set(value: number): void {
    this.value = value;
    this.error = 0;
  }

  add(term: number): void {
    this.value += term;
    this.round();
  }

  multiply(factor: number): void {
    this.value *= factor;
    this.error *= Math.abs(factor);
    this.round();
  }

  private round(): void {
    if (this.error === 0 && Math.fround(this.value) === this.value) return;
    this.error += roundingError(Math.abs(this.value) + this.error);
  }
}

function reference(given: AugmentAttributes, inputs: readonly Tensor64[]): readonly Judged[] {
  const at = augmentInputs(given);
  const [images, random, colour, mean] = [inputs[0], inputs[at.random], inputs[at.colour], inputs[at.mean]];
  const g = augmentGeometry(given, images.shape);
  const factor = noiseFactor(given.noise);
  const data = new Float64Array(g.batch * g.channels * g.outHeight * g.outWidth);
  const bound = new Float64Array(data.length);
  const cell = new Rounded();
  const clamp = (place: number, extent: number): number => Math.min(Math.max(place, 0), extent - 1);

  /** The mean of the pixel at (row, column) of the image that lands in cell (i, j) of the output. */
  const meanOf = (c: number, row: number, column: number, i: number, j: number): number => {
    if (!mean) return g.means[c];
    const [, height, width] = mean.shape;
    const [y, x] =
      given.meanImage === 'crop' ? [row, column] : [((height - g.outHeight) >> 1) + i, ((width - g.outWidth) >> 1) + j];
    return mean.data[(c * height + y) * width + x];
  };

  let e = 0;
  for (let n = 0; n < g.batch; n++) {
    const { top, left, flipVertical, flipHorizontal } = placement(given, g, random?.data, n);
    for (let c = 0; c < g.channels; c++) {
      const plane = n * g.channels + (given.reverseChannels ? g.channels - 1 - c : c);
      for (let i = 0; i < g.outHeight; i++) {
        const y = top + (flipVertical ? g.outHeight - 1 - i : i);
        const row = clamp(y, g.inHeight);
        for (let j = 0; j < g.outWidth; j++, e++) {
          const x = left + (flipHorizontal ? g.outWidth - 1 - j : j);
          const column = clamp(x, g.inWidth);
          cell.set(0);
          if ((row === y && column === x) || given.fill === 'edge') {
            cell.set(images.data[(plane * g.inHeight + row) * g.inWidth + column]);
            cell.add(-meanOf(c, row, column, i, j));
          }
          if (colour) cell.add(colour.data[n * g.channels + c]);
          if (random && factor !== 0) cell.add(noiseSum(given.stream, random.data, e) * factor);
          cell.multiply(g.scales[c]);
          data[e] = cell.value;
          bound[e] = cell.error;
        }
      }
    }
  }
  return [{ data, bound }];
}

/**
 * images u8 or f32 [N, C, H, W], then as the attributes have it: random i32 [4]; colour f32 [N, C]; mean image f32, [C, H, W] for 'crop',
 * for 'centre' [C, ≥ h, ≥ w], in the order of the output's channels → f32 [N, C, h, w]. Images are data: there is no gradient.
 */
export const augment: Op<AugmentAttributes> = defineOp<AugmentAttributes>({
  name: 'augment',
  family: 'augment',
  attributes,
  infer,

  cost(given, inputs, outputs) {
    const mean = given.meanImage !== 'none' || (given.mean as readonly number[]).length > 0;
    const scaled = (given.scale as readonly number[]).some((factor) => factor !== 1);
    const operations = Number(mean) + Number(given.colour) + 2 * Number(given.noise > 0) + Number(scaled);
    return { macs: 0, flops: operations * elements(outputs[0].shape), bytes: bytesTouched(inputs, outputs) };
  },

  reference,
});
