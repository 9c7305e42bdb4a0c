import { isInt16, linear } from '../ops/linear.js';
import type { Graph, Value } from './graph.js';

/** Name of the variable that holds the factors of the rows of an int16 weight. */
export function scaleName(weight: string): string {
  return `${weight}/scale`;
}

/**
 * The same inference graph with the weight variables of its fully connected layers in int16, one float32 factor for each of their
 * rows: half the bytes to store and to read, and a lossy copy of the weights. A weight that something else reads too stays.
 */
export function quantiseLinear(graph: Graph): Graph {
  const values = [...graph.values];
  const scales = new Map<number, Value>();
  for (const value of graph.values.filter((candidate) => isLinearWeight(graph, candidate))) {
    const scale: Value = {
      id: values.length,
      name: scaleName(value.name),
      kind: 'variable',
      dtype: 'f32',
      shape: [value.shape[0]],
      variable: { role: 'scale', init: { kind: 'constant', value: 0 }, learningRateMultiplier: 0, decayMultiplier: 0 },
    };
    values.push(scale);
    values[value.id] = { ...value, dtype: 'i16' };
    scales.set(value.id, scale);
  }
  const nodes = graph.nodes.map((node) => {
    const scale = scales.get(node.inputs[1]);
    if (!scale) return node;
    const [x, weight, ...bias] = node.inputs;
    return { ...node, inputs: [x, weight, scale.id, ...bias] };
  });
  return { ...graph, values, nodes };
}

/** Whether a value is a variable that is only ever read as the weight of a fully connected layer. */
function isLinearWeight(graph: Graph, { id, kind, ...type }: Value): boolean {
  if (kind !== 'variable' || isInt16(type) || graph.updates.has(id) || [...graph.outputs.values()].includes(id))
    return false;
  const readers = graph.nodes.filter(({ inputs }) => inputs.includes(id));
  return (
    readers.length > 0 &&
    readers.every(
      ({ op, inputs }) => op.name === linear.name && inputs.every((input, i) => (input === id) === (i === 1)),
    )
  );
}
