/** Whether a network can read a dataset, found out before any work. */
import type { Dataset } from '../data/dataset.js';
import type { ImageInput } from '../engine/imageInput.js';
import type { Network } from '../engine/network.js';
import { ArgumentError, InputError } from '../errors.js';
import type { Model } from '../models/model.js';
import { formatShape, sameShape } from '../ops/define.js';

/**
 * How a network reads images as they are stored.
 *
 * @throws ArgumentError for a network without `input`
 */
export function inputOf({ input, model }: Network<Model>): ImageInput {
  if (input) return input;
  throw new ArgumentError(
    `network '${model.name}' does not say how it reads bytes: open it with 'input' (see imageInput)`,
  );
}

/**
 * How the network reads the dataset's images.
 *
 * @throws ArgumentError for a network without `input`; InputError for images of another shape, or a label that is no class of the model
 */
export function checkDataset(network: Network<Model>, dataset: Dataset): ImageInput {
  const { model } = network;
  const input = inputOf(network);
  if (!sameShape(dataset.shape, input.shape)) {
    throw new InputError(
      `${dataset.name}: its images are ${formatShape(dataset.shape)}, network '${model.name}' reads ${formatShape(input.shape)}`,
    );
  }
  const wrong = dataset.labels.findIndex((label) => label < 0 || label >= model.classes);
  if (wrong >= 0) {
    throw new InputError(
      `${dataset.name}: image ${wrong} has label ${dataset.labels[wrong]}, expected 0 to ${model.classes - 1}: network '${model.name}' has ${model.classes} classes`,
    );
  }
  return input;
}
