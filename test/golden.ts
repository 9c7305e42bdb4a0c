/**
 * The golden run of PyTorch (scripts/golden.py says how it was made) and a float64 evaluation of any graph to follow it with.
 */
import { readFile } from 'node:fs/promises';
import { parseSafetensors } from '../src/formats/safetensors.js';
import { GraphBuilder } from '../src/graph/builder.js';
import type { Graph } from '../src/graph/graph.js';
import { caffeAlexnet } from '../src/models/caffeAlexnet.js';
import { type Accuracy, elements, type Tensor64 } from '../src/ops/define.js';

export const goldenModel = caffeAlexnet({ classes: 10, width: 1 / 36, inputSize: 71, dropout: 0 });
export const goldenBatch = 4;
export const goldenSteps = 10;

const weightDivisors: Readonly<Record<string, number>> = { conv3: 8, conv4: 2, conv5: 2, fc8: 4 };

export interface Golden {
  /** [4, 10], of the initial network on the batch of step 0. */
  readonly logits: Float32Array;
  readonly loss: number;
  /** ∂loss/∂parameter, by the parameter's name. */
  readonly gradients: ReadonlyMap<string, Float32Array>;
  /** ∂loss/∂images summed over each plane: [4, 3]. */
  readonly imageGradientSums: Float32Array;
  /** The loss before each of the ten steps. */
  readonly losses: readonly number[];
  /** The parameters after the ten steps. */
  readonly parameters: ReadonlyMap<string, Float32Array>;
  readonly learningRate: number;
  readonly momentum: number;
  /** On weights; none on biases. */
  readonly weightDecay: number;
}

export async function readGolden(): Promise<Golden> {
  const gradients = await fixture('golden-gradients.safetensors');
  const training = await fixture('golden-training.safetensors');
  const number = (field: string) => Number(training.metadata[field]);
  const byParameter = new Map<string, Float32Array>();
  for (const name of training.tensors.keys()) byParameter.set(name, gradients.read(`gradient:${name}`));
  return {
    logits: gradients.read('logits'),
    loss: Number(gradients.metadata.loss),
    gradients: byParameter,
    imageGradientSums: gradients.read('gradient:images:sum'),
    losses: JSON.parse(training.metadata.losses) as number[],
    parameters: new Map([...training.tensors.keys()].map((name) => [name, training.read(name)])),
    learningRate: number('learningRate'),
    momentum: number('momentum'),
    weightDecay: number('weightDecay'),
  };
}

/** A fixture with all its tensors in memory. */
async function fixture(name: string) {
  const file = await parseSafetensors(await readFile(new URL(`../../test/fixtures/${name}`, import.meta.url)), name);
  const data = new Map<string, Float32Array>();
  for (const tensor of file.tensors.keys()) data.set(tensor, await file.read(tensor));
  const read = (tensor: string) => {
    const values = data.get(tensor);
    if (!values) throw new Error(`${name} has no '${tensor}': run scripts/golden.py`);
    return values;
  };
  return { metadata: file.metadata, tensors: file.tensors, read };
}

/** The weights that the golden run starts with, by name. */
export function goldenWeights(): Map<string, Float32Array> {
  const weights = new Map<string, Float32Array>();
  for (const { name, kind, shape } of buildGraph(1).values) {
    if (kind !== 'variable') continue;
    const [layer, part] = name.split('.');
    const limit = part === 'bias' ? 0.1 : Math.sqrt(6 / elements(shape.slice(1))) / (weightDivisors[layer] ?? 1);
    weights.set(name, uniform(elements(shape), weights.size, limit));
  }
  return weights;
}

/** Images [4, 3, 71, 71] and labels [4] of one step of the golden run. */
export function goldenData(step: number): { readonly images: Float32Array; readonly labels: Int32Array } {
  const images = uniform(goldenBatch * elements(goldenModel.inputShape), 100 + step, 128);
  return { images, labels: Int32Array.from({ length: goldenBatch }, (_, n) => (3 * n + step) % goldenModel.classes) };
}

/** The golden network's forward graph with outputs 'logits' and 'loss'. */
export function goldenGraph(): Graph {
  return buildGraph(goldenBatch);
}

function buildGraph(batch: number): Graph {
  const g = new GraphBuilder(goldenModel.name);
  const images = g.input('images', [batch, ...goldenModel.inputShape]);
  const labels = g.input('labels', [batch], 'i32');
  const { logits } = goldenModel.build(g, images, undefined);
  g.output('logits', logits);
  g.output('loss', g.crossEntropy(logits, labels, { name: 'loss' }));
  return g.build();
}

/** `limit` times a hash of index and salt in [−1, 1): the formula of scripts/golden.py. */
export function uniform(length: number, salt: number, limit: number): Float32Array {
  const offset = Math.imul(salt, 0x85ebca77);
  return Float32Array.from({ length }, (_, i) => {
    let h = Math.imul(i, 0x9e3779b1) + offset;
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
    h ^= h >>> 16;
    return ((h >>> 8) * 2 ** -23 - 1) * limit;
  });
}

const exactFunctions: Accuracy = { divide: 1, sqrt: 1, exp: 1, log: 1, pow: 1, tanh: 1 };

/** Runs the nodes of a graph in order by their float64 references; all values by id. */
export function evaluate(graph: Graph, feeds: ReadonlyMap<string, ArrayLike<number>>): Map<number, Tensor64> {
  const tensors = new Map<number, Tensor64>();
  for (const { id, name, kind, dtype, shape } of graph.values) {
    const data = feeds.get(name);
    if (kind === 'intermediate') continue;
    if (data?.length !== elements(shape))
      throw new Error(`'${name}' is not fed, or not with ${elements(shape)} values`);
    tensors.set(id, { dtype, shape, data: Float64Array.from(data) });
  }
  const tensor = (id: number) => {
    const found = tensors.get(id);
    if (!found) throw new Error(`'${graph.values[id].name}' is read before it is computed`);
    return found;
  };
  for (const node of graph.nodes) {
    const results = node.op.reference(node.attributes, node.inputs.map(tensor), exactFunctions);
    node.outputs.forEach((id, i) => {
      const { dtype, shape } = graph.values[id];
      tensors.set(id, { dtype, shape, data: results[i].data });
    });
  }
  return tensors;
}

/** An output of an evaluated graph by name. */
export function outputOf(graph: Graph, tensors: ReadonlyMap<number, Tensor64>, name: string): Float64Array {
  const id = graph.outputs.get(name);
  const tensor = id === undefined ? undefined : tensors.get(id);
  if (!tensor) throw new Error(`graph '${graph.name}' has no output '${name}'`);
  return tensor.data;
}

/** max|a − b| / max|b| */
export function maxRelative(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let difference = 0;
  let largest = 0;
  for (let i = 0; i < b.length; i++) {
    difference = Math.max(difference, Math.abs(a[i] - b[i]));
    largest = Math.max(largest, Math.abs(b[i]));
  }
  return difference / largest;
}

/** ‖a − b‖₂ */
export function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < b.length; i++) sum += (a[i] - b[i]) ** 2;
  return Math.sqrt(sum);
}

/** ‖a‖₂ */
export function norm(a: ArrayLike<number>): number {
  return distance(a, new Float64Array(a.length));
}
