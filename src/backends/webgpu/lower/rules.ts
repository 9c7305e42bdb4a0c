/** Every op's lowering, by name. */
import type { Graph, Node } from '../../../graph/graph.js';
import { lowerConv2d, lowerConv2dDataGradient, lowerConvTranspose2d } from './conv2d.js';
import { lowerConv2dBiasGradient, lowerConv2dWeightGradient } from './conv2dParameters.js';
import { elementwise } from './elementwise.js';
import { im2colApplies, lowerIm2col } from './im2col.js';
import type { Limits, LowerContext, LowerRule } from './program.js';
import { lowerWinograd, winogradApplies } from './winograd.js';

export type Shapes = Pick<LowerContext, 'node' | 'shape' | 'limits'>;

/** One algorithm of an op: its name in plans and reports, and what it emits. */
export interface Algorithm {
  readonly name: string;
  readonly lower: LowerRule;
  /** Whether it can do the node; by default it can do all of the op's. */
  readonly applies?: (shapes: Shapes) => boolean;
  /** Whether the shapes are such that it goes before the others; by default the first of the list does. */
  readonly preferred?: (shapes: Shapes) => boolean;
}

/** Legal algorithms of each op. */
const algorithms: Readonly<Record<string, readonly Algorithm[]>> = {
  conv2d: [
    { name: 'implicitGemm', lower: lowerConv2d },
    { name: 'im2col', lower: lowerIm2col, applies: im2colApplies },
    { name: 'winograd43', lower: lowerWinograd, applies: winogradApplies },
  ],
  conv2dDataGradient: [
    { name: 'implicitGemm', lower: lowerConv2dDataGradient },
    { name: 'winograd43', lower: lowerWinograd, applies: winogradApplies },
  ],
  conv2dWeightGradient: [{ name: 'implicitGemm', lower: lowerConv2dWeightGradient }],
  conv2dBiasGradient: [{ name: 'tree', lower: lowerConv2dBiasGradient }],
  convTranspose2d: [{ name: 'implicitGemm', lower: lowerConvTranspose2d }],
  relu: [{ name: 'vectors', lower: elementwise('relu', { GRADIENT: false }) }],
  reluGradient: [{ name: 'vectors', lower: elementwise('relu', { GRADIENT: true }) }],
};

/** Legal algorithms of a node, the default first; none for an op that has no kernel. Shapes and limits alone decide. */
export function legalAlgorithms(graph: Graph, node: Node, limits: Limits): readonly Algorithm[] {
  const shapes: Shapes = { node, limits, shape: (id) => graph.values[id].shape };
  const legal = (algorithms[node.op.name] ?? []).filter(({ applies }) => applies?.(shapes) ?? true);
  const preferred = legal.find((algorithm) => algorithm.preferred?.(shapes));
  return preferred ? [preferred, ...legal.filter((algorithm) => algorithm !== preferred)] : legal;
}
