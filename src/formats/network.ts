/** Networks in files: parameters as safetensors, with the model that they belong to and its input in the metadata. */

import type { Engine } from '../engine/engine.js';
import { lossGraph } from '../engine/graphs.js';
import type { ImageInput } from '../engine/imageInput.js';
import type { Network } from '../engine/network.js';
import type { NetworkOptions } from '../engine/types.js';
import { checkTensors, type WeightTensors } from '../engine/weights.js';
import { FileError } from '../errors.js';
import { headParameters, replaceHead } from '../models/head.js';
import { modelFromMetadata, weightsMetadata } from '../models/metadata.js';
import type { Model } from '../models/model.js';
import { readInput, savedInput } from './imageInput.js';
import { openSafetensors, writeSafetensors } from './safetensors.js';
import type { TensorFile } from './tensorFile.js';

/** A file of weights whose metadata has been understood, and whose tensors fit the model. */
export interface WeightsFile {
  readonly model: Model;
  /** How stored images become the model's input, where the file says it. */
  readonly input?: ImageInput;
  /** Its `tensors` are the parameters of the model; what a checkpoint has beside them (names with a slash) is left out. */
  readonly file: TensorFile;
}

export interface LoadOptions extends Omit<NetworkOptions, 'weights'> {
  /**
   * Replaces the head: the network has that many classes, or those of these names, its last layer is drawn from the seed, and all the others are loaded. Without
   * it the network is as the file has it.
   */
  readonly classes?: number | readonly string[];
}

/**
 * Writes the parameters of a network and its input, whole or not at all. They are read one by one: let no step run meanwhile.
 *
 * @throws FileError when the file cannot be written
 */
export async function saveNetwork(net: Network<Model>, path: string): Promise<void> {
  const parameters = net.parameters.map(({ name, shape }) => ({ name, shape, data: () => net.read(name) }));
  const { metadata, tensors } = savedInput(net.input);
  await writeSafetensors(path, [...parameters, ...tensors], { ...weightsMetadata(net.model), ...metadata });
}

/**
 * The network that a file holds: the model and the input that its metadata name, with the parameters that it has. Options replace
 * what the file says.
 *
 * @throws FileError for a file that is missing, broken or without a model, or whose tensors do not fit the model; ArgumentError for
 * a number of classes that cannot be
 */
export async function loadNetwork(engine: Engine, path: string, options: LoadOptions = {}): Promise<Network<Model>> {
  const { model, input, file } = await openWeights(path);
  const { classes, ...others } = options;
  const given = { ...others, input: options.input ?? input };
  try {
    if (classes === undefined) return await engine.network(model, { ...given, weights: file });
    const weights = without(file, headParameters(model));
    const count = typeof classes === 'number' ? classes : classes.length;
    const replaced = replaceHead(model, count);
    const named = typeof classes === 'number' ? replaced : { ...replaced, classNames: classes };
    return await engine.network(named, { ...given, weights });
  } finally {
    await file.close();
  }
}

/** The same tensors but for some. */
function without(file: TensorFile, names: readonly string[]): WeightTensors {
  return { ...file, tensors: new Map([...file.tensors].filter(([name]) => !names.includes(name))) };
}

/**
 * Opens a file of weights and checks, before any parameter is read, that its tensors are the parameters of its model. Tensors with a
 * slash in their names are no parameters: a checkpoint has the optimizer's ('conv1.weight/momentum').
 *
 * @throws FileError as `loadNetwork` does
 */
export async function openWeights(path: string): Promise<WeightsFile> {
  const whole = await openSafetensors(path);
  try {
    const model = modelFromMetadata(whole.metadata, `'${path}'`);
    const parameters = new Map(
      lossGraph(model, 1).values.flatMap(({ kind, name, shape }) => (kind === 'variable' ? [[name, shape]] : [])),
    );
    const file = { ...whole, tensors: new Map([...whole.tensors].filter(([name]) => !name.includes('/'))) };
    checkTensors(file, parameters);
    for (const name of parameters.keys()) {
      if (!file.tensors.has(name)) throw new FileError(`'${path}' has no tensor '${name}', which ${model.name} needs`);
    }
    const input = await readInput(whole, model);
    return { model, file, ...(input ? { input } : {}) };
  } catch (error) {
    await whole.close();
    throw error;
  }
}
