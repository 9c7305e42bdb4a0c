/** How images are kept: what has to be done to a decoded one only once, so that crops can be cut from it ever after. */
import { ArgumentError, InputError } from '../errors.js';
import type { Augmentation } from '../models/augmentation.js';
import type { Preprocessing } from '../models/model.js';
import type { Dataset } from './dataset.js';
import type { Pixels, Resizing } from './image.js';

/** Images become squares of `side`, RGB (3 channels) or grey (1). */
export interface StoredAs {
  readonly channels: 1 | 3;
  readonly fit: Resizing['fit'];
  readonly side: number;
}

/** Weights of R, G and B in the luma of ITU-R BT.601. */
export const luma = [0.299, 0.587, 0.114] as const;

/**
 * Squares of the side that training crops are cut from (`cropFrom`; `resize` where there is none), BGR as RGB: the device turns it.
 *
 * @throws ArgumentError when the network's input does not fit into them
 */
export function storedAs(preprocessing: Preprocessing, augmentation: Augmentation = {}): StoredAs {
  const { channels, fit, resize, crop } = preprocessing;
  const side = augmentation.cropFrom ?? resize;
  if (!(Number.isInteger(side) && side >= crop)) {
    throw new ArgumentError(`crops of ${crop}×${crop} cannot be cut from images of ${side}×${side}`);
  }
  return { channels: channels === 'grey' ? 1 : 3, fit, side };
}

/** [C, H, W] */
export function storedShape({ channels, side }: StoredAs): Dataset['shape'] {
  return [channels, side, side];
}

/**
 * Cuts the centre square out of an image that has been resized, as channel planes [C, side, side]; grey levels are rounded.
 *
 * @throws InputError when the image is smaller
 */
export function storePixels({ width, height, data }: Pixels, { channels, side }: StoredAs, into: Uint8Array): void {
  if (width < side || height < side) {
    throw new InputError(`the image is ${width}×${height}, expected at least ${side}×${side}`);
  }
  const [top, left, plane] = [(height - side) >> 1, (width - side) >> 1, side * side];
  for (let y = 0; y < side; y++) {
    let from = 3 * ((top + y) * width + left);
    for (let to = y * side; to < (y + 1) * side; to++, from += 3) {
      if (channels === 1) {
        into[to] = Math.round(luma[0] * data[from] + luma[1] * data[from + 1] + luma[2] * data[from + 2]);
      } else {
        into[to] = data[from];
        into[to + plane] = data[from + 1];
        into[to + 2 * plane] = data[from + 2];
      }
    }
  }
}
