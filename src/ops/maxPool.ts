/**
 * Maximum over windows of each channel. Cells outside the image never win; a NaN in a window gives NaN. The gradient goes
 * to the first maximum of a window in row-major order (Caffe, torch, tfjs), or to its first NaN.
 */
import { GraphError } from '../errors.js';
import {
  bytesTouched,
  defineOp,
  elements,
  expectInputs,
  expectRank,
  expectShape,
  f32,
  formatShape,
  paddingAttribute,
  pairAttribute,
  type Tensor64,
  wordAttribute,
} from './define.js';
import { exact, Sums } from './lib/sums.js';

export type MaxPoolAttributes = {
  /** [vertical, horizontal] size of a window. */
  readonly kernel: number | readonly number[];
  /** [vertical, horizontal] step, 1 by default. */
  readonly stride: number | readonly number[];
  /** [top, left, bottom, right] cells around the image, each less than the kernel. */
  readonly padding: number | readonly number[];
  /**
   * 'floor' keeps the windows that lie inside the padded image; 'ceil' (Caffe's rule) also one that reaches over its lower
   * or right edge, if it starts inside the image or the padding before it.
   */
  readonly rounding: 'floor' | 'ceil';
};

/** The sizes of a pooling, unpacked once for reference, cost and lowering. */
export interface MaxPoolGeometry {
  readonly batch: number;
  readonly channels: number;
  readonly inHeight: number;
  readonly inWidth: number;
  readonly outHeight: number;
  readonly outWidth: number;
  readonly kernelHeight: number;
  readonly kernelWidth: number;
  readonly strideY: number;
  readonly strideX: number;
  readonly top: number;
  readonly left: number;
}

function attributes(op: string, given: Partial<MaxPoolAttributes>): MaxPoolAttributes {
  const kernel = pairAttribute(op, 'kernel', given.kernel ?? [], 1);
  const padding = paddingAttribute(op, given.padding ?? 0);
  padding.forEach((side, i) => {
    if (side >= kernel[i % 2]) {
      throw new GraphError(
        `${op}: padding [${padding.join(', ')}] must be less than the kernel [${kernel.join(', ')}]`,
      );
    }
  });
  return {
    kernel,
    stride: pairAttribute(op, 'stride', given.stride ?? 1, 1),
    padding,
    rounding: wordAttribute(op, 'rounding', given.rounding ?? 'floor', ['floor', 'ceil']),
  };
}

/** Number of windows along one axis of the given extent. */
function windows(
  rounding: 'floor' | 'ceil',
  extent: number,
  kernel: number,
  stride: number,
  before: number,
  after: number,
): number {
  const steps = (extent + before + after - kernel) / stride;
  if (rounding === 'floor') return Math.floor(steps) + 1;
  const count = Math.ceil(steps) + 1;
  return (count - 1) * stride >= extent + before ? count - 1 : count;
}

/** Sizes from the shape of x [N, C, H, W]; throws a GraphError when no window fits. */
export function maxPoolGeometry(op: string, given: MaxPoolAttributes, x: readonly number[]): MaxPoolGeometry {
  const [kernelHeight, kernelWidth] = given.kernel as readonly number[];
  const [strideY, strideX] = given.stride as readonly number[];
  const [top, left, bottom, right] = given.padding as readonly number[];
  const [batch, channels, inHeight, inWidth] = x;
  if (kernelHeight > inHeight + top + bottom || kernelWidth > inWidth + left + right) {
    throw new GraphError(
      `${op}: the kernel [${kernelHeight}, ${kernelWidth}] is larger than the padded image ` +
        `[${inHeight + top + bottom}, ${inWidth + left + right}] (x ${formatShape(x)})`,
    );
  }
  const outHeight = windows(given.rounding, inHeight, kernelHeight, strideY, top, bottom);
  const outWidth = windows(given.rounding, inWidth, kernelWidth, strideX, left, right);
  return {
    batch,
    channels,
    inHeight,
    inWidth,
    outHeight,
    outWidth,
    kernelHeight,
    kernelWidth,
    strideY,
    strideX,
    top,
    left,
  };
}

