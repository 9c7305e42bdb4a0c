/**
 * A convolution of a network as an autoencoder (Masci, Meier, Cireşan and Schmidhuber, Stacked Convolutional Auto-Encoders, ICANN 2011):
 *
 *     h = σ(w * x + b)        the convolution with the activation that follows it
 *     x̂ = wᵀ * h + c          back to its input: the same weights, transposed; c is one number a channel
 *     loss = mean of (x̂ − x)²
 *
 * The weights are tied, as in the paper, whose "flip over both dimensions" a transposed convolution is: its weight
 * [O, C/groups, kh, kw] is the convolution's own tensor, so that stride, padding and groups come out by themselves, and a decoder
 * cannot make up for an encoder that has learned nothing by growing.
 */

import type { NetworkDefinition } from '../engine/definition.js';
import { lossGraph } from '../engine/graphs.js';
import { type ImageInput, inferenceImages } from '../engine/imageInput.js';
import { addUpdate, countsSteps, type OptimizerSettings } from '../engine/optimizer.js';
import { ArgumentError } from '../errors.js';
import { GraphBuilder } from '../graph/builder.js';
import { differentiate, gradientName } from '../graph/differentiate.js';
import type { Graph, Node, Value } from '../graph/graph.js';
import { optimize, withOutputs } from '../graph/passes.js';
import { type Conv2dAttributes, conv2d } from '../ops/conv2d.js';
import { leakyRelu } from '../ops/leakyRelu.js';
import { relu } from '../ops/relu.js';
import { sigmoid } from '../ops/sigmoid.js';
import { tanh } from '../ops/tanh.js';

/** Ops that can be an encoder's σ. */
const activations: ReadonlySet<string> = new Set([relu, leakyRelu, sigmoid, tanh].map(({ name }) => name));
/** Ops that may lie between a convolution and its activation: the maximum of a window is that of the activations too. */
const between: ReadonlySet<string> = new Set(['maxPool', 'avgPool', 'lrn', 'lrnWithin']);

/** Stream of the autoencoder's noise: far from the small numbers of dropout layers. */
const noiseStream = 2 ** 30 + 1;

/** A network's forward pass without dropout, [N, C, H, W] or stored bytes, that autoencoders are cut out of. */
export function forwardGraph(model: NetworkDefinition, batch: number, input: ImageInput | undefined): Graph {
  return lossGraph(model, batch, false, input && inferenceImages(model, input));
}

/**
 * The convolutions of a network, first to last; of those named in `layers` if given.
 *
 * @throws ArgumentError for a network without any, an unknown name, or a convolution whose weights are not its own
 */
export function convolutionsOf(forward: Graph, layers?: readonly string[]): readonly Node<Conv2dAttributes>[] {
  const all = forward.nodes.filter(({ op }) => op.name === conv2d.name) as unknown as readonly Node<Conv2dAttributes>[];
  const names = all.map(({ name }) => name);
  if (all.length === 0) throw new ArgumentError(`${forward.name} has no convolution to pre-train`);
  for (const name of layers ?? []) {
    if (names.includes(name)) continue;
    throw new ArgumentError(`layers: there is no convolution '${name}'; there are ${names.join(', ')}`);
  }
  const chosen = layers ? all.filter(({ name }) => layers.includes(name)) : all;
  for (const { name, inputs } of chosen) {
    for (const id of inputs.slice(1)) {
      const { kind, name: variable } = forward.values[id];
      const readers = forward.nodes.filter((node) => node.inputs.includes(id));
      if (kind === 'variable' && readers.length === 1) continue;
      throw new ArgumentError(
        `convolution '${name}' cannot be pre-trained: '${variable}' is not a parameter of its own ` +
          "(towers written as 'split' share theirs; towerForm 'groups' computes the same)",
      );
    }
  }
  return chosen;
}

export interface AutoencoderOptions {
  readonly optimizer: OptimizerSettings;
  /** Probability with which an element of the encoder's input is 0; the decoder is to give it back all the same. */
  readonly noise: number;
}

/** A training step of an autoencoder. */
export interface Autoencoder {
  /**
   * Inputs: those of the forward graph, `lossSeed`, 'learningRate' [1], 'step' [1] where the optimizer counts steps, 'random' [4] with
   * noise. Outputs, of before the update: 'loss' [1], and what the encoder makes of the input, 'code' [N, O, OH, OW].
   */
  readonly graph: Graph;
  /** The convolution's parameters: weight, and bias if it has one. */
  readonly trained: readonly string[];
  readonly countsSteps: boolean;
}

