/**
 * Networks in files: ours are safetensors with the model that the parameters belong to, and its input, in the metadata; in files of others
 * the parameters are found by their names and shapes.
 */
import type { Engine } from '../engine/engine.js';
import { lossGraph } from '../engine/graphs.js';
import type { ImageInput } from '../engine/imageInput.js';
import type { Network } from '../engine/network.js';
import type { NetworkOptions } from '../engine/types.js';
import { checkTensors, type WeightTensors } from '../engine/weights.js';
import { ArgumentError, FileError } from '../errors.js';
import { headParameters, replaceHead } from '../models/head.js';
import { modelFromMetadata, weightsMetadata } from '../models/metadata.js';
import type { Model } from '../models/model.js';
import { preset } from '../models/presets.js';
import { fitWeights, othersThatFit, presetsThatFit, withClassesOf } from './fitWeights.js';
import { readInput, savedInput } from './imageInput.js';
import type { FormattedTensorFile } from './openTensors.js';
import { type TensorSource, writeSafetensors } from './safetensors.js';
import { parametersIn, type TensorFile } from './tensorFile.js';

/** A file of weights that has been understood, and whose tensors fit the model. */
export interface WeightsFile {
  readonly model: Model;
  /** How stored images become the model's input, where the file says it. */
  readonly input?: ImageInput;
  /** Its `tensors` are the parameters of the model, under its names and with its axes; whatever else there is is left out. */
  readonly file: TensorFile;
}

export interface OpenOptions {
  /**
   * What the weights are of, where the file does not say it: the name of a preset, which then has as many classes as the file, or a model. A
   * file that says it must be of that preset. Without it an ONNX file is the network that its own graph describes.
   */
  readonly model?: string | Model;
}

export interface LoadOptions extends Omit<NetworkOptions, 'weights'>, OpenOptions {
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
  await write(path, net, parameters);
}

/**
 * Writes weights that have been opened, in the way of `saveNetwork`: every command and `loadNetwork` know then what they are of.
 *
 * @throws FileError when they cannot be read, or the file cannot be written
 */
export async function saveWeights(weights: WeightsFile, path: string): Promise<void> {
  const { file } = weights;
  const parameters = [...file.tensors].map(([name, { shape }]) => ({ name, shape, data: () => file.read(name) }));
  await write(path, weights, parameters);
}

async function write(
  path: string,
  of: Pick<WeightsFile, 'model' | 'input'>,
  parameters: readonly TensorSource[],
): Promise<void> {
  const { metadata, tensors } = savedInput(of.input);
  await writeSafetensors(path, [...parameters, ...tensors], { ...weightsMetadata(of.model), ...metadata });
}

/**
 * The network that a file holds: the model and the input that its metadata name (a file of others': the model that is given, without
 * an input), with the parameters that it has. Options replace what the file says.
 *
 * @param file of any format that `openTensors` knows: a path, in a page a Blob
 * @throws FileError for a file that is missing or broken, that does not tell its model, or whose tensors do not fit it; ArgumentError for
 * a model that is not that of the file, or a number of classes that cannot be
 */
export async function loadNetwork(
  engine: Engine,
  source: string | Blob,
  options: LoadOptions = {},
): Promise<Network<Model>> {
  const { classes, model: expected, ...others } = options;
  const { model, input, file } = await openWeights(source, { model: expected });
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
 * Opens a file of weights and checks, before any parameter is read, that its tensors are the parameters of its model.
 *
 * @throws as `loadNetwork` does
 */
export async function openWeights(source: string | Blob, options: OpenOptions = {}): Promise<WeightsFile> {
  // The readers of all formats are loaded when there is something to read.
  const { openTensors } = await import('./openTensors.js');
  const whole = await openTensors(source);
  const isOwn = Object.hasOwn(whole.metadata, 'preset');
  const { model: given } = options;
  const isGraph = given === undefined || (typeof given === 'object' && given.structure !== undefined);
  if (whole.format === 'onnx' && !isOwn && isGraph) return graphOf(source, whole, given);
  try {
    if (isOwn) return await ownWeights(whole, options);
    const model = givenModel(whole, options);
    return { model, file: fitWeights(whole, model) };
  } catch (error) {
    await whole.close();
    throw error;
  }
}

/** The network that an ONNX file describes; `given` is the same one, as it was imported before. */
async function graphOf(source: string | Blob, whole: FormattedTensorFile, given?: Model): Promise<WeightsFile> {
  await whole.close();
  const options = given ? { inputShape: given.inputShape } : { preprocessing: pixelsOf(whole) };
  const { importOnnx } = await import('./onnxImport/import.js');
  const { model, weights } = await importOnnx(source, options);
  if (!given || given.structure === model.structure) return { model: given ?? model, file: weights };
  await weights.close();
  throw new ArgumentError(`${whole.label} holds another network than ${given.name} as it was imported`);
}

/** Names that tell where weights were trained, and the preset that reads its pixels as they did. */
const trainedWith: ReadonlyMap<string, string> = new Map([
  ['onnx-zoo', 'caffe-alexnet'],
  ['torchvision', 'alexnet-owt'],
]);

/** A graph does not say how pixels become its input: the preset that does, where tensors are called and shaped as those of one. */
export function pixelsOf(file: Pick<TensorFile, 'label' | 'tensors'>): string | undefined {
  const known = presetsThatFit(file).map(({ layout }) => trainedWith.get(layout));
  return known.find((name) => name !== undefined);
}

/**
 * A file that `saveNetwork`, a checkpoint or an export has written. Tensors with a slash in their names are no parameters: a checkpoint
 * has the optimizer's ('conv1.weight/momentum'), a graph has constants ('pool1/pads').
 */
async function ownWeights(whole: FormattedTensorFile, { model: expected }: OpenOptions): Promise<WeightsFile> {
  const { metadata, label } = whole;
  const imported = Object.hasOwn(metadata, 'structure')
    ? (await import('./onnxImport/definition.js')).modelFromStructure(metadata.structure, label)
    : undefined;
  const model = modelFromMetadata(metadata, label, imported);
  const name = typeof expected === 'string' ? preset(expected).name : expected?.name;
  if (name !== undefined && name !== model.name) {
    throw new ArgumentError(`${whole.label} holds the weights of ${model.name}, expected those of ${name}`);
  }
  const parameters = new Map(
    lossGraph(model, 1).values.flatMap((value) => (value.kind === 'variable' ? [[value.name, value.shape]] : [])),
  );
  const file = parametersIn(whole);
  checkTensors(file, parameters);
  for (const parameter of parameters.keys()) {
    if (file.tensors.has(parameter)) continue;
    throw new FileError(`${whole.label} has no tensor '${parameter}', which ${model.name} needs`);
  }
  const input = await readInput(whole, model);
  return { model, file, ...(input ? { input } : {}) };
}

/** What the weights of a file of others are of: what the caller says, or the one preset that has all of its names and shapes. */
function givenModel(whole: FormattedTensorFile, { model: given }: OpenOptions): Model {
  if (typeof given === 'string') return withClassesOf(whole, preset(given));
  if (given) return given;
  const fits = presetsThatFit(whole);
  const [only] = fits;
  if (fits.length === 1 && only.layout !== 'sequence') return only.model;
  throw new FileError(
    `${whole.label} does not say which network its weights are of, expected a model (--model NAME): ${othersThatFit(whole)}`,
  );
}
