/** What training images go through before they reach a network, as data: the op `augment` and a loader read it. */
import type { ColourNoise } from '../engine/colourNoise.js';

export type { ColourNoise } from '../engine/colourNoise.js';

export interface Augmentation {
  /** Side of the square that crops of the network's input size are cut from, at any whole offset. */
  readonly cropFrom?: number;
  /** A part of the image of this share of its area and this aspect, resized to the input size (torchvision). */
  readonly resizedCrop?: { readonly area: readonly [number, number]; readonly aspect: readonly [number, number] };
  /** Left and right are exchanged with probability ½. */
  readonly mirror?: boolean;
  readonly colourNoise?: ColourNoise;
  /** The epoch at which colour noise ends; never where it is missing. */
  readonly colourNoiseUntil?: number;
  /** Images that share one draw of offset and mirroring, 1 where it is missing. */
  readonly sharedBy?: number;
  /** The mean image is subtracted, cut out of its 'centre' whatever the crop, or where the 'crop' was cut. */
  readonly meanImage?: 'centre' | 'crop';
}

/**
 * Principal components of ImageNet's RGB pixels from 0 to 255, as cuda-convnet2 ships them: `scales` are square roots of
 * eigenvalues. The paper multiplies by the eigenvalues themselves, which would be noise of ±1483 grey levels: its code is right.
 */
export const imagenetColourNoise: ColourNoise = {
  std: 0.1,
  scales: [121.78006, 37.09389, 19.72083],
  components: [
    [-0.56351, -0.57618, -0.592],
    [-0.71258, -0.02354, 0.7012],
    [0.41796, -0.81698, 0.39731],
  ],
  divide: 1.1,
};
