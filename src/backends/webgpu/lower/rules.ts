/** Every op's lowering, by name. */
import type { Graph, Node } from '../../../graph/graph.js';
import type { Constants } from '../source.js';
import { lowerClip, lowerLeakyRelu, lowerScale, lowerTanh } from './activations.js';
import { lowerAugment } from './augment.js';
import { lowerBatchNorm, lowerBatchNormScaleGradient } from './batchNorm.js';
import { lowerConv2d, lowerConv2dDataGradient, lowerConvTranspose2d } from './conv2d.js';
import { lowerConv2dBiasGradient, lowerConv2dWeightGradient } from './conv2dParameters.js';
import { lowerDropout } from './dropout.js';
import { elementwise } from './elementwise.js';
import { im2colApplies, lowerCol2im, lowerIm2col, lowerIm2colWeightGradient } from './im2col.js';
import {
  fewImages,
  lowerLinear,
  lowerLinearBiasGradient,
  lowerLinearDataGradient,
  lowerLinearDataGradientVectors,
  lowerLinearSgd,
  lowerLinearVectors,
  lowerLinearWeightGradient,
  lowerLinearWeightGradientVectors,
} from './linear.js';
import {
  lowerLocal2d,
  lowerLocal2dBiasGradient,
  lowerLocal2dDataGradient,
  lowerLocal2dWeightGradient,
} from './local2d.js';
import {
  lowerCrossEntropy,
  lowerCrossEntropyGradient,
  lowerMeanSquaredError,
  lowerMeanSquaredErrorGradient,
  lowerSoftmax,
} from './losses.js';
import { lowerLrn, lowerLrnWithin, lowerLrnWithinGradient } from './lrn.js';
import { lowerMatMul } from './matMul.js';
import { lowerAccumulate, lowerAdam, lowerSgd } from './optimizers.js';
import { lowerConcat, lowerSplit, lowerSplitGradient } from './pieces.js';
import { lowerAdaptiveAvgPool, lowerAvgPool, lowerMaxPool, lowerMaxPoolGradient } from './pool.js';
import type { Feature, Limits, LowerContext, LowerRule, Step } from './program.js';
import { type SquareTile, squareTiles } from './tiles.js';
import { lowerWinograd, winogradApplies, winogradPreferred } from './winograd.js';

export type Shapes = Pick<LowerContext, 'node' | 'shape' | 'dtype' | 'limits' | 'features'>;

/** One algorithm of an op: its name in plans and reports, and what it emits. */
export interface Algorithm {
  readonly name: string;
  readonly lower: LowerRule;
  /** Whether it can do the node; by default it can do all of the op's. */
  readonly applies?: (shapes: Shapes) => boolean;
  /** Whether the shapes are such that it goes before the others; by default the first of the list does. */
  readonly preferred?: (shapes: Shapes) => boolean;
}

/** A reduction: across the adapter's subgroups where there are such, and by a tree in workgroup memory. */
function reductions(
  name: string,
  lower: (subgroups: boolean) => LowerRule,
  applies: (shapes: Shapes) => boolean = () => true,
): readonly Algorithm[] {
  const withSubgroups = (shapes: Shapes): boolean => shapes.features.includes('subgroups') && applies(shapes);
  return [
    { name: `${name}Subgroups`, lower: lower(true), applies: withSubgroups },
    { name, lower: lower(false), applies },
  ];
}

/** A matrix product, with the tile that should be fastest, and with others where they are others. */
function products(name: string, lower: LowerRule): readonly Algorithm[] {
  const kernelsOf = (shapes: Shapes, tile?: SquareTile): string => {
    const found: (Constants | undefined)[] = [];
    const note = ({ constants }: Step): void => {
      found.push(constants);
    };
    const nowhere = (): number => 0;
    const memory = { input: nowhere, output: nowhere, temporary: nowhere, packed: nowhere };
    lower({ ...shapes, ...memory, tile, step: note, preparation: note });
    return JSON.stringify(found);
  };
  const others = squareTiles.map((tile) => ({
    name: `${name}${tile}`,
    lower: (context: LowerContext) => lower({ ...context, tile }),
    applies: (shapes: Shapes) => kernelsOf(shapes, tile) !== kernelsOf(shapes),
  }));
  return [{ name, lower }, ...others];
}

