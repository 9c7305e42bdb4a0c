import { GraphError } from '../errors.js';
import { add } from '../ops/add.js';
import { elements, type Ref } from '../ops/define.js';
import { GraphBuilder } from './builder.js';
import type { Graph, Node, Value } from './graph.js';

/** Name of the output that holds ∂loss/∂value. */
export function gradientName(value: string): string {
  return `gradient:${value}`;
}

/**
 * Adds the nodes that compute ∂loss/∂v for each value named in `wrt` (reverse-mode differentiation), and an output
 * `gradient:NAME` for each. Only nodes on a path from a wanted value to the loss get gradient nodes.
 *
 * @param loss name of a scalar output (one element)
 * @param wrt names of f32 inputs or variables
 * @throws GraphError when the loss is not a scalar, a name is unknown, or the loss does not depend on a value smoothly
 */
export function differentiate(graph: Graph, loss: string, wrt: readonly string[]): Graph {
  const g = new GraphBuilder(graph.name, graph);
  const lossId = graph.outputs.get(loss);
  if (lossId === undefined) throw new GraphError(`graph '${graph.name}' has no output '${loss}' to differentiate`);
  if (elements(graph.values[lossId].shape) !== 1) {
    throw new GraphError(`'${loss}' must have one element to be differentiated, got [${graph.values[lossId].shape}]`);
  }
  const wanted = wrt.map((name) => g.find(name));
  const needed = reachableFrom(graph, wanted);

  // ∂loss/∂loss = 1 is an input of the graph, so that a caller can scale all gradients by it.
  const seed = g.input(gradientName(loss), graph.values[lossId].shape);
  const gradients = new Map<number, Value>([[lossId, seed]]);
  for (const node of [...graph.nodes].reverse()) {
    const outputGradients = node.outputs.map((id) => gradients.get(id));
    if (outputGradients.every((gradient) => gradient === undefined)) continue;
    const wantedInputs = node.inputs.map((id) => needed.has(id) && graph.values[id].dtype === 'f32');
    if (!wantedInputs.some(Boolean)) continue;
    addGradients(g, graph, node, outputGradients, wantedInputs, gradients);
  }

  for (const value of wanted) {
    const gradient = gradients.get(value.id);
    if (!gradient)
      throw new GraphError(`'${loss}' does not depend on '${value.name}' in a way that can be differentiated`);
    g.output(gradientName(value.name), gradient);
  }
  return g.build();
}

/** Ids of all values computed from the given ones, and the given ones themselves. */
function reachableFrom(graph: Graph, from: readonly Value[]): Set<number> {
  const reached = new Set(from.map((value) => value.id));
  for (const node of graph.nodes) {
    if (node.inputs.some((id) => reached.has(id))) for (const id of node.outputs) reached.add(id);
  }
  return reached;
}

function addGradients(
  g: GraphBuilder,
  graph: Graph,
  node: Node,
  outputGradients: readonly (Value | undefined)[],
  wanted: readonly boolean[],
  gradients: Map<number, Value>,
): void {
  if (!node.op.gradient) throw new GraphError(`node '${node.name}': op ${node.op.name} has no gradient`);
  const inputGradients = node.op.gradient({
    attributes: node.attributes,
    inputs: node.inputs.map((id) => graph.values[id]),
    outputs: node.outputs.map((id) => graph.values[id]),
    outputGradients,
    wanted,
    emit: (op, inputs, attributes) =>
      g.apply(op, inputs.map(asValue), attributes, {
        name: `${node.name}/${shortName(op.name, node.op.name)}`,
        layer: node.layer,
        phase: 'backward',
      }),
  });
  inputGradients.forEach((gradient, i) => {
    if (!gradient || !wanted[i]) return;
    const id = node.inputs[i];
    const previous = gradients.get(id);
    const sum = previous
      ? g.apply(
          add,
          [previous, asValue(gradient)],
          {},
          { name: `${node.name}/sum`, layer: node.layer, phase: 'backward' },
        )[0]
      : asValue(gradient);
    gradients.set(id, sum);
  });
}

/** Gradient rules only ever hand back values of the builder that they were given. */
function asValue(ref: Ref): Value {
  return ref as Value;
}

/** 'conv2dDataGradient' of 'conv2d' is 'dataGradient'; 'reluGradient' of 'conv2d' stays as it is. */
function shortName(op: string, parent: string): string {
  if (op === parent) return 'gradient';
  if (!op.startsWith(parent)) return op;
  const rest = op.slice(parent.length);
  return rest[0].toLowerCase() + rest.slice(1);
}
