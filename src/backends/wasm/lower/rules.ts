/** Every op's lowering, by name. */
import type { Graph, Node } from '../../../graph/graph.js';
import { type DropoutAttributes, keepScale, keepThreshold } from '../../../ops/dropout.js';
import { type WinogradName, winograds } from '../../../ops/lib/winograd.js';
import { isInt16 } from '../../../ops/linear.js';
import { lowerClip, lowerLeakyRelu, lowerScale, lowerTanh, lowerTanhGradient } from './activations.js';
import { lowerAugment } from './augment.js';
import { lowerBatchNorm } from './batchNorm.js';
import { lowerConv2d, lowerConv2dBiasGradient, lowerConv2dDataGradient, lowerConv2dWeightGradient } from './conv2d.js';
import { lowerConvTranspose2d } from './convTranspose2d.js';
import {
  lowerLinearBiasGradient,
  lowerLinearDataGradient,
  lowerLinearPanels,
  lowerLinearRows,
  lowerLinearSgd,
  lowerLinearWeightGradient,
  worthPanels,
} from './linear.js';
import { lowerLinearInt16Panels, lowerLinearInt16Rows } from './linearInt16.js';
import {
  lowerLocal2d,
  lowerLocal2dBiasGradient,
  lowerLocal2dDataGradient,
  lowerLocal2dWeightGradient,
} from './local2d.js';
import { lowerCrossEntropy, lowerCrossEntropyGradient, lowerMeanSquaredError } from './losses.js';
import { lowerLrn, lowerLrnGradient, lowerLrnWithin, lowerLrnWithinGradient } from './lrn.js';
import { lowerMatMul } from './matMul.js';
import { lowerAdam, lowerSgd } from './optimizers.js';
import { lowerConcat, lowerSplit, lowerSplitGradient } from './pieces.js';
import {
  lowerAdaptiveAvgPool,
  lowerAdaptiveAvgPoolGradient,
  lowerAvgPool,
  lowerAvgPoolGradient,
  lowerMaxPool,
  lowerMaxPoolGradient,
} from './pool.js';
import { countOf, float, type LowerContext, type LowerRule } from './program.js';
import {
  directConvolutionCost,
  lowerWinograd,
  lowerWinogradWeightGradient,
  winogradApplies,
  winogradCost,
} from './winograd.js';

type Shapes = Pick<LowerContext, 'node' | 'shape'>;

/** One algorithm of an op: its name in plans and reports, and what it emits. */
export interface Algorithm {
  readonly name: string;
  readonly lower: LowerRule;
  /** Whether it can do the node; by default it can do all of the op's. */
  readonly applies?: (shapes: Shapes) => boolean;
  /** Whether the shapes are such that it goes before the others; by default the first of the list does. */
  readonly preferred?: (shapes: Shapes) => boolean;
}

function lowerDropout(context: LowerContext): void {
  const given = context.node.attributes as DropoutAttributes;
  const threshold = keepThreshold(given.probability);
  context.step('dropout', [
    context.input(0),
    context.input(1),
    context.output(0),
    ...context.scratch(64),
    countOf(context, 0),
    given.stream,
    threshold % 2 ** 32,
    float(keepScale(given.probability, given.scaleAt)),
    Number(threshold === 2 ** 32),
  ]);
}

/** [rows, length of a row] of a matrix. */
function rowWords(context: LowerContext, index: number): readonly number[] {
  return context.shape(context.node.inputs[index]);
}

/** Ops whose kernel takes its inputs, its output and one count. */
function elementwise(kernel: string): readonly Algorithm[] {
  return [
    {
      name: 'simd',
      lower: (context) =>
        context.step(kernel, [
          ...context.node.inputs.map((_, i) => context.input(i)),
          context.output(0),
          countOf(context, 0),
        ]),
    },
  ];
}

/** Ops whose kernel takes its inputs, its output and the sizes of the matrix at input `matrix`. */
function rowwise(kernel: string, matrix: number): readonly Algorithm[] {
  return [
    {
      name: 'rows',
      lower: (context) =>
        context.step(kernel, [
          ...context.node.inputs.map((_, i) => context.input(i)),
          context.output(0),
          ...rowWords(context, matrix),
        ]),
    },
  ];
}

/** The variants of Winograd's algorithm, the cheapest preferred where it is cheaper than im2col. */
function winograd(lower: (name: WinogradName) => LowerRule): readonly Algorithm[] {
  const names = Object.keys(winograds) as WinogradName[];
  return names.map((name) => ({
    name,
    lower: lower(name),
    applies: winogradApplies(name),
    preferred: (shapes) =>
      winogradCost(name, shapes) < directConvolutionCost(shapes) &&
      names.every((other) => other === name || winogradCost(name, shapes) < winogradCost(other, shapes)),
  }));
}

