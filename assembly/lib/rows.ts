/**
 * Microkernels that read rows of a large matrix where they lie, for products that are bound by reading it once: each row is one
 * long run, a few at a time, at the pace of the arithmetic, so that the processor fetches ahead.
 *
 * Where fewer than four rows are left the last one is read again in place of the missing ones; its sums are of no use.
 */
import { timesPair, timesRow } from '../generated/microkernels';

/** Four partial sums (lanes) of each product of one row x with up to four rows of w: sums[4 rows][4]; see `laneSums`. */
export function rowsTimesRow(w: usize, stride: usize, rows: i32, x: usize, depth: i32, sums: usize): void {
  timesRow(w, next(w, stride, rows, 1), next(w, stride, rows, 2), next(w, stride, rows, 3), x, depth >> 2, depth & 3, sums);
}

/** The same for two rows of x, one after the other in memory: sums[2][4 rows][4]. */
export function rowsTimesPair(w: usize, stride: usize, rows: i32, x: usize, depth: i32, sums: usize): void {
  const w1 = next(w, stride, rows, 1);
  const w2 = next(w, stride, rows, 2);
  const w3 = next(w, stride, rows, 3);
  timesPair(w, w1, w2, w3, x, x + (<usize>depth << 2), depth >> 2, depth & 3, sums);
}

/** Row `row` of those there are, or the last one. */
// @ts-ignore: decorator
@inline
function next(w: usize, stride: usize, rows: i32, row: i32): usize {
  return w + <usize>min(row, rows - 1) * stride;
}

/** The sums of the lanes of four vectors, each in the order of `sumLanes`. */
export function laneSums(from: usize): v128 {
  const r0 = v128.load(from), r1 = v128.load(from, 16), r2 = v128.load(from, 32), r3 = v128.load(from, 48);
  const low01 = v128.shuffle<f32>(r0, r1, 0, 4, 1, 5), high01 = v128.shuffle<f32>(r0, r1, 2, 6, 3, 7);
  const low23 = v128.shuffle<f32>(r2, r3, 0, 4, 1, 5), high23 = v128.shuffle<f32>(r2, r3, 2, 6, 3, 7);
  // Lanes 0 and 2 of a row, then 1 and 3.
  const even = f32x4.add(v128.shuffle<f32>(low01, low23, 0, 1, 4, 5), v128.shuffle<f32>(high01, high23, 0, 1, 4, 5));
  const odd = f32x4.add(v128.shuffle<f32>(low01, low23, 2, 3, 6, 7), v128.shuffle<f32>(high01, high23, 2, 3, 6, 7));
  return f32x4.add(even, odd);
}
