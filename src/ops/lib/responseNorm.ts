/**
 * What the two local response normalisations have in common: with sums over the window W(i) of each element
 *
 *   s_i = k + a·Σ_{j ∈ W(i)} x_j²      y_i = x_i · s_i^(−β)      dx_i = g_i·s_i^(−β) − 2·a·β·x_i · Σ_{j : i ∈ W(j)} g_j·y_j/s_j
 */
import { type Accuracy, type Judged, numberAttribute, unitRoundoff, wordAttribute } from '../define.js';
import { propagationConstant, underflow } from './sums.js';

export type ResponseNormAttributes = {
  readonly alpha: number;
  readonly beta: number;
  readonly k: number;
  /** 'window' divides alpha by the cells of the full window (Caffe, ONNX, torch); 'element' takes it as it is (the paper's formula, TensorFlow). */
  readonly alphaPer: 'element' | 'window';
};

/** Caffe's defaults for beta and k; alpha as in Caffe's AlexNet. */
export function responseNormAttributes(op: string, given: Partial<ResponseNormAttributes>): ResponseNormAttributes {
  return {
    alpha: numberAttribute(op, 'alpha', given.alpha ?? 1e-4, 0),
    beta: numberAttribute(op, 'beta', given.beta ?? 0.75, 0),
    k: numberAttribute(op, 'k', given.k ?? 1, 0),
    alphaPer: wordAttribute(op, 'alphaPer', given.alphaPer ?? 'window', ['window', 'element']),
  };
}

/** The factor a on the sum of squares, for a window of `cells`. */
export function coefficient(given: ResponseNormAttributes, cells: number): number {
  return given.alphaPer === 'window' ? given.alpha / cells : given.alpha;
}

/** The windows of a tensor's elements. */
export interface Windows {
  /** Cells of a window that is not clipped. */
  readonly cells: number;
  /** For every element the sum of `values` over its window W(i). */
  sums(values: Float64Array): Float64Array;
  /** For every element the sum over the elements in whose windows it is. */
  mirrored(values: Float64Array): Float64Array;
}

/** Cells before and after i in a window of `size`; an even window holds one more before ('torch') or after ('onnx'). */
export function reach(size: number, evenWindow: 'torch' | 'onnx'): { readonly before: number; readonly after: number } {
  const [more, less] = [Math.floor(size / 2), Math.floor((size - 1) / 2)];
  return evenWindow === 'torch' ? { before: more, after: less } : { before: less, after: more };
}

/**
 * For every element the sum of `values` over elements −before … +after along one axis of extent `extent`, whose neighbours are
 * `stride` elements apart, clipped to the axis.
 */
export function slidingSums(
  values: Float64Array,
  extent: number,
  stride: number,
  before: number,
  after: number,
): Float64Array {
  const sums = new Float64Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const place = Math.floor(i / stride) % extent;
    const last = Math.min(extent - 1, place + after);
    for (let j = Math.max(0, place - before); j <= last; j++) sums[i] += values[i + (j - place) * stride];
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
 * All terms of s are positive, so relative errors of its parts are bounded by their share: a·Σx² is `cells` roundings for
 * squares and sums, one each for a itself and the product; k is rounded once, and so is the final sum. Then s^(−β) has β
 * times the relative error of s, β·|ln s| for rounding β, and the larger error of the two ways to raise it: pow, or for
 * β = ¾ 1/(√s·√√s), where √s carries q, √√s carries q/2 + q, the product 1 and the division d.
 */
function scale(given: ResponseNormAttributes, windows: Windows, x: Float64Array, accuracy: Accuracy): Scale {
  const { beta, k } = given;
  const { cells } = windows;
  const a = coefficient(given, cells);
  const s = windows.sums(x.map((value) => value * value));
  const power = new Float64Array(s.length);
  const sError = new Float64Array(s.length);
  const powerError = new Float64Array(s.length);
  const elementary = Math.max(accuracy.pow, 2.5 * accuracy.sqrt + 1 + accuracy.divide);
  const betaRounding = Math.fround(beta) === beta ? 0 : beta;
  for (let i = 0; i < s.length; i++) {
    const term = a * s[i];
    s[i] = k + term;
    power[i] = s[i] ** -beta;
    // An infinite s has no error, and no more has the zero that it is raised to.
    if (s[i] === Number.POSITIVE_INFINITY) continue;
    sError[i] = ((cells + 2) * term + k) / s[i] + 1;
    powerError[i] = beta * sError[i] + betaRounding * Math.abs(Math.log(s[i])) + elementary;
  }
  return { s, power, sError, powerError };
}

/** y = x·s^(−β): the error of the power and of one product. */
export function normalize(
  given: ResponseNormAttributes,
  windows: Windows,
  x: Float64Array,
  accuracy: Accuracy,
): Judged {
  const { power, powerError } = scale(given, windows, x, accuracy);
  const data = x.map((value, i) => value * power[i]);
  const bound = data.map(
    (value, i) => propagationConstant * unitRoundoff * (powerError[i] + 1) * Math.abs(value) + underflow,
  );
  return { data, bound };
}

/**
 * dx = A − B. A = g·s^(−β) carries the error of the power and one product. B = 2aβ·x·Σq with q = g·y/s: each q carries the
 * errors of power and s, two products and a division; the sum rounds at most cells − 1 times, each time at most by u·Σ|q|;
 * the coefficient is rounded (1) and multiplied twice. The difference is rounded once. Terms count with their own
 * magnitudes: where A and B cancel, the bound does not shrink.
 */
export function normalizeGradient(
  given: ResponseNormAttributes,
  windows: Windows,
  dy: Float64Array,
  x: Float64Array,
  accuracy: Accuracy,
): Judged {
  const { s, power, sError, powerError } = scale(given, windows, x, accuracy);
  const { cells } = windows;
  const q = dy.map((g, i) => (g * x[i] * power[i]) / s[i]);
  const qError = q.map(
    (value, i) => Math.abs(value) * (powerError[i] + sError[i] + 2 + accuracy.divide + (cells - 1) + 3),
  );
  const sums = windows.mirrored(q);
  const sumErrors = windows.mirrored(qError);
  const factor = 2 * coefficient(given, cells) * given.beta;
  const data = new Float64Array(x.length);
  const bound = new Float64Array(x.length);
  for (let i = 0; i < data.length; i++) {
    const direct = dy[i] * power[i];
    const across = factor * x[i];
    data[i] = direct - across * sums[i];
    const error = Math.abs(direct) * (powerError[i] + 1) + Math.abs(across) * sumErrors[i] + Math.abs(data[i]);
    bound[i] = propagationConstant * unitRoundoff * error + underflow;
  }
  return { data, bound };
}
