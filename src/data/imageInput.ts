/** How a model's stored images become its input: its preprocessing and augmentation, which are data, as attributes of `augment`. */
import type { ColourNoise } from '../engine/colourNoise.js';
import type { ImageInput } from '../engine/imageInput.js';
import { ArgumentError } from '../errors.js';
import type { Model } from '../models/model.js';
import { elements, formatShape } from '../ops/define.js';
import { inferenceAttributes, trainingAttributes } from './augmentation.js';

/** Measured on the training set as it is stored: channels in the order R, G, B. */
export interface ImageStatistics {
  /** [C, H, W] of the images' shape. It is subtracted instead of the means of the channels. */
  readonly meanImage?: Float32Array;
  /** Takes the place of the noise of the model's augmentation. */
  readonly colourNoise?: ColourNoise;
}

/**
 * The input of a network for images of one stored shape. Crops are cut from anywhere in the stored image while training where the model's
 * augmentation cuts any, from its centre otherwise and in inference. A mean image is subtracted as the augmentation says: cut out of
 * its 'centre' whatever the crop (by default), or where the 'crop' was cut.
 *
 * @param shape [C, H, W] of a stored image, RGB or grey
 * @throws ArgumentError for images of other channels than the model wants, or smaller than its input
 */
export function imageInput(model: Model, shape: ImageInput['shape'], statistics: ImageStatistics = {}): ImageInput {
  const { preprocessing, augmentation = {} } = model;
  checkShape(model, shape);
  const { meanImage, colourNoise } = statistics;
  if (meanImage && meanImage.length !== elements(shape)) {
    throw new ArgumentError(
      `the mean image must be ${formatShape(shape)}, ${elements(shape)} numbers, got ${meanImage.length}`,
    );
  }
  const reversed = preprocessing.channels === 'BGR';
  const mean = meanImage && reversed ? reversePlanes(meanImage, shape[0]) : meanImage;
  const measured = colourNoise && reversed ? reverseComponents(colourNoise) : colourNoise;
  const noise = measured ?? augmentation.colourNoise;
  const subtracted = mean ? ({ mean: [], meanImage: augmentation.meanImage ?? 'centre' } as const) : {};
  return {
    shape,
    // The network divides by what goes with colour noise where it draws some.
    training: trainingAttributes(preprocessing, { ...augmentation, colourNoise: undefined }, mean !== undefined),
    inference: { ...inferenceAttributes(preprocessing), ...subtracted },
    ...(mean ? { meanImage: mean } : {}),
    ...(noise ? { colourNoise: noise } : {}),
  };
}

function checkShape({ name, preprocessing: { channels, crop } }: Model, shape: ImageInput['shape']): void {
  const [stored, height, width] = shape;
  const wanted = channels === 'grey' ? 1 : 3;
  if (stored !== wanted) {
    const kind = wanted === 1 ? 'grey images (1 channel)' : 'colour images (3 channels)';
    throw new ArgumentError(`${name} wants ${kind}, the stored images have ${stored}: ${formatShape(shape)}`);
  }
  if (height < crop || width < crop) {
    throw new ArgumentError(
      `${name} reads crops of ${crop}×${crop}, the stored images are smaller: ${height}×${width} (height × width)`,
    );
  }
}

function reversePlanes(image: Float32Array, channels: number): Float32Array {
  const plane = image.length / channels;
  const reversed = new Float32Array(image.length);
  for (let c = 0; c < channels; c++) {
    reversed.set(image.subarray(c * plane, (c + 1) * plane), (channels - 1 - c) * plane);
  }
  return reversed;
}

function reverseComponents(noise: ColourNoise): ColourNoise {
  return { ...noise, components: noise.components.map((component) => [...component].reverse()) };
}