/** All algorithms of each op. */
export const algorithms: Readonly<Record<string, readonly Algorithm[]>> = {
  conv2d: [
    ...products('implicitGemm', lowerConv2d),
    { name: 'im2col', lower: lowerIm2col, applies: im2colApplies },
    { name: 'winograd43', lower: lowerWinograd, applies: winogradApplies, preferred: winogradPreferred },
  ],
  conv2dDataGradient: [
    ...products('implicitGemm', lowerConv2dDataGradient),
    { name: 'im2col', lower: lowerCol2im, applies: im2colApplies },
    { name: 'winograd43', lower: lowerWinograd, applies: winogradApplies, preferred: winogradPreferred },
  ],
  conv2dWeightGradient: [
    ...products('implicitGemm', lowerConv2dWeightGradient),
    { name: 'im2col', lower: lowerIm2colWeightGradient, applies: im2colApplies },
  ],
  conv2dBiasGradient: reductions('tree', lowerConv2dBiasGradient),
  convTranspose2d: [
    ...products('implicitGemm', lowerConvTranspose2d),
    { name: 'im2col', lower: lowerCol2im, applies: im2colApplies },
  ],
  linear: [...reductions('gemv', lowerLinearVectors, fewImages), ...products('gemm', lowerLinear)],
  linearDataGradient: [
    { name: 'gemv', lower: lowerLinearDataGradientVectors, applies: fewImages },
    ...products('gemm', lowerLinearDataGradient),
  ],
  linearWeightGradient: [
    { name: 'outer', lower: lowerLinearWeightGradientVectors, applies: fewImages },
    ...products('gemm', lowerLinearWeightGradient),
  ],
  linearBiasGradient: [{ name: 'slices', lower: lowerLinearBiasGradient }],
  linearSgd: [{ name: 'apart', lower: lowerLinearSgd }],
  matMul: products('gemm', lowerMatMul),
  relu: [{ name: 'vectors', lower: elementwise('relu', { GRADIENT: false }) }],
  reluGradient: [{ name: 'vectors', lower: elementwise('relu', { GRADIENT: true }) }],
  dropout: [{ name: 'philox', lower: lowerDropout }],
  lrn: [{ name: 'window', lower: lowerLrn(false) }],
  lrnGradient: [{ name: 'window', lower: lowerLrn(true) }],
  lrnWithin: [{ name: 'window', lower: lowerLrnWithin }],
  lrnWithinGradient: [{ name: 'terms', lower: lowerLrnWithinGradient }],
  maxPool: [{ name: 'direct', lower: lowerMaxPool }],
  maxPoolGradient: [{ name: 'gather', lower: lowerMaxPoolGradient }],
  avgPool: [{ name: 'direct', lower: lowerAvgPool(false) }],
  avgPoolGradient: [{ name: 'gather', lower: lowerAvgPool(true) }],
  adaptiveAvgPool: [{ name: 'direct', lower: lowerAdaptiveAvgPool(false) }],
  adaptiveAvgPoolGradient: [{ name: 'gather', lower: lowerAdaptiveAvgPool(true) }],
  batchNorm: [{ name: 'elements', lower: lowerBatchNorm(false) }],
  batchNormDataGradient: [{ name: 'elements', lower: lowerBatchNorm(true) }],
  batchNormScaleGradient: [{ name: 'planes', lower: lowerBatchNormScaleGradient }],
  local2d: [{ name: 'direct', lower: lowerLocal2d }],
  local2dDataGradient: [{ name: 'gather', lower: lowerLocal2dDataGradient }],
  local2dWeightGradient: [{ name: 'direct', lower: lowerLocal2dWeightGradient }],
  local2dBiasGradient: [{ name: 'direct', lower: lowerLocal2dBiasGradient }],
  augment: [{ name: 'channels', lower: lowerAugment }],
  leakyRelu: [{ name: 'vectors', lower: lowerLeakyRelu(false) }],
  leakyReluGradient: [{ name: 'vectors', lower: lowerLeakyRelu(true) }],
  clip: [{ name: 'vectors', lower: lowerClip(false) }],
  clipGradient: [{ name: 'vectors', lower: lowerClip(true) }],
  tanh: [{ name: 'vectors', lower: lowerTanh(false) }],
  tanhGradient: [{ name: 'vectors', lower: lowerTanh(true) }],
  sigmoid: [{ name: 'vectors', lower: elementwise('sigmoid', { GRADIENT: false }) }],
  sigmoidGradient: [{ name: 'vectors', lower: elementwise('sigmoid', { GRADIENT: true }) }],
  scale: [{ name: 'vectors', lower: lowerScale }],
  add: [{ name: 'vectors', lower: elementwise('add') }],
  concat: [{ name: 'copy', lower: lowerConcat }],
  split: [{ name: 'copy', lower: lowerSplit }],
  splitGradient: [{ name: 'copy', lower: lowerSplitGradient }],
  softmax: reductions('rows', lowerSoftmax('softmax', false)),
  softmaxGradient: reductions('rows', lowerSoftmax('softmax', true)),
  logSoftmax: reductions('rows', lowerSoftmax('logSoftmax', false)),
  logSoftmaxGradient: reductions('rows', lowerSoftmax('logSoftmax', true)),
  crossEntropy: reductions('rows', lowerCrossEntropy),
  crossEntropyGradient: reductions('rows', lowerCrossEntropyGradient(false)),
  crossEntropyTargetGradient: reductions('rows', lowerCrossEntropyGradient(true)),
  meanSquaredError: reductions('tree', lowerMeanSquaredError),
  meanSquaredErrorGradient: [{ name: 'vectors', lower: lowerMeanSquaredErrorGradient }],
  accumulate: [{ name: 'vectors', lower: lowerAccumulate }],
  sgd: [{ name: 'fused', lower: lowerSgd }],
  adam: [{ name: 'fused', lower: lowerAdam }],
};

/** Legal algorithms of a node, the default first; none for an op that has no kernel. Shapes, limits and features alone decide. */
export function legalAlgorithms(
  graph: Graph,
  node: Node,
  limits: Limits,
  features: readonly Feature[],
): readonly Algorithm[] {
  const shapes: Shapes = {
    node,
    limits,
    features,
    shape: (id) => graph.values[id].shape,
    dtype: (id) => graph.values[id].dtype,
  };
  const legal = (algorithms[node.op.name] ?? []).filter(({ applies }) => applies?.(shapes) ?? true);
  const preferred = legal.find((algorithm) => algorithm.preferred?.(shapes));
  return preferred ? [preferred, ...legal.filter((algorithm) => algorithm !== preferred)] : legal;
}
