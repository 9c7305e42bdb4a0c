/** Networks in files: parameters as safetensors, with the model that they belong to in the metadata. */

import type { Engine } from '../engine/engine.js';
import { lossGraph } from '../engine/graphs.js';
import type { Network } from '../engine/network.js';
import type { NetworkOptions } from '../engine/types.js';
import { checkTensors } from '../engine/weights.js';
import { FileError } from '../errors.js';
import { modelFromMetadata, weightsMetadata } from '../models/metadata.js';
import type { Model } from '../models/model.js';
import { openSafetensors, type SafetensorsFile, writeSafetensors } from './safetensors.js';

/** A file of weights whose metadata has been understood, and whose tensors fit the model. */
export interface WeightsFile {
  readonly model: Model;
  readonly file: SafetensorsFile;
}

/**
 * Writes the parameters of a network, whole or not at all. They are read one by one: let no step run meanwhile.
 *
 * @throws FileError when the file cannot be written
 */
export async function saveNetwork(net: Network<Model>, path: string): Promise<void> {
  const tensors = net.parameters.map(({ name, shape }) => ({ name, shape, data: () => net.read(name) }));
  await writeSafetensors(path, tensors, weightsMetadata(net.model));
}

/**
 * The network that a file holds: the model that its metadata name, with the parameters that it has.
 *
 * @throws FileError for a file that is missing, broken or without a model, or whose tensors do not fit the model
 */
export async function loadNetwork(
  engine: Engine,
  path: string,
  options: Omit<NetworkOptions, 'weights'> = {},
): Promise<Network<Model>> {
  const { model, file } = await openWeights(path);
  try {
    return await engine.network(model, { ...options, weights: file });
  } finally {
    await file.close();
  }
}

/**
 * Opens a file of weights and checks, before any tensor is read, that its tensors are the parameters of its model.
 *
 * @throws FileError as `loadNetwork` does
 */
export async function openWeights(path: string): Promise<WeightsFile> {
  const file = await openSafetensors(path);
  try {
    const model = modelFromMetadata(file.metadata, `'${path}'`);
    const parameters = new Map(
      lossGraph(model, 1).values.flatMap(({ kind, name, shape }) => (kind === 'variable' ? [[name, shape]] : [])),
    );
    checkTensors(file, parameters);
    for (const name of parameters.keys()) {
      if (!file.tensors.has(name)) throw new FileError(`'${path}' has no tensor '${name}', which ${model.name} needs`);
    }
    return { model, file };
  } catch (error) {
    await file.close();
    throw error;
  }
}
