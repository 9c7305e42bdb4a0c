/** The head of a network, its last layer with parameters: which parameters it has, and the same network with another one. */
import { GraphBuilder } from '../graph/builder.js';
import type { Graph } from '../graph/graph.js';
import type { Model } from './model.js';
import { preset } from './presets.js';

/**
 * The same network for another number of classes; preprocessing, recipe and augmentation stay those of `model`.
 *
 * @throws ArgumentError for a model that is neither a preset nor can replace its own head, or a number of classes that cannot be
 */
export function replaceHead(model: Model, classes: number): Model {
  const { preprocessing, recipe, augmentation } = model;
  const made = model.withClasses?.(classes) ?? preset(model.name, { ...model.options, classes });
  return { ...made, preprocessing, recipe, ...(augmentation ? { augmentation } : {}) };
}

/** Names of the parameters of the last layer that has any: 'fc8.weight', 'fc8.bias'. */
export function headParameters(model: Pick<Model, 'name' | 'inputShape' | 'build'>): readonly string[] {
  const g = new GraphBuilder(model.name);
  const images = g.input('images', [1, ...model.inputShape]);
  const { logits } = model.build(g, images, undefined);
  const graph = g.build();
  const flow = reachedFrom(graph, images.id);
  for (let id = logits.id; id !== images.id; ) {
    const node = graph.nodes.find(({ outputs }) => outputs.includes(id));
    if (!node) break;
    const found = node.inputs.filter((input) => !flow.has(input)).flatMap((input) => variablesBehind(graph, input));
    if (found.length > 0) return [...new Set(found)];
    id = node.inputs.find((input) => flow.has(input)) ?? images.id;
  }
  return [];
}

function reachedFrom(graph: Graph, start: number): ReadonlySet<number> {
  const reached = new Set([start]);
  for (const { inputs, outputs } of graph.nodes) {
    if (inputs.some((id) => reached.has(id))) for (const id of outputs) reached.add(id);
  }
  return reached;
}

/** A weight may be cut into those of two towers before it is used. */
function variablesBehind(graph: Graph, id: number): readonly string[] {
  const { kind, name } = graph.values[id];
  if (kind === 'variable') return [name];
  const node = graph.nodes.find(({ outputs }) => outputs.includes(id));
  return node?.inputs.flatMap((input) => variablesBehind(graph, input)) ?? [];
}
