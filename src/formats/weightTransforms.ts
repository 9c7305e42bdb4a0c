/** Changes of what weights mean: the order of colours, the scale of pixels, the time at which dropout is made up for. */
import { lossGraph } from '../engine/graphs.js';
import type { ImageInput } from '../engine/imageInput.js';
import { ArgumentError } from '../errors.js';
import type { Graph, Node } from '../graph/graph.js';
import type { Model, Preprocessing } from '../models/model.js';
import type { AugmentAttributes } from '../ops/augment.js';
import type { Conv2dAttributes } from '../ops/conv2d.js';
import { elements } from '../ops/define.js';
import type { DropoutAttributes } from '../ops/dropout.js';
import { ownOrder, parametersOf } from './layouts.js';
import type { WeightsFile } from './network.js';
import { permutation, permuted } from './permute.js';
import { type ReadFloats, type StoredTensor, type TensorFile, tensorFile } from './tensorFile.js';

/**
 * The same network for images whose channels come in the other order, BGR as RGB or RGB as BGR: the inputs of its first layer change
 * places, and so do the means.
 *
 * @throws ArgumentError for a network of grey images, or one whose colour noise is in the order RGB
 */
export function reverseChannels({ model, file, input }: WeightsFile): WeightsFile {
  const { preprocessing, augmentation } = model;
  const { channels, mean, std } = preprocessing;
  if (channels === 'grey') throw new ArgumentError(`${model.name} reads grey images: there are no channels to reverse`);
  if (augmentation?.colourNoise && channels === 'RGB') {
    throw new ArgumentError(`${model.name} is trained with colour noise in the order RGB: it cannot read BGR`);
  }
  const { weight } = firstLayer(model);
  const parameter = parametersOf(model).find(({ name }) => name === weight);
  const axes = parameter?.axes ?? new Map<string, number>();
  const letters = [...ownOrder].filter((letter) => axes.has(letter)).join('');
  const order = permutation(axes, letters, letters, 'I');
  const reversed: Preprocessing = {
    ...preprocessing,
    channels: channels === 'BGR' ? 'RGB' : 'BGR',
    mean: [...mean].reverse(),
    ...(std ? { std: [...std].reverse() } : {}),
  };
  return {
    model: { ...model, preprocessing: reversed },
    file: withLoads(file, new Map([[weight, permuted(reader(file, weight), order)]])),
    ...(input ? { input: reversedInput(input) } : {}),
  };
}

function reversedInput({ shape, training, inference, meanImage, colourNoise }: ImageInput): ImageInput {
  const attributes = (given: Partial<AugmentAttributes>): Partial<AugmentAttributes> => ({
    ...given,
    reverseChannels: !given.reverseChannels,
    ...(typeof given.mean === 'object' ? { mean: [...given.mean].reverse() } : {}),
    ...(typeof given.scale === 'object' ? { scale: [...given.scale].reverse() } : {}),
  });
  const plane = elements(shape.slice(1));
  const planes = meanImage && [0, 1, 2].map((c) => meanImage.subarray((2 - c) * plane, (3 - c) * plane));
  const components = colourNoise?.components.map((component) => [...component].reverse());
  return {
    shape,
    training: attributes(training),
    inference: attributes(inference),
    ...(planes ? { meanImage: Float32Array.from(planes.flatMap((each) => [...each])) } : {}),
    ...(colourNoise && components ? { colourNoise: { ...colourNoise, components } } : {}),
  };
}

/**
 * The same network for pixels from 0 to 255 as they are: the first layer has the means and scales of the preprocessing in its
 * weights and biases. W·(x − mean)·s + b = (W·s)·x + (b − W·s·mean), computed in float64 and rounded once.
 *
 * @throws ArgumentError where that would be another network: means where the first layer pads (its zeros are means then), or a mean
 * image
 */
export async function foldPreprocessing({ model, file, input }: WeightsFile): Promise<WeightsFile> {
  const { preprocessing } = model;
  const { mean, scale, std, meanImage: _, ...rest } = preprocessing;
  const refuse = (why: string) => new ArgumentError(`${model.name}: the preprocessing cannot be folded: ${why}`);
  const { weight, bias, node } = firstLayer(model);
  const { padding = [], groups } = node.attributes as Partial<Conv2dAttributes>;
  if (input?.meanImage) throw refuse('its mean image has a mean for each pixel, and a weight serves many');
  if (input && !isOf(input.inference, preprocessing)) throw refuse('its input has means or scales of its own');
  if (groups !== 1 || node.op.name !== 'conv2d') throw refuse(`${node.name} is no convolution of all channels`);
  if (mean.some((level) => level !== 0) && [padding].flat().some((width) => width !== 0)) {
    throw refuse(`${node.name} pads with zeros, which stand for the means and would come to stand for black`);
  }
  const scales = mean.map((_level, c) => scale / (std?.[c] ?? 1));
  const weights = await file.read(weight);
  const biases = await file.read(bias);
  const filters = biases.length;
  const plane = weights.length / (filters * mean.length);
  for (let filter = 0; filter < filters; filter++) {
    let shift = 0;
    for (let c = 0; c < mean.length; c++) {
      let sum = 0;
      const from = (filter * mean.length + c) * plane;
      for (let i = from; i < from + plane; i++) {
        sum += weights[i];
        weights[i] *= scales[c];
      }
      shift += sum * scales[c] * mean[c];
    }
    biases[filter] -= shift;
  }
  return {
    model: { ...model, preprocessing: { ...rest, mean: mean.map(() => 0), scale: 1 } },
    file: withLoads(
      file,
      new Map([
        [weight, arrayReader(weights)],
        [bias, arrayReader(biases)],
      ]),
    ),
  };
}

