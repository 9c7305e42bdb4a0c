/** `tandem convert --mean`: the mean image of a training set as a part of a network's input. */
import { imageInput } from '../../data/imageInput.js';
import { storedAs, storedShape } from '../../data/stored.js';
import { FileError } from '../../errors.js';
import { openMeanImage } from '../../formats/caffe.js';
import type { WeightsFile } from '../../formats/network.js';
import { formatShape, sameShape } from '../../ops/define.js';

/**
 * The network with an input that subtracts the image of a mean.binaryproto, whose channels are B, G, R.
 *
 * @throws FileError for an image of another size than that of the images that the network's crops are cut from
 */
export async function withMeanImage(weights: WeightsFile, path: string): Promise<WeightsFile> {
  const { model } = weights;
  const shape = storedShape(storedAs(model.preprocessing, model.augmentation));
  const { shape: found, data } = await openMeanImage(path);
  if (!sameShape(found, shape)) {
    throw new FileError(
      `'${path}' is a mean image of ${formatShape(found)}, expected ${formatShape(shape)}: what ${model.name} cuts its crops from`,
    );
  }
  const plane = data.length / shape[0];
  const planes = Array.from({ length: shape[0] }, (_, c) => data.subarray(c * plane, (c + 1) * plane));
  const meanImage = new Float32Array(data.length);
  // `imageInput` takes what was measured in the order R, G, B.
  for (const [c, values] of planes.reverse().entries()) meanImage.set(values, c * plane);
  return { ...weights, input: imageInput(model, shape, { meanImage }) };
}
