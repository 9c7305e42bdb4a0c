/** From a model to the graphs that its programs run: inference, gradients, and the training step. */
import { GraphBuilder } from '../graph/builder.js';
import { differentiate, gradientName } from '../graph/differentiate.js';
import type { Graph, Value } from '../graph/graph.js';
import { optimize, withOutputs } from '../graph/passes.js';
import type { NetworkDefinition } from './definition.js';
import { addUpdate, countsSteps, type OptimizerSettings } from './optimizer.js';

/** What the gradient of the loss starts from: an input, always 1 here. */
export const lossSeed = gradientName('loss');

/** Outputs 'logits' [N, classes], 'probabilities' [N, classes], and whatever values are named in `layers`. */
export function inferenceGraph(model: NetworkDefinition, batch: number, layers: readonly string[] = []): Graph {
  const g = new GraphBuilder(model.name);
  const { logits } = model.build(g, g.input('images', [batch, ...model.inputShape]), undefined);
  g.output('logits', logits);
  g.output('probabilities', g.softmax(logits, { name: 'probabilities' }));
  for (const name of layers) if (name !== 'logits' && name !== 'probabilities') g.output(name, g.find(name));
  return optimize(g.build());
}

/** Forward with the loss, not yet optimized: outputs 'logits' [N, classes] and 'loss' [1], the mean over the batch. */
export function lossGraph(model: NetworkDefinition, batch: number, dropout = true): Graph {
  const g = new GraphBuilder(model.name);
  const images = g.input('images', [batch, ...model.inputShape]);
  const labels = g.input('labels', [batch], 'i32');
  const random = g.input('random', [4], 'i32');
  const { logits } = model.build(g, images, dropout ? random : undefined);
  g.output('logits', logits);
  g.output('loss', g.crossEntropy(logits, labels, { name: 'loss' }));
  return g.build();
}

/** Adds an output 'gradient:NAME' for each name in `of`: parameters, or 'images'. */
export function gradientsGraph(model: NetworkDefinition, batch: number, of: readonly string[], dropout = true): Graph {
  return optimize(differentiate(lossGraph(model, batch, dropout), 'loss', of));
}

/** Forward, backward and the update of each parameter in `trained`; outputs 'logits' and 'loss' of before the update. */
export function stepGraph(
  model: NetworkDefinition,
  batch: number,
  trained: readonly string[],
  optimizer: OptimizerSettings,
): Graph {
  const differentiated = differentiate(lossGraph(model, batch), 'loss', trained);
  const g = new GraphBuilder(model.name, differentiated);
  const rate = g.input('learningRate', [1]);
  const step = countsSteps(optimizer) ? g.input('step', [1]) : undefined;
  for (const name of trained) {
    const parameter = g.find(name);
    const gradient = differentiated.values[differentiated.outputs.get(gradientName(name)) as number];
    const layer = layerOf(differentiated, parameter);
    addUpdate(g, optimizer, parameter, gradient, { rate, step }, { layer, phase: 'update' });
  }
  return optimize(withOutputs(g.build(), ['logits', 'loss']));
}

/** The layer that first reads a value. */
function layerOf(graph: Graph, value: Value): string {
  return graph.nodes.find((node) => node.inputs.includes(value.id))?.layer ?? value.name;
}
