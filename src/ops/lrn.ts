/**
 * Local response normalisation across channels (Krizhevsky et al. 2012, §3.3):
 *
 *   s_i = k + a·Σ_{j ∈ W(i)} x_j²      y_i = x_i · s_i^(−β)
 *
 * W(i) = [i − ⌊size/2⌋, i + ⌊(size − 1)/2⌋] clipped to the channels (torch's window for even sizes; odd ones are symmetric),
 * a = alpha or alpha/size, not renormalised where the window is clipped. With incoming gradient g
 *
 *   dx_i = g_i·s_i^(−β) − 2·a·β·x_i · Σ_{j : i ∈ W(j)} g_j·y_j/s_j
 */
import {
  type Accuracy,
  bytesTouched,
  defineOp,
  elements,
  expectInputs,
  expectRank,
  expectShape,
  f32,
  integerAttribute,
  numberAttribute,
  type Tensor64,
  unitRoundoff,
  wordAttribute,
} from './define.js';
import { propagationConstant, underflow } from './lib/sums.js';

export type LrnAttributes = {
  /** Channels in the full window. */
  readonly size: number;
  readonly alpha: number;
  readonly beta: number;
  readonly k: number;
  /** 'window' divides alpha by size (Caffe, ONNX, torch); 'element' takes it as it is (the paper's formula, TensorFlow). */
  readonly alphaPer: 'element' | 'window';
};

/** Caffe's defaults for size, beta and k; alpha as in Caffe's AlexNet. */
function attributes(op: string, given: Partial<LrnAttributes>): LrnAttributes {
  return {
    size: integerAttribute(op, 'size', given.size ?? 5, 1),
    alpha: numberAttribute(op, 'alpha', given.alpha ?? 1e-4, 0),
    beta: numberAttribute(op, 'beta', given.beta ?? 0.75, 0),
    k: numberAttribute(op, 'k', given.k ?? 1, 0),
    alphaPer: wordAttribute(op, 'alphaPer', given.alphaPer ?? 'window', ['window', 'element']),
  };
}

/** The factor a on the sum of squares. */
export function lrnCoefficient(given: LrnAttributes): number {
  return given.alphaPer === 'window' ? given.alpha / given.size : given.alpha;
}

/** Channels before and after i in W(i). The window of the gradient's sum, {j : i ∈ W(j)}, is its mirror image. */
export function lrnReach(size: number): { readonly before: number; readonly after: number } {
  return { before: Math.floor(size / 2), after: Math.floor((size - 1) / 2) };
}

/** For every element the sum of `values` over channels [i − before, i + after] of its column. */
function windowSums(
  values: Float64Array,
  [batch, channels, height, width]: readonly number[],
  before: number,
  after: number,
): Float64Array {
  const plane = height * width;
  const sums = new Float64Array(values.length);
  for (let n = 0; n < batch; n++) {
    for (let c = 0; c < channels; c++) {
      for (let j = Math.max(0, c - before); j <= Math.min(channels - 1, c + after); j++) {
        for (let p = 0; p < plane; p++) sums[(n * channels + c) * plane + p] += values[(n * channels + j) * plane + p];
      }
    }
  }
  return sums;
}

/** s, s^(−β) and the relative errors of both in units of u. */
interface Scale {
  readonly s: Float64Array;
  readonly power: Float64Array;
  readonly sError: Float64Array;
  readonly powerError: Float64Array;
}

/**
 * All terms of s are positive, so relative errors of its parts are bounded by their share: a·Σx² is `size` roundings for
 * squares and sums, one each for a itself and the product; k is rounded once, and so is the final sum. Then s^(−β) has β
 * times the relative error of s, β·|ln s| for rounding β, and the larger error of the two ways to raise it: pow, or for
 * β = ¾ 1/(√s·√√s), where √s carries q, √√s carries q/2 + q, the product 1 and the division d.
 */