/** @throws GraphError for an optimizer that cannot be */
export function autoencoder(
  forward: Graph,
  node: Node<Conv2dAttributes>,
  { optimizer, noise }: AutoencoderOptions,
): Autoencoder {
  const g = new GraphBuilder(`${forward.name}: autoencoder of ${node.name}`);
  const copies = new Map<number, Value>();
  const [x, weight, bias] = node.inputs.map((id) => copy(g, forward, id, copies));
  const options = (part: string) => ({ name: `${node.name}/${part}`, layer: node.name });

  const { stride, padding, dilation, groups } = node.attributes;
  const random = noise > 0 ? g.input('random', [4], 'i32') : undefined;
  const corrupted = { probability: noise, stream: noiseStream, scaleAt: 'test' } as const;
  const seen = random ? g.dropout(x, random, corrupted, options('noise')) : x;
  const y = g.conv2d(seen, weight, bias, node.attributes, { name: node.name });
  const activation = activationOf(forward, node);
  const h = activation ? g.apply(activation.op, [y], activation.attributes, options('activation'))[0] : y;

  const zero = { kind: 'constant', value: 0 } as const;
  const decoderBias = g.variable(`${node.name}/decoder.bias`, [x.shape[1]], zero);
  const window = { stride, padding, dilation, groups, outputPadding: left(node.attributes, x.shape, weight.shape) };
  const decoded = g.convTranspose2d(h, weight, decoderBias, window, options('decoder'));
  g.output('code', h);
  g.output('loss', g.meanSquaredError(decoded, x, options('loss')));

  const trained = bias ? [weight, bias] : [weight];
  const differentiated = differentiate(
    g.build(),
    'loss',
    [...trained, decoderBias].map(({ name }) => name),
  );
  const step = new GraphBuilder(differentiated.name, differentiated);
  const inputs = {
    rate: step.input('learningRate', [1]),
    step: countsSteps(optimizer) ? step.input('step', [1]) : undefined,
  };
  for (const variable of [...trained, decoderBias]) {
    const gradient = differentiated.values[differentiated.outputs.get(gradientName(variable.name)) as number];
    addUpdate(step, optimizer, variable, gradient, inputs, { layer: node.name, phase: 'update' });
  }
  return {
    graph: optimize(withOutputs(step.build(), ['loss', 'code'])),
    trained: trained.map(({ name }) => name),
    countsSteps: inputs.step !== undefined,
  };
}

/** [vertical, horizontal] cells below and to the right of the last kernel: the decoder's output is to be as large as the input. */
function left(given: Conv2dAttributes, x: readonly number[], weight: readonly number[]): readonly number[] {
  const [stride, dilation, padding] = [given.stride, given.dilation, given.padding] as readonly (readonly number[])[];
  return [0, 1].map((axis) => {
    const kernel = dilation[axis] * (weight[2 + axis] - 1) + 1;
    return (x[2 + axis] + padding[axis] + padding[2 + axis] - kernel) % stride[axis];
  });
}

/** Adds to `g` what a value of another graph is computed from, and nothing else: a network's later layers take no memory. */
function copy(g: GraphBuilder, from: Graph, id: number, copies: Map<number, Value>): Value {
  const known = copies.get(id);
  if (known) return known;
  const { kind, name, shape, dtype, variable } = from.values[id];
  if (kind === 'input') copies.set(id, g.input(name, shape, dtype));
  else if (variable) copies.set(id, g.variable(name, shape, variable.init, { ...variable, dtype }));
  else {
    const node = from.nodes.find(({ outputs }) => outputs.includes(id)) as Node;
    const inputs = node.inputs.map((input) => copy(g, from, input, copies));
    const { name: nodeName, layer } = node;
    const made = g.apply(node.op, inputs, node.attributes, { name: nodeName, layer });
    for (const [i, output] of node.outputs.entries()) copies.set(output, made[i]);
  }
  return copies.get(id) as Value;
}

/** The activation after a convolution, if there is one before the next layer with weights. */
function activationOf(forward: Graph, convolution: Node<Conv2dAttributes>): Node | undefined {
  let id = convolution.outputs[0];
  for (;;) {
    const next = forward.nodes.find(({ inputs }) => inputs[0] === id);
    if (!next || activations.has(next.op.name)) return next;
    if (!between.has(next.op.name)) return undefined;
    id = next.outputs[0];
  }
}
