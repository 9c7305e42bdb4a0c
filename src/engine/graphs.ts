/** From a model to the graphs that its programs run: inference, gradients, and the training step, at once or in parts. */
import { GraphBuilder } from '../graph/builder.js';
import { differentiate, gradientName } from '../graph/differentiate.js';
import type { Graph, Value } from '../graph/graph.js';
import { optimize, withOutputs } from '../graph/passes.js';
import { accumulate } from '../ops/accumulate.js';
import type { NetworkDefinition } from './definition.js';
import { declareImages, type StoredImages } from './imageInput.js';
import { addUpdate, countsSteps, type OptimizerSettings } from './optimizer.js';
import { rateInput } from './rates.js';

/** What the gradient of the loss starts from: an input, 1 for a whole batch, its share of the batch for a part of one. */
export const lossSeed = gradientName('loss');

/** The input of `accumulationGraph` that is 0 in the first part of a batch, 1 in the others. */
export const keepInput = 'keep';

/** The variable that adds up a parameter's gradient over the parts of a batch. */
export function gradientSumName(parameter: string): string {
  return `${parameter}/gradientSum`;
}

/**
 * Outputs 'logits' [N, classes], 'probabilities' [N, classes], and whatever values are named in `layers`. With `stored` the
 * graph begins with bytes.
 */
export function inferenceGraph(
  model: NetworkDefinition,
  batch: number,
  layers: readonly string[] = [],
  stored?: StoredImages,
): Graph {
  const g = new GraphBuilder(model.name);
  const { logits } = model.build(g, declareImages(g, model, batch, stored)(), undefined);
  g.output('logits', logits);
  g.output('probabilities', g.softmax(logits, { name: 'probabilities' }));
  for (const name of layers) if (name !== 'logits' && name !== 'probabilities') g.output(name, g.find(name));
  return optimize(g.build());
}

/** Forward with the loss, not yet optimized: outputs 'logits' [N, classes] and 'loss' [1], the mean over the batch. */
export function lossGraph(model: NetworkDefinition, batch: number, dropout = true, stored?: StoredImages): Graph {
  const g = new GraphBuilder(model.name);
  const images = declareImages(g, model, batch, stored);
  const labels = g.input('labels', [batch], 'i32');
  const random = g.input('random', [4], 'i32');
  const { logits } = model.build(g, images(random), dropout ? random : undefined);
  g.output('logits', logits);
  g.output('loss', g.crossEntropy(logits, labels, { name: 'loss' }));
  return g.build();
}

/** Adds an output 'gradient:NAME' for each name in `of`: parameters, or 'images'. */
export function gradientsGraph(
  model: NetworkDefinition,
  batch: number,
  of: readonly string[],
  dropout = true,
  stored?: StoredImages,
): Graph {
  return optimize(differentiate(lossGraph(model, batch, dropout, stored), 'loss', of));
}

export interface StepGraphOptions {
  /** For each trained parameter which of the rates it has (see `Rates`); one rate for all by default. */
  readonly groups?: readonly number[];
  /** The graph begins with bytes. */
  readonly stored?: StoredImages;
}

/** Forward, backward and the update of each parameter in `trained`; outputs 'logits' and 'loss' of before the update. */
export function stepGraph(
  model: NetworkDefinition,
  batch: number,
  trained: readonly string[],
  optimizer: OptimizerSettings,
  { groups, stored }: StepGraphOptions = {},
): Graph {
  const differentiated = differentiate(lossGraph(model, batch, true, stored), 'loss', trained);
  const g = new GraphBuilder(model.name, differentiated);
  const parameters = trained.map((name) => g.find(name));
  const gradients = trained.map((name) => gradientIn(differentiated, name));
  addUpdates(g, differentiated, parameters, gradients, optimizer, groups);
  return optimize(withOutputs(g.build(), ['logits', 'loss']));
}

/**
 * Forward and backward for a part of a batch, whose gradients are added to the variables 'NAME/gradientSum', or take their place in the
 * first part; outputs 'logits' and 'loss' of the part. Nothing is updated.
 */
export function accumulationGraph(
  model: NetworkDefinition,
  batch: number,
  trained: readonly string[],
  stored?: StoredImages,
): Graph {
  const differentiated = differentiate(lossGraph(model, batch, true, stored), 'loss', trained);
  const g = new GraphBuilder(`${model.name}: part of a batch`, differentiated);
  const keep = g.input(keepInput, [1]);
  for (const name of trained) {
    const parameter = g.find(name);
    const sum = gradientSum(g, parameter);
    const layer = layerOf(differentiated, parameter);
    const inputs = [sum, gradientIn(differentiated, name), keep];
    const [updated] = g.apply(accumulate, inputs, {}, { name: sum.name, layer, phase: 'update' });
    g.update(sum, updated);
  }
  return optimize(withOutputs(g.build(), ['logits', 'loss']));
}

/** The update of each parameter in `trained` with the gradient that `accumulationGraph` has added up. */
export function updateGraph(
  model: NetworkDefinition,
  trained: readonly string[],
  optimizer: OptimizerSettings,
  groups?: readonly number[],
): Graph {
  const forward = lossGraph(model, 1);
  const g = new GraphBuilder(`${model.name}: update`);
  const parameters = trained.map((name) => {
    const known = forward.values.find((value) => value.name === name) as Value;
    return g.variable(name, known.shape, known.variable?.init ?? zero, known.variable);
  });
  const sums = parameters.map((parameter) => gradientSum(g, parameter));
  addUpdates(g, forward, parameters, sums, optimizer, groups);
  return g.build();
}

const zero = { kind: 'constant', value: 0 } as const;

function gradientSum(g: GraphBuilder, parameter: Value): Value {
  return g.variable(gradientSumName(parameter.name), parameter.shape, zero, { role: 'scratch' });
}

function gradientIn(differentiated: Graph, parameter: string): Value {
  return differentiated.values[differentiated.outputs.get(gradientName(parameter)) as number];
}

/** @param forward tells the layers of the parameters */
function addUpdates(
  g: GraphBuilder,
  forward: Graph,
  parameters: readonly Value[],
  gradients: readonly Value[],
  optimizer: OptimizerSettings,
  groups: readonly number[] = parameters.map(() => 0),
): void {
  const rates = Array.from({ length: Math.max(0, ...groups) + 1 }, (_, group) => g.input(rateInput(group), [1]));
  const step = countsSteps(optimizer) ? g.input('step', [1]) : undefined;
  for (const [i, parameter] of parameters.entries()) {
    const layer = layerOf(forward, parameter);
    addUpdate(g, optimizer, parameter, gradients[i], { rate: rates[groups[i]], step }, { layer, phase: 'update' });
  }
}

/** The layer that first reads a value of this name. */
function layerOf(graph: Graph, { name }: Value): string {
  const id = graph.values.find((value) => value.name === name)?.id ?? -1;
  return graph.nodes.find((node) => node.inputs.includes(id))?.layer ?? name;
}