/** The algorithms of each op, and of an op's form with kernels of its own. */
const algorithms: Readonly<Record<string, readonly Algorithm[]>> = {
  conv2d: [{ name: 'im2col', lower: lowerConv2d }, ...winograd(lowerWinograd)],
  conv2dDataGradient: [{ name: 'im2col', lower: lowerConv2dDataGradient }, ...winograd(lowerWinograd)],
  conv2dWeightGradient: [
    { name: 'im2col', lower: lowerConv2dWeightGradient },
    ...winograd(lowerWinogradWeightGradient),
  ],
  conv2dBiasGradient: [{ name: 'simd', lower: lowerConv2dBiasGradient }],
  convTranspose2d: [{ name: 'im2col', lower: lowerConvTranspose2d }],
  linear: [
    { name: 'rows', lower: lowerLinearRows },
    { name: 'panels', lower: lowerLinearPanels, preferred: worthPanels },
  ],
  'linear int16': [
    { name: 'rows', lower: lowerLinearInt16Rows },
    { name: 'panels', lower: lowerLinearInt16Panels, preferred: ({ node, shape }) => shape(node.inputs[0])[0] > 1 },
  ],
  linearDataGradient: [{ name: 'rows', lower: lowerLinearDataGradient }],
  linearWeightGradient: [{ name: 'panels', lower: lowerLinearWeightGradient }],
  linearBiasGradient: [{ name: 'simd', lower: lowerLinearBiasGradient }],
  linearSgd: [{ name: 'panels', lower: lowerLinearSgd }],
  relu: elementwise('relu'),
  reluGradient: elementwise('reluGradient'),
  leakyRelu: [{ name: 'simd', lower: lowerLeakyRelu }],
  leakyReluGradient: [{ name: 'simd', lower: lowerLeakyRelu }],
  clip: [{ name: 'simd', lower: lowerClip }],
  clipGradient: [{ name: 'simd', lower: lowerClip }],
  tanh: [{ name: 'simd', lower: lowerTanh }],
  tanhGradient: [{ name: 'simd', lower: lowerTanhGradient }],
  sigmoid: elementwise('sigmoid'),
  sigmoidGradient: elementwise('sigmoidGradient'),
  scale: [{ name: 'simd', lower: lowerScale }],
  concat: [{ name: 'copy', lower: lowerConcat }],
  split: [{ name: 'copy', lower: lowerSplit }],
  splitGradient: [{ name: 'copy', lower: lowerSplitGradient }],
  batchNorm: [{ name: 'planes', lower: lowerBatchNorm }],
  batchNormDataGradient: [{ name: 'planes', lower: lowerBatchNorm }],
  batchNormScaleGradient: [{ name: 'planes', lower: lowerBatchNorm }],
  accumulate: elementwise('accumulate'),
  add: elementwise('add'),
  augment: [{ name: 'rows', lower: lowerAugment }],
  local2d: [{ name: 'patches', lower: lowerLocal2d }],
  local2dDataGradient: [{ name: 'patches', lower: lowerLocal2dDataGradient }],
  local2dWeightGradient: [{ name: 'patches', lower: lowerLocal2dWeightGradient }],
  local2dBiasGradient: [{ name: 'simd', lower: lowerLocal2dBiasGradient }],
  lrn: [{ name: 'window', lower: lowerLrn }],
  lrnGradient: [{ name: 'window', lower: lowerLrnGradient }],
  lrnWithin: [{ name: 'separable', lower: lowerLrnWithin }],
  lrnWithinGradient: [{ name: 'separable', lower: lowerLrnWithinGradient }],
  avgPool: [{ name: 'separable', lower: lowerAvgPool }],
  avgPoolGradient: [{ name: 'separable', lower: lowerAvgPoolGradient }],
  adaptiveAvgPool: [{ name: 'separable', lower: lowerAdaptiveAvgPool }],
  adaptiveAvgPoolGradient: [{ name: 'separable', lower: lowerAdaptiveAvgPoolGradient }],
  matMul: [{ name: 'panels', lower: lowerMatMul }],
  maxPool: [{ name: 'separable', lower: lowerMaxPool }],
  maxPoolGradient: [{ name: 'separable', lower: lowerMaxPoolGradient }],
  dropout: [{ name: 'philox', lower: lowerDropout }],
  softmax: rowwise('softmax', 0),
  softmaxGradient: rowwise('softmaxGradient', 1),
  crossEntropy: [{ name: 'rows', lower: lowerCrossEntropy }],
  crossEntropyGradient: [{ name: 'rows', lower: lowerCrossEntropyGradient }],
  crossEntropyTargetGradient: rowwise('crossEntropyTargetGradient', 1),
  logSoftmax: rowwise('logSoftmax', 0),
  logSoftmaxGradient: rowwise('logSoftmaxGradient', 1),
  meanSquaredError: [{ name: 'simd', lower: lowerMeanSquaredError }],
  meanSquaredErrorGradient: [{ name: 'simd', lower: lowerMeanSquaredError }],
  sgd: [{ name: 'fused', lower: lowerSgd }],
  adam: [{ name: 'fused', lower: lowerAdam }],
};

/** Legal algorithms of a node, the default first; none for an op that has no kernel. Shapes alone decide. */
export function legalAlgorithms(graph: Graph, node: Node): readonly Algorithm[] {
  const int16 = node.op.name === 'linear' && isInt16(graph.values[node.inputs[1]]);
  const shapes = { node, shape: (id: number) => graph.values[id].shape };
  const all = algorithms[int16 ? 'linear int16' : node.op.name] ?? [];
  const legal = all.filter(({ applies }) => applies?.(shapes) ?? true);
  const preferred = legal.find((algorithm) => algorithm.preferred?.(shapes));
  return preferred ? [preferred, ...legal.filter((algorithm) => algorithm !== preferred)] : legal;
}
