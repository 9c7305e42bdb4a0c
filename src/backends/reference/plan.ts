import type { Graph } from '../../graph/graph.js';
import { elements } from '../../ops/define.js';
import { placeBuffers } from '../../plan/memory.js';
import type { Plan, PlanStep } from '../../plan/plan.js';

/** Bytes of a value: everything is held in float64. */
const elementBytes = 8;

/** Index of the last node that reads each value, by value id; values read after the run live as long as it. */
export function lastReaders(graph: Graph): Map<number, number> {
  const last = new Map<number, number>();
  graph.nodes.forEach((node, i) => {
    for (const id of [...node.inputs, ...node.outputs]) last.set(id, i);
  });
  for (const id of [...graph.outputs.values(), ...graph.updates.values()]) last.set(id, graph.nodes.length);
  return last;
}

/** One step for each node; the arena is what a perfect allocator would need for the arrays that live at one time. */
export function referencePlan(graph: Graph): Plan {
  const steps = graph.nodes.map(
    (node): PlanStep => ({
      ...node.op.cost(
        node.attributes,
        node.inputs.map((id) => graph.values[id]),
        node.outputs.map((id) => graph.values[id]),
      ),
      node: node.name,
      layer: node.layer,
      phase: node.phase,
      op: node.op.name,
      algorithm: 'reference',
      kernel: node.op.name,
    }),
  );
  const last = lastReaders(graph);
  const requests = graph.nodes.flatMap((node, first) =>
    node.outputs.map((id) => ({
      name: graph.values[id].name,
      bytes: elementBytes * elements(graph.values[id].shape),
      first,
      last: Math.min(last.get(id) ?? first, graph.nodes.length - 1),
    })),
  );
  const { offsets, bytes: arena } = placeBuffers(requests);
  const variables = graph.values
    .filter(({ kind }) => kind === 'variable')
    .reduce((sum, { shape }) => sum + elementBytes * elements(shape), 0);
  return {
    graph: graph.name,
    backend: 'reference',
    steps,
    buffers: requests.map((request, i) => ({ ...request, offset: offsets[i] })),
    bytes: { variables, packed: 0, arena, total: variables + arena },
  };
}
