/** What a graph costs, layer by layer and phase by phase, whoever computes it: the sums of its ops' cost functions. */
import type { Cost } from '../ops/define.js';
import type { Graph, Node } from './graph.js';

export const phases = ['forward', 'backward', 'update'] as const;
export type Phase = (typeof phases)[number];

export interface LayerCost extends Readonly<Record<Phase, Cost>> {
  readonly name: string;
}

const noCost: Cost = { macs: 0, flops: 0, bytes: 0 };

export function addCosts(a: Cost, b: Cost): Cost {
  return { macs: a.macs + b.macs, flops: a.flops + b.flops, bytes: a.bytes + b.bytes };
}

/** For the whole batch. An alias moves nothing. */
export function nodeCost(graph: Graph, { op, attributes, inputs, outputs }: Node): Cost {
  const types = (ids: readonly number[]) => ids.map((id) => graph.values[id]);
  return op.alias ? noCost : op.cost(attributes, types(inputs), types(outputs));
}

/** For the whole batch, in the order in which layers are first met. */
export function layerCosts(graph: Graph): readonly LayerCost[] {
  const layers = new Map<string, Record<Phase, Cost>>();
  for (const node of graph.nodes) {
    const known = layers.get(node.layer) ?? { forward: noCost, backward: noCost, update: noCost };
    layers.set(node.layer, { ...known, [node.phase]: addCosts(known[node.phase], nodeCost(graph, node)) });
  }
  return [...layers].map(([name, costs]) => ({ name, ...costs }));
}

/**
 * A lower bound of the time that a phase takes, in seconds: each node is held up by arithmetic or by memory, whichever is slower
 * (Williams, Waterman, Patterson: Roofline, 2009). Operations are those of the plain algorithms; an algorithm that needs fewer
 * (Winograd's) can be faster.
 *
 * @param peak FLOP/s and bytes/s
 */
export function rooflineTime(
  graph: Graph,
  of: readonly Phase[],
  peak: { readonly flops: number; readonly bytes: number },
): number {
  return graph.nodes
    .filter(({ phase }) => of.includes(phase))
    .map((node) => nodeCost(graph, node))
    .reduce((seconds, { flops, bytes }) => seconds + Math.max(flops / peak.flops, bytes / peak.bytes), 0);
}
