/** From pixels to the input tensor of a network, as its `Preprocessing` says. */
import { concurrently } from '../concurrently.js';
import { ArgumentError, FileError, InputError } from '../errors.js';
import type { Preprocessing } from '../models/model.js';
import { type Pixels, readImage } from './image.js';
import { luma } from './stored.js';

/** Images decoded at one time: enough to keep sharp's threads busy, few enough to hold in memory. */
const decodedAtOnce = 4;

/**
 * Cuts the centre out of an image that has been resized already, and converts it: [C, crop, crop], row-major, in `into` when
 * given. A cell is (v − mean[c]) · scale / std[c], computed as the op `augment` does it: float32 constants, each step rounded once.
 *
 * @throws InputError when the image is smaller than the crop; ArgumentError when `into` has another length.
 */
export function preprocessImage(pixels: Pixels, preprocessing: Preprocessing, into?: Float32Array): Float32Array {
  const { width, height, data } = pixels;
  const { channels, crop, mean, scale, std } = preprocessing;
  if (data.length !== 3 * width * height) {
    throw new InputError(`an RGB image of ${width}×${height} has ${3 * width * height} bytes, got ${data.length}`);
  }
  if (width < crop || height < crop) {
    throw new InputError(`the image is ${width}×${height}, the network's input is cut from at least ${crop}×${crop}`);
  }
  const plane = crop * crop;
  const count = mean.length * plane;
  if (into && into.length !== count) throw new ArgumentError(`into must have ${count} elements, got ${into.length}`);
  const tensor = into ?? new Float32Array(count);
  const means = mean.map(Math.fround);
  const factors = mean.map((_, c) => Math.fround(std ? scale / std[c] : scale));
  const top = Math.floor((height - crop) / 2);
  const left = Math.floor((width - crop) / 2);
  for (let y = 0; y < crop; y++) {
    let from = 3 * ((top + y) * width + left);
    for (let to = y * crop; to < (y + 1) * crop; to++, from += 3) {
      if (channels === 'grey') {
        const grey = luma[0] * data[from] + luma[1] * data[from + 1] + luma[2] * data[from + 2];
        tensor[to] = Math.fround(grey - means[0]) * factors[0];
        continue;
      }
      for (let c = 0; c < 3; c++) {
        const level = data[from + (channels === 'BGR' ? 2 - c : c)];
        tensor[c * plane + to] = Math.fround(level - means[c]) * factors[c];
      }
    }
  }
  return tensor;
}

/**
 * Decodes files into one batch [N, C, crop, crop] in the order of `paths`.
 *
 * @throws FileError naming every file that cannot be read (all are tried); ArgumentError when there are none.
 */
export async function loadImages(paths: readonly string[], preprocessing: Preprocessing): Promise<Float32Array> {
  if (paths.length === 0) throw new ArgumentError('no images were given, expected at least one path');
  const { mean, crop, fit, resize: size } = preprocessing;
  const count = mean.length * crop * crop;
  const batch = new Float32Array(paths.length * count);
  const failures: FileError[] = [];
  await concurrently(paths.keys(), decodedAtOnce, async (i) => {
    try {
      const image = await readImage(paths[i], { fit, size });
      preprocessImage(image, preprocessing, batch.subarray(i * count, (i + 1) * count));
    } catch (error) {
      if (!(error instanceof FileError)) throw error;
      failures.push(error);
    }
  });
  if (failures.length === 1) throw failures[0];
  if (failures.length > 1) {
    const messages = failures.map((failure) => failure.message).sort();
    throw new FileError(`${failures.length} of ${paths.length} images cannot be read:\n${messages.join('\n')}`);
  }
  return batch;
}