function scale(given: LrnAttributes, x: Tensor64, accuracy: Accuracy): Scale {
  const { size, beta, k } = given;
  const coefficient = lrnCoefficient(given);
  const { before, after } = lrnReach(size);
  const s = windowSums(
    x.data.map((value) => value * value),
    x.shape,
    before,
    after,
  );
  const power = new Float64Array(s.length);
  const sError = new Float64Array(s.length);
  const powerError = new Float64Array(s.length);
  const elementary = Math.max(accuracy.pow, 2.5 * accuracy.sqrt + 1 + accuracy.divide);
  const betaRounding = Math.fround(beta) === beta ? 0 : beta;
  for (let i = 0; i < s.length; i++) {
    const term = coefficient * s[i];
    s[i] = k + term;
    power[i] = s[i] ** -beta;
    sError[i] = ((size + 2) * term + k) / s[i] + 1;
    powerError[i] = beta * sError[i] + betaRounding * Math.abs(Math.log(s[i])) + elementary;
  }
  return { s, power, sError, powerError };
}

/** x [N, C, H, W] → the same shape. */
export const lrn = defineOp<LrnAttributes>({
  name: 'lrn',
  family: 'lrn',
  attributes: (given) => attributes('lrn', given),

  infer(_, inputs) {
    expectInputs('lrn', inputs, 1);
    expectRank('lrn', 'x', inputs[0], 4);
    return [f32(...inputs[0].shape)];
  },

  /** Per element: the square, `size` additions, the factor a, the power (as one) and the product with x. */
  cost: ({ size }, inputs, outputs) => ({
    macs: 0,
    flops: elements(inputs[0].shape) * (size + 4),
    bytes: bytesTouched(inputs, outputs),
  }),

  reference(given, [x], accuracy) {
    const { power, powerError } = scale(given, x, accuracy);
    const data = x.data.map((value, i) => value * power[i]);
    const bound = data.map(
      (value, i) => propagationConstant * unitRoundoff * (powerError[i] + 1) * Math.abs(value) + underflow,
    );
    return [{ data, bound }];
  },

  gradient({ attributes: given, inputs: [x], outputGradients: [dy], wanted, emit }) {
    return [dy && wanted[0] ? emit(lrnGradient, [dy, x], given)[0] : undefined];
  },
});

/** ∂loss/∂x from dy and x, all [N, C, H, W]. */
export const lrnGradient = defineOp<LrnAttributes>({
  name: 'lrnGradient',
  family: 'lrn',
  attributes: (given) => attributes('lrnGradient', given),

  infer(_, inputs) {
    expectInputs('lrnGradient', inputs, 2);
    const [dy, x] = inputs;
    expectRank('lrnGradient', 'x', x, 4);
    expectShape('lrnGradient', 'dy', dy, x.shape);
    return [f32(...x.shape)];
  },

  /** Per element: s and its power as in the forward pass, g·y/s (3), its window sum, and the two terms (4). */
  cost: ({ size }, inputs, outputs) => ({
    macs: 0,
    flops: elements(inputs[0].shape) * (2 * size + 10),
    bytes: bytesTouched(inputs, outputs),
  }),

  /**
   * dx = A − B. A = g·s^(−β) carries the error of the power and one product. B = 2aβ·x·Σq with q = g·y/s: each q carries the
   * errors of power and s, two products and a division; the sum rounds at most size − 1 times, each time at most by u·Σ|q|;
   * the coefficient is rounded (1) and multiplied twice. The difference is rounded once. Terms count with their own
   * magnitudes: where A and B cancel, the bound does not shrink.
   */
  reference(given, [dy, x], accuracy) {
    const { size, beta } = given;
    const { s, power, sError, powerError } = scale(given, x, accuracy);
    const { before, after } = lrnReach(size);
    const q = dy.data.map((g, i) => (g * x.data[i] * power[i]) / s[i]);
    const qError = q.map(
      (value, i) => Math.abs(value) * (powerError[i] + sError[i] + 2 + accuracy.divide + (size - 1) + 3),
    );
    const sums = windowSums(q, x.shape, after, before);
    const sumErrors = windowSums(qError, x.shape, after, before);
    const factor = 2 * lrnCoefficient(given) * beta;

    const data = new Float64Array(x.data.length);
    const bound = new Float64Array(x.data.length);
    for (let i = 0; i < data.length; i++) {
      const direct = dy.data[i] * power[i];
      const across = factor * x.data[i];
      data[i] = direct - across * sums[i];
      const error = Math.abs(direct) * (powerError[i] + 1) + Math.abs(across) * sumErrors[i] + Math.abs(data[i]);
      bound[i] = propagationConstant * unitRoundoff * error + underflow;
    }
    return [{ data, bound }];
  },
});
