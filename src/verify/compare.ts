/** Compares float32 results with the reference, and with each other, element by element. */
import type { Judged } from '../ops/define.js';

/** How far one output is off, at its worst element: the one with the largest error ÷ bound. */
export interface Deviation {
  /** Largest absolute error of any element; Number.MAX_VALUE where a NaN or an infinity is missing, misplaced or of the wrong sign. */
  readonly maxAbsError: number;
  /** Error allowed at the worst element. */
  readonly bound: number;
  /** Error ÷ bound of the worst element: 0 for 0 ÷ 0, Number.MAX_VALUE for anything else ÷ 0, so that JSON can hold it. */
  readonly ratio: number;
  /** Index of the worst element. */
  readonly index: number;
}

/** |a − b|, where two equal infinities or two NaN agree and −0 equals +0. JSON has no infinity: the largest number stands for it. */
function difference(a: number, b: number): number {
  if (a === b || (Number.isNaN(a) && Number.isNaN(b))) return 0;
  const error = Math.abs(a - b);
  return Number.isFinite(error) ? error : Number.MAX_VALUE;
}

/** Error ÷ bound: 0 for 0 ÷ 0, the largest number for anything else ÷ 0 and for the largest error. */
function quotient(error: number, bound: number): number {
  if (error === 0) return 0;
  return bound > 0 && error < Number.MAX_VALUE ? error / bound : Number.MAX_VALUE;
}

/** The worst of `length` elements. Where all are exact, the bound told is the widest. */
function worst(length: number, errorAt: (i: number) => number, boundAt: (i: number) => number): Deviation {
  let maxAbsError = 0;
  let found = { bound: 0, ratio: -1, index: 0 };
  for (let i = 0; i < length; i++) {
    const error = errorAt(i);
    const bound = boundAt(i);
    const ratio = quotient(error, bound);
    if (error > maxAbsError) maxAbsError = error;
    if (ratio > found.ratio || (ratio === found.ratio && bound > found.bound)) found = { bound, ratio, index: i };
  }
  return { maxAbsError, ...found };
}

/** Where an infinity or a NaN takes part, in the value or on the way to it (ReLU of −∞, x ÷ ∞), the result must be exact. */
function allowedAt({ data, bound }: Judged, i: number): number {
  return Number.isFinite(data[i]) && Number.isFinite(bound[i]) ? bound[i] : 0;
}

/** Whether element i may hold anything because of a NaN or an infinity nearby: anything not finite, if that is expected. */
function spreadTo({ data, bound, spreads = false }: Judged, i: number, result: number): boolean {
  return spreads && !Number.isFinite(bound[i]) && (Number.isFinite(data[i]) || !Number.isFinite(result));
}

/** A result against the reference. */
export function deviation(result: Float32Array, judged: Judged): Deviation {
  return worst(
    judged.data.length,
    (i) => (spreadTo(judged, i, result[i]) ? 0 : difference(result[i], judged.data[i])),
    (i) => allowedAt(judged, i),
  );
}

/** Two results against each other: both may be off by their own bounds. Without bounds they must be equal. */
export function disagreement(
  a: Float32Array,
  b: Float32Array,
  allowed: readonly [Judged, Judged] | undefined,
): Deviation {
  const spread = (i: number): boolean =>
    allowed !== undefined && (spreadTo(allowed[0], i, a[i]) || spreadTo(allowed[1], i, b[i]));
  return worst(
    a.length,
    (i) => (spread(i) ? 0 : difference(a[i], b[i])),
    (i) => (allowed ? allowedAt(allowed[0], i) + allowedAt(allowed[1], i) : 0),
  );
}

/** Whether two arrays are the same bit for bit, except that one NaN is as good as another. */
export function identical(a: Float32Array, b: Float32Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (!Object.is(a[i], b[i])) return false;
  return true;
}

/** Widest share that a bound may take of the largest value: beyond it a check would pass wrong results. */
export const widestBound = 1e-3;

/** What is wrong with the bounds themselves: the widest is more than 10⁻³ of the largest finite |reference|. */
export function bluntness(judged: Judged): string | undefined {
  const { data } = judged;
  let largest = 0;
  let widest = 0;
  for (let i = 0; i < data.length; i++) {
    if (Number.isFinite(data[i])) largest = Math.max(largest, Math.abs(data[i]));
    widest = Math.max(widest, allowedAt(judged, i));
  }
  if (widest <= widestBound * largest) return undefined;
  return `a bound of ${widest} is wider than ${widestBound} of the largest |reference| ${largest}`;
}
