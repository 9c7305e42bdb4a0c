/** Rewrites of a graph that keep its outputs and updates: pruning and fusion. */
import type { Graph, Node } from './graph.js';

/** Prunes, fuses activations into the ops before them, and moves updates to where their gradients are. */
export function optimize(graph: Graph): Graph {
  return scheduleUpdates(fuseActivations(prune(graph)));
}

/** The same graph with only the outputs that are named; with `prune` nothing is computed for the others. */
export function withOutputs(graph: Graph, names: readonly string[]): Graph {
  return { ...graph, outputs: new Map([...graph.outputs].filter(([name]) => names.includes(name))) };
}

/** Drops nodes whose results reach no output and no update. Inputs stay declared, used or not. */
export function prune(graph: Graph): Graph {
  const live = new Set([...graph.outputs.values(), ...graph.updates.values()]);
  const kept: Node[] = [];
  for (const node of [...graph.nodes].reverse()) {
    if (!node.outputs.some((id) => live.has(id))) continue;
    kept.push(node);
    for (const id of node.inputs) live.add(id);
  }
  return { ...graph, nodes: kept.reverse() };
}

/**
 * relu(conv2d(…)) and relu(linear(…)) become one node when nothing else reads the sum before the ReLU. Training graphs
 * allow it too: the gradient of ReLU is taken from its output.
 */
export function fuseActivations(graph: Graph): Graph {
  const readers = new Map<number, number>();
  const read = (id: number): void => void readers.set(id, (readers.get(id) ?? 0) + 1);
  for (const node of graph.nodes) node.inputs.forEach(read);
  for (const id of [...graph.outputs.values(), ...graph.updates.values()]) read(id);

  const producer = new Map<number, number>();
  const nodes: (Node | undefined)[] = [];
  for (const node of graph.nodes) {
    const before = node.op.name === 'relu' ? producer.get(node.inputs[0]) : undefined;
    const target = before === undefined ? undefined : nodes[before];
    if (
      before !== undefined &&
      target &&
      target.attributes.activation === 'none' &&
      readers.get(node.inputs[0]) === 1
    ) {
      nodes[before] = {
        ...target,
        attributes: { ...target.attributes, activation: 'relu' },
        outputs: node.outputs,
      };
      producer.set(node.outputs[0], before);
    } else {
      node.outputs.forEach((id) => producer.set(id, nodes.length));
      nodes.push(node);
    }
  }
  return { ...graph, nodes: nodes.filter((node) => node !== undefined) };
}

/**
 * Moves each node of the update phase up to where its inputs are there and nobody reads the old variable any more: a
 * gradient then lives for a moment, and its memory serves the next layer's.
 */
export function scheduleUpdates(graph: Graph): Graph {
  const updates = graph.nodes.filter((node) => node.phase === 'update');
  const others = graph.nodes.filter((node) => node.phase !== 'update');
  const after = new Map<number, Node[]>();
  for (const update of updates) {
    const needs = new Set(update.inputs);
    const place = others.findLastIndex(
      (node) =>
        node.outputs.some((id) => needs.has(id)) || node.inputs.some((id) => graph.updates.has(id) && needs.has(id)),
    );
    after.set(place, [...(after.get(place) ?? []), update]);
  }
  return {
    ...graph,
    nodes: [...(after.get(-1) ?? []), ...others.flatMap((node, index) => [node, ...(after.get(index) ?? [])])],
  };
}
