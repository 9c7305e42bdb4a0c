/** Every op's lowering, by name. */
import type { Graph, Node } from '../../../graph/graph.js';
import { elements } from '../../../ops/define.js';
import { type DropoutAttributes, keepScale, keepThreshold } from '../../../ops/dropout.js';
import { type LrnAttributes, lrnCoefficient } from '../../../ops/lrn.js';
import { type MaxPoolAttributes, maxPoolGeometry } from '../../../ops/maxPool.js';
import type { SgdAttributes } from '../../../ops/sgd.js';
import { lowerConv2d, lowerConv2dBiasGradient, lowerConv2dDataGradient, lowerConv2dWeightGradient } from './conv2d.js';
import {
  lowerLinearBiasGradient,
  lowerLinearDataGradientPanels,
  lowerLinearDataGradientRows,
  lowerLinearPanels,
  lowerLinearRows,
  lowerLinearWeightGradient,
  worthPanels,
} from './linear.js';
import { countOf, float, type LowerContext, type LowerRule } from './program.js';

/** One algorithm of an op: its name in plans and reports, and what it emits. */
export interface Algorithm {
  readonly name: string;
  readonly lower: LowerRule;
  /** Whether the shapes are such that it goes before the others; by default the first of the list does. */
  readonly preferred?: (shapes: Pick<LowerContext, 'node' | 'shape'>) => boolean;
}

/** Positions of all channels that the LRN kernels hold at a time, in bytes. */
const lrnRow = 64;

function lrnWords(context: LowerContext, x: number): readonly [number, number, number, number] {
  const [batch, channels, ...plane] = context.shape(context.node.inputs[x]);
  return [batch, channels, elements(plane), (context.node.attributes as LrnAttributes).size];
}

function lowerLrn(context: LowerContext): void {
  const given = context.node.attributes as LrnAttributes;
  const sizes = lrnWords(context, 0);
  const bytes = (2 * sizes[1] + given.size) * lrnRow;
  context.step('lrn', [
    context.input(0),
    context.output(0),
    ...context.scratch(bytes),
    ...sizes,
    float(lrnCoefficient(given)),
    float(given.k),
    float(given.beta),
  ]);
}

function lowerLrnGradient(context: LowerContext): void {
  const given = context.node.attributes as LrnAttributes;
  const sizes = lrnWords(context, 1);
  const bytes = (4 * sizes[1] + 2 * given.size) * lrnRow;
  const a = lrnCoefficient(given);
  context.step('lrnGradient', [
    context.input(0),
    context.input(1),
    context.output(0),
    ...context.scratch(bytes),
    ...sizes,
    float(a),
    float(given.k),
    float(given.beta),
    float(2 * a * given.beta),
  ]);
}

function poolWords(context: LowerContext, x: number): readonly number[] {
  const given = context.node.attributes as MaxPoolAttributes;
  const g = maxPoolGeometry(context.node.op.name, given, context.shape(context.node.inputs[x]));
  return [
    g.batch * g.channels,
    g.inHeight,
    g.inWidth,
    g.outHeight,
    g.outWidth,
    g.kernelHeight,
    g.kernelWidth,
    g.strideY,
    g.strideX,
    g.top,
    g.left,
  ];
}

function lowerMaxPool(context: LowerContext): void {
  const words = poolWords(context, 0);
  const scratch = context.scratch(words[2] * 4 + 16);
  context.step('maxPool', [context.input(0), context.output(0), ...scratch, ...words]);
}

function lowerMaxPoolGradient(context: LowerContext): void {
  context.step('maxPoolGradient', [context.input(0), context.input(1), context.output(0), ...poolWords(context, 1)]);
}

function lowerDropout(context: LowerContext): void {
  const given = context.node.attributes as DropoutAttributes;
  const threshold = keepThreshold(given.probability);
  context.step('dropout', [
    context.input(0),
    context.input(1),
    context.output(0),
    countOf(context, 0),
    given.stream,
    threshold % 2 ** 32,
    float(keepScale(given.probability)),
    Number(threshold === 2 ** 32),
  ]);
}

/** [rows, length of a row] of a matrix. */
function rowWords(context: LowerContext, index: number): readonly number[] {
  return context.shape(context.node.inputs[index]);
}

function lowerSgd(context: LowerContext): void {
  const given = context.node.attributes as SgdAttributes;
  context.step('sgd', [
    context.input(0),
    context.input(1),
    context.input(2),
    context.input(3),
    countOf(context, 0),
    Number(given.rule === 'torch'),
    float(given.momentum),
    float(given.weightDecay),
    float(given.learningRateMultiplier),
    float(given.rule === 'paper' ? -1 : 1),
  ]);
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

/** Legal algorithms of each op. */
const algorithms: Readonly<Record<string, readonly Algorithm[]>> = {
  conv2d: [{ name: 'im2col', lower: lowerConv2d }],
  conv2dDataGradient: [{ name: 'im2col', lower: lowerConv2dDataGradient }],
  conv2dWeightGradient: [{ name: 'im2col', lower: lowerConv2dWeightGradient }],
  conv2dBiasGradient: [{ name: 'simd', lower: lowerConv2dBiasGradient }],
  linear: [
    { name: 'rows', lower: lowerLinearRows },
    { name: 'panels', lower: lowerLinearPanels, preferred: worthPanels(4) },
  ],
  linearDataGradient: [
    { name: 'rows', lower: lowerLinearDataGradientRows },
    { name: 'panels', lower: lowerLinearDataGradientPanels, preferred: worthPanels(8) },
  ],
  linearWeightGradient: [{ name: 'panels', lower: lowerLinearWeightGradient }],
  linearBiasGradient: [{ name: 'simd', lower: lowerLinearBiasGradient }],
  relu: elementwise('relu'),
  reluGradient: elementwise('reluGradient'),
  add: elementwise('add'),
  lrn: [{ name: 'window', lower: lowerLrn }],
  lrnGradient: [{ name: 'window', lower: lowerLrnGradient }],
  maxPool: [{ name: 'separable', lower: lowerMaxPool }],
  maxPoolGradient: [{ name: 'scatter', lower: lowerMaxPoolGradient }],
  dropout: [{ name: 'philox', lower: lowerDropout }],
  softmax: rowwise('softmax', 0),
  softmaxGradient: rowwise('softmaxGradient', 1),
  crossEntropy: rowwise('crossEntropy', 0),
  crossEntropyGradient: rowwise('crossEntropyGradient', 1),
  sgd: [{ name: 'fused', lower: lowerSgd }],
};

/** Legal algorithms of a node, the default first; none for an op that has no kernel. Shapes alone decide. */
export function legalAlgorithms(graph: Graph, node: Node): readonly Algorithm[] {
  const legal = algorithms[node.op.name] ?? [];
  const shapes = { node, shape: (id: number) => graph.values[id].shape };
  const preferred = legal.find((algorithm) => algorithm.preferred?.(shapes));
  return preferred ? [preferred, ...legal.filter((algorithm) => algorithm !== preferred)] : legal;
}