function isOf({ mean = 0, scale = 1 }: Partial<AugmentAttributes>, wanted: Preprocessing): boolean {
  const of = (levels: number | readonly number[], c: number) =>
    typeof levels === 'number' ? levels : (levels[c] ?? 0);
  return wanted.mean.every(
    (level, c) => of(mean, c) === level && of(scale, c) === wanted.scale / (wanted.std?.[c] ?? 1),
  );
}

/**
 * Weights of the layers behind a dropout for a network that makes up for it at the other time. Where only a mask was drawn in training,
 * outputs are multiplied by the share that is kept at test; a network that divides by it in training does nothing at test, and wants
 * the weights multiplied by it.
 *
 * @param scaleAt when the network scales that the weights become fit for; they come from one that does at the other time
 * @throws ArgumentError for a model without dropout, or with something between it and the next layer
 */
export function scaleDropout({ model, file, input }: WeightsFile, scaleAt: 'train' | 'test'): WeightsFile {
  const loads = new Map<string, ReadFloats>();
  for (const [name, keep] of keptShares(model)) {
    const read = reader(file, name);
    loads.set(name, async (into, offset) => {
      await read(into, offset);
      for (let i = 0; i < into.length; i++) into[i] = scaleAt === 'train' ? into[i] * keep : into[i] / keep;
    });
  }
  return { model, file: withLoads(file, loads), ...(input ? { input } : {}) };
}

/** When a model's dropout scales; undefined without any. */
export function dropoutScaleAt(model: Model): 'train' | 'test' | undefined {
  const node = lossGraph(model, 1).nodes.find(({ op }) => op.name === 'dropout');
  return (node?.attributes as DropoutAttributes | undefined)?.scaleAt;
}

/** The share of values that a dropout keeps, by the name of the weight behind it. */
function keptShares(model: Model): ReadonlyMap<string, number> {
  const graph = lossGraph(model, 1);
  const shares = new Map<string, number>();
  for (const { op, attributes, outputs } of graph.nodes) {
    if (op.name !== 'dropout') continue;
    const { probability } = attributes as DropoutAttributes;
    for (const weight of weightsBehind(model, graph, outputs[0])) shares.set(weight, 1 - probability);
  }
  if (shares.size === 0) throw new ArgumentError(`${model.name} has no dropout to scale weights for`);
  return shares;
}

const layers = ['conv2d', 'local2d', 'linear'];
const passing = ['reshape', 'split', 'concat'];

/** Names of the weights of the layers that read a value. */
function weightsBehind(model: Model, graph: Graph, value: number): readonly string[] {
  return graph.nodes
    .filter(({ inputs }) => inputs.includes(value))
    .flatMap(({ name, op, inputs, outputs }) => {
      if (layers.includes(op.name)) return [weightOf(graph, inputs[1])];
      if (passing.includes(op.name)) return outputs.flatMap((output) => weightsBehind(model, graph, output));
      throw new ArgumentError(`${model.name}: '${name}' stands between a dropout and the layer behind it`);
    });
}

/** The weight itself, or what one tower's is cut from. */
function weightOf(graph: Graph, id: number): string {
  const { kind, name } = graph.values[id];
  const cut = graph.nodes.find(({ outputs }) => outputs.includes(id));
  return kind === 'variable' || !cut ? name : weightOf(graph, cut.inputs[0]);
}

/** The layer that reads the images. */
function firstLayer(model: Model): { readonly node: Node; readonly weight: string; readonly bias: string } {
  const graph = lossGraph(model, 1, false);
  const node = graph.nodes.find(({ inputs }) => inputs.includes(graph.inputs.get('images') ?? -1));
  if (!node || !layers.includes(node.op.name) || node.inputs.length < 3) {
    throw new ArgumentError(`${model.name}: no layer with weights and biases reads the images`);
  }
  const [, weight, bias] = node.inputs.map((id) => weightOf(graph, id));
  return { node, weight, bias };
}

function reader(file: TensorFile, name: string): ReadFloats {
  return (into, offset) => file.readInto(name, into, offset);
}

function arrayReader(values: Float32Array): ReadFloats {
  return async (into, offset) => into.set(values.subarray(offset, offset + into.length));
}

/** The same file, with other content of some tensors. */
function withLoads(file: TensorFile, loads: ReadonlyMap<string, ReadFloats>): TensorFile {
  const tensors = [...file.tensors].map(([name, { shape, dtype }]): [string, StoredTensor] => [
    name,
    { shape, dtype, load: loads.get(name) ?? reader(file, name) },
  ]);
  return tensorFile(file, new Map(tensors), file.metadata);
}
