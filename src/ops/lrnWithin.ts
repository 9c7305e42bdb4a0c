/**
 * Local response normalisation within each channel (cuda-convnet's rnorm, Caffe's WITHIN_CHANNEL):
 *
 *   s = k + a·Σ x² over a square window of the same channel      y = x · s^(−β)
 *
 * The window of a cell starts ⌊size/2⌋ cells above and to the left of it, is `size` cells wide and high, and is clipped at the
 * borders; a = alpha, or alpha/size² whatever is clipped (Caffe's average pooling with a padding that counts gives the same).
 * The gradient is that of `lrn` with the mirrored window.
 */
import {
  bytesTouched,
  defineOp,
  elements,
  expectInputs,
  expectRank,
  expectShape,
  f32,
  integerAttribute,
} from './define.js';
import {
  coefficient,
  normalize,
  normalizeGradient,
  type ResponseNormAttributes,
  reach,
  responseNormAttributes,
  slidingSums,
  type Windows,
} from './lib/responseNorm.js';

export type LrnWithinAttributes = ResponseNormAttributes & {
  /** Rows and columns of the full window. */
  readonly size: number;
};

/** Caffe's default size. */
function attributes(op: string, given: Partial<LrnWithinAttributes>): LrnWithinAttributes {
  return { size: integerAttribute(op, 'size', given.size ?? 5, 1, 1024), ...responseNormAttributes(op, given) };
}

/** The factor a on the sum of squares. */
export function lrnWithinCoefficient(given: LrnWithinAttributes): number {
  return coefficient(given, given.size ** 2);
}

/** Rows (or columns) before and after a cell in its window. */
export function lrnWithinReach(given: LrnWithinAttributes): { readonly before: number; readonly after: number } {
  return reach(given.size, 'torch');
}

function windows(given: LrnWithinAttributes, [, , height, width]: readonly number[]): Windows {
  const { before, after } = lrnWithinReach(given);
  const sums = (values: Float64Array, back: number, ahead: number): Float64Array =>
    slidingSums(slidingSums(values, height, width, back, ahead), width, 1, back, ahead);
  return {
    cells: given.size ** 2,
    sums: (values) => sums(values, before, after),
    mirrored: (values) => sums(values, after, before),
  };
}

/** x [N, C, H, W] → the same shape. */
export const lrnWithin = defineOp<LrnWithinAttributes>({
  name: 'lrnWithin',
  family: 'lrnWithin',
  attributes: (given) => attributes('lrnWithin', given),

  infer(_, inputs) {
    expectInputs('lrnWithin', inputs, 1);
    expectRank('lrnWithin', 'x', inputs[0], 4);
    return [f32(...inputs[0].shape)];
  },

  /** Per element: the square, 2·size additions (down, then across), the factor a, the power (as one) and the product with x. */
  cost: ({ size }, inputs, outputs) => ({
    macs: 0,
    flops: elements(inputs[0].shape) * (2 * size + 4),
    bytes: bytesTouched(inputs, outputs),
  }),

  reference: (given, [x], accuracy) => [normalize(given, windows(given, x.shape), x.data, accuracy)],

  gradient({ attributes: given, inputs: [x], outputGradients: [dy], wanted, emit }) {
    return [dy && wanted[0] ? emit(lrnWithinGradient, [dy, x], given)[0] : undefined];
  },
});

/** ∂loss/∂x from dy and x, all [N, C, H, W]. */
export const lrnWithinGradient = defineOp<LrnWithinAttributes>({
  name: 'lrnWithinGradient',
  family: 'lrnWithin',
  attributes: (given) => attributes('lrnWithinGradient', given),

  infer(_, inputs) {
    expectInputs('lrnWithinGradient', inputs, 2);
    const [dy, x] = inputs;
    expectRank('lrnWithinGradient', 'x', x, 4);
    expectShape('lrnWithinGradient', 'dy', dy, x.shape);
    return [f32(...x.shape)];
  },

  /** Per element: s and its power as in the forward pass, g·y/s (3), its window sum, and the two terms (4). */
  cost: ({ size }, inputs, outputs) => ({
    macs: 0,
    flops: elements(inputs[0].shape) * (4 * size + 10),
    bytes: bytesTouched(inputs, outputs),
  }),

  reference: (given, [dy, x], accuracy) => [
    normalizeGradient(given, windows(given, x.shape), dy.data, x.data, accuracy),
  ],
});
