/**
 * How the parameters of a network are called, and how their axes lie, in the files of others. A parameter's axes have letters: O outputs,
 * Y and X the place in the output map (locally connected layers), I inputs, H and W the kernel. A fully connected layer that
 * reads maps is a kernel as large as the map: its columns are I, H, W. Grouped convolutions need nothing: group g has the outputs
 * [g·O/G, (g+1)·O/G) in every layout, and I counts the inputs of one group.
 */
import { lossGraph } from '../engine/graphs.js';
import { ArgumentError } from '../errors.js';
import type { Graph, Value } from '../graph/graph.js';
import type { Model } from '../models/model.js';
import { elements, formatShape } from '../ops/define.js';

/** One parameter of a model. */
export interface Parameter {
  /** 'conv1.weight' */
  readonly name: string;
  /** 'conv1' */
  readonly layer: string;
  readonly part: 'weight' | 'bias';
  /** In the model. */
  readonly shape: readonly number[];
  /** Extents by letter, in the order in which they lie in the model. */
  readonly axes: ReadonlyMap<string, number>;
  /** Whether the weight is a matrix: its layer is fully connected. */
  readonly dense: boolean;
}

export interface Layout {
  /** Axes of weights from the slowest to the fastest; a layout without Y and X has no locally connected layers. */
  readonly order: string;
  /** Whether all axes but O are one, in every weight and not in those of fully connected layers only; biases are columns then. */
  readonly matrices?: boolean;
  /** Names of weight and bias, with '*' for the layer; the first two are written, all are read. */
  readonly names: readonly (readonly [weight: string, bias: string])[];
  /** Layers that are called otherwise than in the only preset that the layout is of. */
  readonly preset?: { readonly name: string; readonly layers: ReadonlyMap<string, string> };
  /** For people. */
  readonly of: string;
}

/** Of a model's own variables. */
export const ownOrder = 'OYXIHW';
const biasOrder = 'OYX';

export const layouts = {
  tandem: {
    order: ownOrder,
    names: [['*.weight', '*.bias']],
    of: 'Tandem, and PyTorch for a network with these names',
  },
  caffe: { order: 'OIHW', names: [['*/0', '*/1']], of: 'the blobs of a .caffemodel' },
  torchvision: {
    order: 'OIHW',
    names: [['*.weight', '*.bias']],
    preset: {
      name: 'alexnet-owt',
      layers: new Map([
        ['conv1', 'features.0'],
        ['conv2', 'features.3'],
        ['conv3', 'features.6'],
        ['conv4', 'features.8'],
        ['conv5', 'features.10'],
        ['fc6', 'classifier.1'],
        ['fc7', 'classifier.4'],
        ['fc8', 'classifier.6'],
      ]),
    },
    of: "torchvision's alexnet",
  },
  'onnx-zoo': {
    order: 'OIHW',
    names: [['*_w_0', '*_b_0']],
    of: 'the initializers of bvlcalexnet and caffenet in the ONNX zoo',
  },
  tensorflow: {
    order: 'HWIO',
    names: [
      ['*/0', '*/1'],
      ['*/weights', '*/biases'],
    ],
    of: 'bvlc_alexnet.npy and what else was converted for TensorFlow',
  },
  'cuda-convnet': {
    order: 'YXIHWO',
    matrices: true,
    names: [
      ['*/weights/0', '*/biases'],
      ['*/weights', '*/biases'],
    ],
    of: "cuda-convnet's layers",
  },
} as const satisfies Readonly<Record<string, Layout>>;

export type LayoutName = keyof typeof layouts;

export const layoutNames = Object.keys(layouts) as readonly LayoutName[];

/** @throws ArgumentError for a name that is none */
export function findLayout(name: string): Layout {
  if (Object.hasOwn(layouts, name)) return layouts[name as LayoutName];
  throw new ArgumentError(`there is no layout '${name}', expected one of ${layoutNames.join(', ')}`);
}

/** The axes of a parameter in a layout, from the slowest to the fastest; undefined where the layout has no such layers. */
export function axesIn({ order }: Pick<Layout, 'order'>, { axes, part }: Parameter): string | undefined {
  if (![...axes.keys()].every((letter) => order.includes(letter))) return undefined;
  // A bias for every place lies as the maps do, which have the outputs outermost everywhere.
  return [...(part === 'bias' ? biasOrder : order)].filter((letter) => axes.has(letter)).join('');
}

/**
 * The shape of a parameter in a layout.
 *
 * @param letters its axes there
 */
export function shapeIn({ matrices }: Pick<Layout, 'matrices'>, { axes, part, dense }: Parameter, letters: string) {
  const extents = [...letters].map((letter) => axes.get(letter) ?? 1);
  if (part === 'bias') return matrices ? [elements(extents), 1] : extents;
  if (!matrices && !dense) return extents;
  const outputs = axes.get('O') ?? 1;
  const inputs = elements(extents) / outputs;
  return letters.startsWith('O') ? [outputs, inputs] : [inputs, outputs];
}

/** The names that a parameter may have in a layout; none where the layout is another network's. */
export function namesIn(layout: Layout, { layer, part }: Parameter, model: Pick<Model, 'name'>): readonly string[] {
  const { preset, names } = layout;
  if (preset && preset.name !== model.name) return [];
  const called = preset ? preset.layers.get(layer) : layer;
  if (called === undefined) return [];
  return names.map(([weight, bias]) => (part === 'weight' ? weight : bias).replace('*', () => called));
}

/**
 * The parameters of a model in the order of its layers.
 *
 * @throws ArgumentError for a model with a parameter that is not the weight or the bias of a layer: 'LAYER.weight' or 'LAYER.bias'
 */
export function parametersOf(model: Pick<Model, 'name' | 'inputShape' | 'classes' | 'build'>): readonly Parameter[] {
  const graph = lossGraph(model, 1, false);
  return graph.values.flatMap((value) => (value.kind === 'variable' ? [parameterOf(model.name, graph, value)] : []));
}

function parameterOf(model: string, graph: Graph, value: Value): Parameter {
  const { name, shape } = value;
  const [, layer, part] = /^(.+)\.(weight|bias)$/.exec(name) ?? [];
  const dense = part === 'weight' && shape.length === 2;
  const map = dense ? mapBefore(graph, value) : undefined;
  const extents = map ? [shape[0], ...map] : shape;
  const letters = (part === 'weight' ? ['OI', 'OIHW', ownOrder] : ['O', biasOrder]).find(
    ({ length }) => length === extents.length,
  );
  if (letters === undefined || (part !== 'weight' && part !== 'bias')) {
    throw new ArgumentError(`${model}: '${name}' ${formatShape(shape)} is not the weight or the bias of a layer`);
  }
  return { name, layer, part, shape, axes: new Map([...letters].map((letter, i) => [letter, extents[i]])), dense };
}

/** [C, H, W] of the map that a fully connected layer reads, where it reads one. */
function mapBefore(graph: Graph, weight: Value): readonly number[] | undefined {
  const layer = graph.nodes.find(({ op, inputs }) => op.name === 'linear' && inputs[1] === weight.id);
  const flatten = graph.nodes.find(({ op, outputs }) => op.name === 'reshape' && outputs[0] === layer?.inputs[0]);
  const shape = flatten && graph.values[flatten.inputs[0]].shape;
  return shape?.length === 4 ? shape.slice(1) : undefined;
}
