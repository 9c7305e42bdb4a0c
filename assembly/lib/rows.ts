/**
 * Microkernels that read rows of a large matrix where they lie, for products that are bound by reading it once: each row is one
 * long run, a few at a time, at the pace of the arithmetic, so that the processor fetches ahead.
 *
 * Where fewer than four rows are left the last one is read again in place of the missing ones; its sums are of no use.
 */
import { timesPair, timesRow } from '../generated/microkernels';
import { madd } from './simd';

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

/**
 * Adds three rows of w, each times its factor, to the sums of four images, which are interleaved vector by vector up to `end`. The
 * factors of one image lie next to each other, those of the next `step` bytes further; where images are missing the last one is taken again.
 */
export function addThreeRows(w0: usize, stride: usize, factors: usize, step: usize, images: i32, sums: usize, end: usize): void {
  const a0 = v128.load32_splat(factors), a1 = v128.load32_splat(factors, 4), a2 = v128.load32_splat(factors, 8);
  if (images > 1) factors += step;
  const b0 = v128.load32_splat(factors), b1 = v128.load32_splat(factors, 4), b2 = v128.load32_splat(factors, 8);
  if (images > 2) factors += step;
  const c0 = v128.load32_splat(factors), c1 = v128.load32_splat(factors, 4), c2 = v128.load32_splat(factors, 8);
  if (images > 3) factors += step;
  const d0 = v128.load32_splat(factors), d1 = v128.load32_splat(factors, 4), d2 = v128.load32_splat(factors, 8);
  let w1 = w0 + stride;
  let w2 = w1 + stride;
  while (sums < end) {
    const v0 = v128.load(w0), v1 = v128.load(w1), v2 = v128.load(w2);
    v128.store(sums, madd(a2, v2, madd(a1, v1, madd(a0, v0, v128.load(sums)))));
    v128.store(sums, madd(b2, v2, madd(b1, v1, madd(b0, v0, v128.load(sums, 16)))), 16);
    v128.store(sums, madd(c2, v2, madd(c1, v1, madd(c0, v0, v128.load(sums, 32)))), 32);
    v128.store(sums, madd(d2, v2, madd(d1, v1, madd(d0, v0, v128.load(sums, 48)))), 48);
    w0 += 16; w1 += 16; w2 += 16;
    sums += 64;
  }
}

/** The same for one row. */
export function addRow(w: usize, factors: usize, step: usize, images: i32, sums: usize, end: usize): void {
  const a = v128.load32_splat(factors);
  if (images > 1) factors += step;
  const b = v128.load32_splat(factors);
  if (images > 2) factors += step;
  const c = v128.load32_splat(factors);
  if (images > 3) factors += step;
  const d = v128.load32_splat(factors);
  while (sums < end) {
    const v = v128.load(w);
    v128.store(sums, madd(a, v, v128.load(sums)));
    v128.store(sums, madd(b, v, v128.load(sums, 16)), 16);
    v128.store(sums, madd(c, v, v128.load(sums, 32)), 32);
    v128.store(sums, madd(d, v, v128.load(sums, 48)), 48);
    w += 16;
    sums += 64;
  }
}
