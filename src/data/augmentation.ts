/** From a network's preprocessing and augmentation, which are data, to the attributes and inputs of the op `augment`. */
import type { Augmentation } from '../models/augmentation.js';
import type { Preprocessing } from '../models/model.js';
import type { AugmentAttributes } from '../ops/augment.js';

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