/** For every window the index in x of its first maximum (or first NaN), in the order of the output. */
function winners(g: MaxPoolGeometry, x: Tensor64): number[] {
  const found: number[] = [];
  for (let plane = 0; plane < g.batch * g.channels; plane++) {
    for (let i = 0; i < g.outHeight; i++) {
      for (let j = 0; j < g.outWidth; j++) {
        let best = -1;
        for (let u = 0; u < g.kernelHeight; u++) {
          const row = i * g.strideY + u - g.top;
          if (row < 0 || row >= g.inHeight) continue;
          for (let v = 0; v < g.kernelWidth; v++) {
            const column = j * g.strideX + v - g.left;
            if (column < 0 || column >= g.inWidth) continue;
            const at = (plane * g.inHeight + row) * g.inWidth + column;
            if (best < 0 || beats(x.data[at], x.data[best])) best = at;
          }
        }
        found.push(best);
      }
    }
  }
  return found;
}

function beats(value: number, best: number): boolean {
  return value > best || (Number.isNaN(value) && !Number.isNaN(best));
}

/** Comparisons: one less than the cells of a window, for each output. */
function comparisons(g: MaxPoolGeometry): number {
  return g.batch * g.channels * g.outHeight * g.outWidth * (g.kernelHeight * g.kernelWidth - 1);
}

/** x [N, C, H, W] → [N, C, OH, OW]. */
export const maxPool = defineOp<MaxPoolAttributes>({
  name: 'maxPool',
  family: 'maxPool',
  attributes: (given) => attributes('maxPool', given),

  infer(given, inputs) {
    expectInputs('maxPool', inputs, 1);
    expectRank('maxPool', 'x', inputs[0], 4);
    const g = maxPoolGeometry('maxPool', given, inputs[0].shape);
    return [f32(g.batch, g.channels, g.outHeight, g.outWidth)];
  },

  cost: (given, inputs, outputs) => ({
    macs: 0,
    flops: comparisons(maxPoolGeometry('maxPool', given, inputs[0].shape)),
    bytes: bytesTouched(inputs, outputs),
  }),

  reference(given, [x]) {
    const g = maxPoolGeometry('maxPool', given, x.shape);
    return [exact(Float64Array.from(winners(g, x), (at) => x.data[at]))];
  },

  gradient({ attributes: given, inputs: [x], outputGradients: [dy], wanted, emit }) {
    return [dy && wanted[0] ? emit(maxPoolGradient, [dy, x], given)[0] : undefined];
  },
});

/**
 * ∂loss/∂x [N, C, H, W] from dy [N, C, OH, OW] and x: each dy is added to the cell that won its window. Exact where a cell
 * won at most one window; otherwise the error of a short sum.
 */
export const maxPoolGradient = defineOp<MaxPoolAttributes>({
  name: 'maxPoolGradient',
  family: 'maxPool',
  attributes: (given) => attributes('maxPoolGradient', given),

  infer(given, inputs) {
    expectInputs('maxPoolGradient', inputs, 2);
    const [dy, x] = inputs;
    expectRank('maxPoolGradient', 'x', x, 4);
    const g = maxPoolGeometry('maxPoolGradient', given, x.shape);
    expectShape('maxPoolGradient', 'dy', dy, [g.batch, g.channels, g.outHeight, g.outWidth]);
    return [f32(...x.shape)];
  },

  cost: (given, inputs, outputs) => ({
    macs: 0,
    flops: comparisons(maxPoolGeometry('maxPoolGradient', given, inputs[1].shape)) + elements(inputs[0].shape),
    bytes: bytesTouched(inputs, outputs),
  }),

  reference(given, [dy, x]) {
    const g = maxPoolGeometry('maxPoolGradient', given, x.shape);
    const sums = new Sums(x.data.length);
    winners(g, x).forEach((at, i) => sums.addValue(at, dy.data[i]));
    return [sums.judged()];
  },
});
