/** Rewrites of a graph that keep its outputs and updates: pruning and fusion. */
import type { Op } from '../ops/define.js';
import { linearSgd, linearWeightGradient } from '../ops/linear.js';
import { sgd } from '../ops/sgd.js';
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

/** How many nodes, outputs and updates read each value. */
function countReaders(graph: Graph): ReadonlyMap<number, number> {
  const readers = new Map<number, number>();
  const reads = [...graph.nodes.flatMap((node) => node.inputs), ...graph.outputs.values(), ...graph.updates.values()];
  for (const id of reads) readers.set(id, (readers.get(id) ?? 0) + 1);
  return readers;
}

/**
 * relu(conv2d(…)) and relu(linear(…)) become one node when nothing else reads the sum before the ReLU. Training graphs
 * allow it too: the gradient of ReLU is taken from its output.
 */
export function fuseActivations(graph: Graph): Graph {
  const readers = countReaders(graph);
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
 * The gradient of a fully connected weight that nothing but an update by `sgd` reads becomes one node with that update, where the update
 * stands. For backends that have a kernel for it: it is bound by memory, and the gradient is as large as the weight.
 */
export function fuseUpdates(graph: Graph): Graph {
  const readers = countReaders(graph);
  const gradients = new Map<number, Node>();
  for (const node of graph.nodes) {
    // What it reads must still be there when the update comes.
    const stays = node.inputs.every((id) => !graph.updates.has(id));
    if (node.op.name === linearWeightGradient.name && stays) gradients.set(node.outputs[0], node);
  }
  const gradientOf = new Map<Node, Node>();
  for (const node of graph.nodes) {
    const gradient = node.op.name === sgd.name && readers.get(node.inputs[1]) === 1 && gradients.get(node.inputs[1]);
    if (gradient) gradientOf.set(node, gradient);
  }
  const fused = new Set(gradientOf.values());
  const nodes = graph.nodes.flatMap((node) => {
    if (fused.has(node)) return [];
    const gradient = gradientOf.get(node);
    if (!gradient) return [node];
    const [weight, , velocity, rate] = node.inputs;
    const inputs = [weight, ...gradient.inputs, velocity, rate];
    return [{ ...node, op: linearSgd as unknown as Op, inputs }];
  });
  return { ...graph, nodes };
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
