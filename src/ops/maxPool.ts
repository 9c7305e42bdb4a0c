/**
 * Maximum over windows of each channel. Cells outside the image never win; a NaN in a window gives NaN. The gradient goes
 * to the first maximum of a window in row-major order (Caffe, torch, tfjs), or to its first NaN; with `ties: 'all'` (the
 * source of Krizhevsky et al. 2012) to every cell that equals the maximum, or to every NaN.
 */
import {
  bytesTouched,
  defineOp,
  elements,
  expectInputs,
  expectRank,
  expectShape,
  f32,
  wordAttribute,
} from './define.js';
import {
  forEachCell,
  type PoolAttributes,
  type PoolGeometry,
  poolAttributes,
  poolGeometry,
  windowCells,
} from './lib/pooling.js';
import { exact, Sums } from './lib/sums.js';

export type MaxPoolAttributes = PoolAttributes & {
  /** Which of several maxima of a window the gradient goes to. */
  readonly ties: 'first' | 'all';
};

function attributes(op: string, given: Partial<MaxPoolAttributes>): MaxPoolAttributes {
  return {
    ...poolAttributes(op, given),
    ties: wordAttribute(op, 'ties', given.ties ?? 'first', ['first', 'all']),
  };
}

/** For every window the index in x of its first maximum (or first NaN), in the order of the output. */
function winners(g: PoolGeometry, x: Float64Array): Int32Array {
  const found = new Int32Array(g.batch * g.channels * g.outHeight * g.outWidth).fill(-1);
  forEachCell(g, (y, at) => {
    if (found[y] < 0 || beats(x[at], x[found[y]])) found[y] = at;
  });
  return found;
}

function beats(value: number, best: number): boolean {
  return value > best || (Number.isNaN(value) && !Number.isNaN(best));
}

function same(a: number, b: number): boolean {
  return a === b || (Number.isNaN(a) && Number.isNaN(b));
}

/** Comparisons: one less than the cells of a window, for each output. */
function comparisons(g: PoolGeometry): number {
  return windowCells(g) - g.batch * g.channels * g.outHeight * g.outWidth;
}

/** x [N, C, H, W] → [N, C, OH, OW]. */
export const maxPool = defineOp<MaxPoolAttributes>({
  name: 'maxPool',
  family: 'maxPool',
  attributes: (given) => attributes('maxPool', given),

  infer(given, inputs) {
    expectInputs('maxPool', inputs, 1);
    expectRank('maxPool', 'x', inputs[0], 4);
    const g = poolGeometry('maxPool', given, inputs[0].shape);
    return [f32(g.batch, g.channels, g.outHeight, g.outWidth)];
  },

  cost: (given, inputs, outputs) => ({
    macs: 0,
    flops: comparisons(poolGeometry('maxPool', given, inputs[0].shape)),
    bytes: bytesTouched(inputs, outputs),
  }),

  reference(given, [x]) {
    const g = poolGeometry('maxPool', given, x.shape);
    return [exact(Float64Array.from(winners(g, x.data), (at) => x.data[at]))];
  },

  gradient({ attributes: given, inputs: [x], outputGradients: [dy], wanted, emit }) {
    return [dy && wanted[0] ? emit(maxPoolGradient, [dy, x], given)[0] : undefined];
  },
});

/**
 * ∂loss/∂x [N, C, H, W] from dy [N, C, OH, OW] and x: each dy is added to the cell, or with `ties: 'all'` to the cells, that won
 * its window. Exact where a cell won at most one window; otherwise the error of a short sum.
 */
export const maxPoolGradient = defineOp<MaxPoolAttributes>({
  name: 'maxPoolGradient',
  family: 'maxPool',
  attributes: (given) => attributes('maxPoolGradient', given),

  infer(given, inputs) {
    expectInputs('maxPoolGradient', inputs, 2);
    const [dy, x] = inputs;
    expectRank('maxPoolGradient', 'x', x, 4);
    const g = poolGeometry('maxPoolGradient', given, x.shape);
    expectShape('maxPoolGradient', 'dy', dy, [g.batch, g.channels, g.outHeight, g.outWidth]);
    return [f32(...x.shape)];
  },

  cost: (given, inputs, outputs) => ({
    macs: 0,
    flops: comparisons(poolGeometry('maxPoolGradient', given, inputs[1].shape)) + elements(inputs[0].shape),
    bytes: bytesTouched(inputs, outputs),
  }),

  reference(given, [dy, x]) {
    const g = poolGeometry('maxPoolGradient', given, x.shape);
    const sums = new Sums(x.data.length);
    const won = winners(g, x.data);
    if (given.ties === 'first') won.forEach((at, i) => sums.addValue(at, dy.data[i]));
    else
      forEachCell(g, (y, at) => {
        if (same(x.data[at], x.data[won[y]])) sums.addValue(at, dy.data[y]);
      });
    return [sums.judged()];
  },
});
