/** From a network's preprocessing and augmentation, which are data, to the attributes and inputs of the op `augment`. */
import type { Augmentation, ColourNoise } from '../models/augmentation.js';
import type { Preprocessing } from '../models/model.js';
import { type AugmentAttributes, noiseStream } from '../ops/augment.js';
import { normalAngle, normalRadius } from '../ops/lib/deviates.js';
import { philox4x32 } from '../ops/lib/philox.js';

/**
 * The centre crop of inference: what `preprocessImage` makes of an image, bit for bit, for a batch [N, 3, H, W] of RGB images that have
 * been resized ([N, 1, H, W] of grey levels where the network wants grey).
 */
export function inferenceAttributes(preprocessing: Preprocessing): Partial<AugmentAttributes> {
  const { channels, crop, mean, scale, std } = preprocessing;
  return {
    size: crop,
    crop: 'centre',
    mean,
    scale: std ? std.map((deviation) => scale / deviation) : scale,
    reverseChannels: channels === 'BGR',
  };
}

/**
 * What training images go through on the device, once they have the side that crops are cut from. A resized crop is the
 * loader's: images come with it done. Colour noise needs `colourOffsets` beside this.
 *
 * @param meanImage whether there is a mean image; the means of its channels serve otherwise
 */
export function trainingAttributes(
  preprocessing: Preprocessing,
  augmentation: Augmentation = {},
  meanImage = false,
): Partial<AugmentAttributes> {
  const inference = inferenceAttributes(preprocessing);
  const { cropFrom, mirror, colourNoise, sharedBy = 1 } = augmentation;
  const scales = typeof inference.scale === 'number' ? [inference.scale] : (inference.scale ?? [1]);
  return {
    ...inference,
    crop: cropFrom === undefined ? 'centre' : 'random',
    flipHorizontal: mirror ? 0.5 : 0,
    scale: scales.map((scale) => scale / (colourNoise?.divide ?? 1)),
    sharedBy,
    ...(meanImage ? { mean: [], meanImage: augmentation.meanImage ?? 'centre' } : {}),
  };
}

/**
 * The ten crops of Krizhevsky et al. 2012, §4.1, in the order of the source: top left, top right, centre, bottom left, bottom right,
 * then their mirror images. Class probabilities are averaged over them.
 *
 * @param image [height, width] that is cut from
 * @param size [height, width] of a crop
 */
export function tenCrops(
  image: readonly [number, number],
  size: readonly [number, number],
): readonly Pick<AugmentAttributes, 'size' | 'crop' | 'offset' | 'flipHorizontal'>[] {
  const [bottom, right] = [image[0] - size[0], image[1] - size[1]];
  const offsets = [
    [0, 0],
    [0, right],
    [bottom >> 1, right >> 1],
    [bottom, 0],
    [bottom, right],
  ];
  return [0, 1].flatMap((flipHorizontal) =>
    offsets.map((offset) => ({ size, crop: 'fixed' as const, offset, flipHorizontal })),
  );
}

/**
 * The input `colour` [N, C] of the op: Σ αᵢ · scales[i] · components[i] for each image, with αᵢ ~ N(0, std²) drawn once an image
 * (Krizhevsky et al. 2012, §4.1). Deviate i of image n is one of the two that the Box–Muller transform makes of two words of
 * Philox(counter = (2³¹ + n·⌈I/4⌉ + ⌊i/4⌋, stream + 2³¹, step), key = seed), in float64 and rounded once: no other node draws there.
 *
 * @param random seed and step, as the op has them
 */
export function colourOffsets(
  noise: ColourNoise,
  batch: number,
  random: ArrayLike<number>,
  stream: number,
): Float32Array {
  const { std, scales, components } = noise;
  const channels = components[0].length;
  const offsets = new Float32Array(batch * channels);
  const blocks = Math.ceil(components.length / 4);
  const words = new Uint32Array(4);
  for (let n = 0; n < batch; n++) {
    const sums = new Float64Array(channels);
    components.forEach((component, i) => {
      if (i % 4 === 0) {
        const counter = [2 ** 31 + n * blocks + i / 4, noiseStream(stream), random[2], random[3]];
        philox4x32(counter, [random[0], random[1]], words);
      }
      const pair = i & 2;
      const angle = normalAngle(words[pair + 1]);
      const deviate = normalRadius(words[pair]) * (i & 1 ? Math.sin(angle) : Math.cos(angle));
      for (let c = 0; c < channels; c++) sums[c] += std * deviate * scales[i] * component[c];
    });
    offsets.set(sums, n * channels);
  }
  return offsets;
}
