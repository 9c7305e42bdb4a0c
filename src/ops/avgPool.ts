/**
 * Mean over windows of each channel: y = Σ x / d over the cells of a window that lie in the image. `count` says what d counts:
 * 'inside' those cells alone (cuda-convnet, ONNX's default), 'all' also the cells of the padding (Caffe, torch's default). Cells
 * beyond the padding, which a window of rounding 'ceil' may reach, are never counted. A NaN in a window gives NaN.
 */
import {
  bytesTouched,
  defineOp,
  elements,
  expectInputs,
  expectRank,
  expectShape,
  f32,
  pairAttribute,
  wordAttribute,
} from './define.js';
import { meanOf, spreadOver } from './lib/means.js';
import {
  forEachCell,
  type PoolAttributes,
  type PoolGeometry,
  poolAttributes,
  poolGeometry,
  windowCells,
} from './lib/pooling.js';

export type AvgPoolAttributes = PoolAttributes & {
  /** The cells that a mean is divided by: those in the image, or those in the padded image. */
  readonly count: 'inside' | 'all';
};

function attributes(op: string, given: Partial<AvgPoolAttributes>): AvgPoolAttributes {
  return {
    ...poolAttributes(op, given),
    count: wordAttribute(op, 'count', given.count ?? 'inside', ['inside', 'all']),
  };
}

/** Cells of each window that count, along one axis; `before` and `after` are what is counted of the padding. */
function axisCounts(
  windows: number,
  extent: number,
  kernel: number,
  stride: number,
  padding: number,
  before: number,
  after: number,
): number[] {
  return Array.from({ length: windows }, (_, i) => {
    const start = i * stride - padding;
    return Math.min(start + kernel, extent + after) - Math.max(start, -before);
  });
}

/** The divisor of every window: [rows that count per output row, columns that count per output column]. */
function divisors(g: PoolGeometry, count: AvgPoolAttributes['count']): readonly [number[], number[]] {
  const all = count === 'all' ? 1 : 0;
  return [
    axisCounts(g.outHeight, g.inHeight, g.kernelHeight, g.strideY, g.top, all * g.top, all * g.bottom),
    axisCounts(g.outWidth, g.inWidth, g.kernelWidth, g.strideX, g.left, all * g.left, all * g.right),
  ];
}

/** Divisor of the output at a flat index. */
function divisorAt(g: PoolGeometry, count: AvgPoolAttributes['count']): (y: number) => number {
  const [rows, columns] = divisors(g, count);
  return (y) => rows[Math.floor(y / g.outWidth) % g.outHeight] * columns[y % g.outWidth];
}

/** x [N, C, H, W] → [N, C, OH, OW]. */
export const avgPool = defineOp<AvgPoolAttributes>({
  name: 'avgPool',
  family: 'avgPool',
  attributes: (given) => attributes('avgPool', given),

  infer(given, inputs) {
    expectInputs('avgPool', inputs, 1);
    expectRank('avgPool', 'x', inputs[0], 4);
    const g = poolGeometry('avgPool', given, inputs[0].shape);
    return [f32(g.batch, g.channels, g.outHeight, g.outWidth)];
  },

  /** Per output one addition less than there are cells, and a division. */
  cost: (given, inputs, outputs) => ({
    macs: 0,
    flops: windowCells(poolGeometry('avgPool', given, inputs[0].shape)),
    bytes: bytesTouched(inputs, outputs),
  }),

  reference(given, [x], accuracy) {
    const g = poolGeometry('avgPool', given, x.shape);
    const length = g.batch * g.channels * g.outHeight * g.outWidth;
    return [meanOf(length, x.data, divisorAt(g, given.count), (visit) => forEachCell(g, visit), accuracy)];
  },

  gradient({ attributes: given, inputs: [x], outputGradients: [dy], wanted, emit }) {
    const inputSize = x.shape.slice(2);
    return [dy && wanted[0] ? emit(avgPoolGradient, [dy], { ...given, inputSize })[0] : undefined];
  },
});

export type AvgPoolGradientAttributes = AvgPoolAttributes & {
  /** [H, W] of the forward input (a stride can make several sizes possible). */
  readonly inputSize: readonly number[];
};

/** ∂loss/∂x [N, C, H, W] from dy [N, C, OH, OW]: dy / d is added to every cell of its window. */
export const avgPoolGradient = defineOp<AvgPoolGradientAttributes>({
  name: 'avgPoolGradient',
  family: 'avgPool',
  attributes: (given) => ({
    ...attributes('avgPoolGradient', given),
    inputSize: pairAttribute('avgPoolGradient', 'inputSize', given.inputSize ?? [], 1),
  }),

  infer(given, inputs) {
    expectInputs('avgPoolGradient', inputs, 1);
    const [dy] = inputs;
    expectRank('avgPoolGradient', 'dy', dy, 4);
    const x = [...dy.shape.slice(0, 2), ...given.inputSize];
    const g = poolGeometry('avgPoolGradient', given, x);
    expectShape('avgPoolGradient', 'dy', dy, [g.batch, g.channels, g.outHeight, g.outWidth]);
    return [f32(...x)];
  },

  /** A division for each output, an addition for each cell of its window. */
  cost: (given, inputs, outputs) => ({
    macs: 0,
    flops: windowCells(poolGeometry('avgPoolGradient', given, outputs[0].shape)) + elements(inputs[0].shape),
    bytes: bytesTouched(inputs, outputs),
  }),

  reference(given, [dy], accuracy) {
    const x = [...dy.shape.slice(0, 2), ...given.inputSize];
    const g = poolGeometry('avgPoolGradient', given, x);
    return [spreadOver(elements(x), dy.data, divisorAt(g, given.count), (visit) => forEachCell(g, visit), accuracy)];
  },
});
