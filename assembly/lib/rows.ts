/**
 * Microkernels that read rows of a large matrix where they lie, for products that are bound by reading it once: each row is one
 * long run, a few at a time, at the pace of the arithmetic, so that the processor fetches ahead.
 *
 * Where fewer than four rows are left the last one is read again in place of the missing ones; its sums are of no use.
 */
import { laneMask, madd, zero } from './simd';

/** sums[row][8] = Σ_k w[row][k] · panel[k][8], for four rows of w. The products of one element are added in the order of k. */
export function rowsTimesPanel(w0: usize, stride: usize, rows: i32, panel: usize, depth: i32, sums: usize): void {
  let w1 = rows > 1 ? w0 + stride : w0;
  let w2 = rows > 2 ? w1 + stride : w1;
  let w3 = rows > 3 ? w2 + stride : w2;
  let s00 = zero(), s01 = zero(), s10 = zero(), s11 = zero(), s20 = zero(), s21 = zero(), s30 = zero(), s31 = zero();
  const end = panel + (<usize>depth << 5);
  while (panel < end) {
    const x0 = v128.load(panel);
    const x1 = v128.load(panel, 16);
    let v = v128.load32_splat(w0);
    s00 = madd(v, x0, s00); s01 = madd(v, x1, s01);
    v = v128.load32_splat(w1);
    s10 = madd(v, x0, s10); s11 = madd(v, x1, s11);
    v = v128.load32_splat(w2);
    s20 = madd(v, x0, s20); s21 = madd(v, x1, s21);
    v = v128.load32_splat(w3);
    s30 = madd(v, x0, s30); s31 = madd(v, x1, s31);
    w0 += 4; w1 += 4; w2 += 4; w3 += 4;
    panel += 32;
  }
  v128.store(sums, s00); v128.store(sums, s01, 16);
  v128.store(sums, s10, 32); v128.store(sums, s11, 48);
  v128.store(sums, s20, 64); v128.store(sums, s21, 80);
  v128.store(sums, s30, 96); v128.store(sums, s31, 112);
}

// @ts-ignore: decorator
@inline
function timesRows(pair: bool, w0: usize, stride: usize, rows: i32, x0: usize, depth: i32, sums: usize): void {
  let w1 = rows > 1 ? w0 + stride : w0;
  let w2 = rows > 2 ? w1 + stride : w1;
  let w3 = rows > 3 ? w2 + stride : w2;
  let x1 = x0 + (<usize>depth << 2);
  let s00 = zero(), s10 = zero(), s20 = zero(), s30 = zero();
  let s01 = zero(), s11 = zero(), s21 = zero(), s31 = zero();
  const end = x0 + (<usize>(depth >> 2) << 4);
  while (x0 < end) {
    const a = v128.load(x0);
    const b = pair ? v128.load(x1) : a;
    let v = v128.load(w0);
    s00 = madd(v, a, s00); if (pair) s01 = madd(v, b, s01);
    v = v128.load(w1);
    s10 = madd(v, a, s10); if (pair) s11 = madd(v, b, s11);
    v = v128.load(w2);
    s20 = madd(v, a, s20); if (pair) s21 = madd(v, b, s21);
    v = v128.load(w3);
    s30 = madd(v, a, s30); if (pair) s31 = madd(v, b, s31);
    w0 += 16; w1 += 16; w2 += 16; w3 += 16;
    x0 += 16; if (pair) x1 += 16;
  }
  if (depth & 3) {
    // What follows a row is another row's: both sides are masked, for it may be infinite.
    const tail = laneMask(depth & 3);
    const a = v128.and(v128.load(x0), tail);
    const b = pair ? v128.and(v128.load(x1), tail) : a;
    let v = v128.and(v128.load(w0), tail);
    s00 = madd(v, a, s00); if (pair) s01 = madd(v, b, s01);
    v = v128.and(v128.load(w1), tail);
    s10 = madd(v, a, s10); if (pair) s11 = madd(v, b, s11);
    v = v128.and(v128.load(w2), tail);
    s20 = madd(v, a, s20); if (pair) s21 = madd(v, b, s21);
    v = v128.and(v128.load(w3), tail);
    s30 = madd(v, a, s30); if (pair) s31 = madd(v, b, s31);
  }
  v128.store(sums, s00); v128.store(sums, s10, 16); v128.store(sums, s20, 32); v128.store(sums, s30, 48);
  if (pair) { v128.store(sums, s01, 64); v128.store(sums, s11, 80); v128.store(sums, s21, 96); v128.store(sums, s31, 112); }
}

/** Four partial sums (lanes) of each product of one row x with four rows of w: sums[4 rows][4]; see `laneSums`. */
export function rowsTimesRow(w: usize, stride: usize, rows: i32, x: usize, depth: i32, sums: usize): void {
  timesRows(false, w, stride, rows, x, depth, sums);
}

/** The same for two rows of x, one after the other in memory: sums[2][4 rows][4]. */
export function rowsTimesPair(w: usize, stride: usize, rows: i32, x: usize, depth: i32, sums: usize): void {
  timesRows(true, w, stride, rows, x, depth, sums);
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

/** Bytes of a tile of `outerRows` whose rows follow each other. */
export const outerRowsBytes: usize = 128;

/** c[4 rows][8] = Σ_n a[n][row] · b[n][8], rows of c `stride` bytes apart. */
export function outerRows(a: usize, b: usize, depth: i32, c: usize, stride: usize): void {
  const r1 = c + stride;
  const r2 = r1 + stride;
  const r3 = r2 + stride;
  let c00 = zero(), c01 = zero(), c10 = zero(), c11 = zero(), c20 = zero(), c21 = zero(), c30 = zero(), c31 = zero();
  const end = b + (<usize>depth << 5);
  while (b < end) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    let v = v128.load32_splat(a);
    c00 = madd(v, b0, c00); c01 = madd(v, b1, c01);
    v = v128.load32_splat(a, 4);
    c10 = madd(v, b0, c10); c11 = madd(v, b1, c11);
    v = v128.load32_splat(a, 8);
    c20 = madd(v, b0, c20); c21 = madd(v, b1, c21);
    v = v128.load32_splat(a, 12);
    c30 = madd(v, b0, c30); c31 = madd(v, b1, c31);
    a += 16;
    b += 32;
  }
  v128.store(c, c00); v128.store(c, c01, 16);
  v128.store(r1, c10); v128.store(r1, c11, 16);
  v128.store(r2, c20); v128.store(r2, c21, 16);
  v128.store(r3, c30); v128.store(r3, c31, 16);
}
