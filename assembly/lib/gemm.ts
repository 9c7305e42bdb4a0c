/**
 * The two microkernels that every product of matrices is made of, and the packed form of the left operand.
 *
 * - `outerTile`: C[mr × 8] += Aᵀ·B for packed panels A [depth][mr] and B [depth][8], both linear streams.
 * - `dotTile`: mr × nr sums of products of rows, four partial sums (lanes) each, for operands that lie row by row.
 *
 * Twelve vector accumulators are in use in the largest tile of each: what sixteen registers hold with their operands.
 */
import { madd, zero } from './simd';

/** Rows of the largest tile. */
export const tileRows: i32 = 6;

/** Rows are split evenly into tiles of at most six: 16 = 6 + 5 + 5. */
export function tileCount(rows: i32): i32 {
  return (rows + tileRows - 1) / tileRows;
}

/** First row of a tile. */
export function tileStart(rows: i32, tiles: i32, tile: i32): i32 {
  return tile * (rows / tiles) + min(tile, rows % tiles);
}

// @ts-ignore: decorator
@inline
function startRow(more: bool, c: usize): v128 {
  return more ? v128.load(c) : zero();
}

// @ts-ignore: decorator
@inline
function finish(c: usize, low: v128, high: v128, bias: usize, relu: bool): void {
  if (bias) {
    const b = v128.load32_splat(bias);
    low = f32x4.add(low, b);
    high = f32x4.add(high, b);
  }
  if (relu) {
    // max propagates NaN, as ReLU must.
    low = f32x4.max(low, zero());
    high = f32x4.max(high, zero());
  }
  v128.store(c, low);
  v128.store(c, high, 16);
}

// @ts-ignore: decorator
@inline
function outer(mr: i32, a: usize, b: usize, depth: i32, c: usize, stride: usize, more: bool, bias: usize, relu: bool): void {
  const r1 = c + stride;
  const r2 = r1 + stride;
  const r3 = r2 + stride;
  const r4 = r3 + stride;
  const r5 = r4 + stride;
  let c00 = startRow(more, c);
  let c01 = startRow(more, c + 16);
  let c10 = zero(), c11 = zero(), c20 = zero(), c21 = zero(), c30 = zero(), c31 = zero();
  let c40 = zero(), c41 = zero(), c50 = zero(), c51 = zero();
  if (mr > 1) { c10 = startRow(more, r1); c11 = startRow(more, r1 + 16); }
  if (mr > 2) { c20 = startRow(more, r2); c21 = startRow(more, r2 + 16); }
  if (mr > 3) { c30 = startRow(more, r3); c31 = startRow(more, r3 + 16); }
  if (mr > 4) { c40 = startRow(more, r4); c41 = startRow(more, r4 + 16); }
  if (mr > 5) { c50 = startRow(more, r5); c51 = startRow(more, r5 + 16); }
  const end = b + (<usize>depth << 5);
  while (b < end) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    let s = v128.load32_splat(a);
    c00 = madd(s, b0, c00); c01 = madd(s, b1, c01);
    if (mr > 1) { s = v128.load32_splat(a, 4); c10 = madd(s, b0, c10); c11 = madd(s, b1, c11); }
    if (mr > 2) { s = v128.load32_splat(a, 8); c20 = madd(s, b0, c20); c21 = madd(s, b1, c21); }
    if (mr > 3) { s = v128.load32_splat(a, 12); c30 = madd(s, b0, c30); c31 = madd(s, b1, c31); }
    if (mr > 4) { s = v128.load32_splat(a, 16); c40 = madd(s, b0, c40); c41 = madd(s, b1, c41); }
    if (mr > 5) { s = v128.load32_splat(a, 20); c50 = madd(s, b0, c50); c51 = madd(s, b1, c51); }
    a += <usize>mr << 2;
    b += 32;
  }
  finish(c, c00, c01, bias, relu);
  if (mr > 1) finish(r1, c10, c11, bias ? bias + 4 : 0, relu);
  if (mr > 2) finish(r2, c20, c21, bias ? bias + 8 : 0, relu);
  if (mr > 3) finish(r3, c30, c31, bias ? bias + 12 : 0, relu);
  if (mr > 4) finish(r4, c40, c41, bias ? bias + 16 : 0, relu);
  if (mr > 5) finish(r5, c50, c51, bias ? bias + 20 : 0, relu);
}

function outer1(a: usize, b: usize, depth: i32, c: usize, stride: usize, more: bool, bias: usize, relu: bool): void {
  outer(1, a, b, depth, c, stride, more, bias, relu);
}
function outer2(a: usize, b: usize, depth: i32, c: usize, stride: usize, more: bool, bias: usize, relu: bool): void {
  outer(2, a, b, depth, c, stride, more, bias, relu);
}
function outer3(a: usize, b: usize, depth: i32, c: usize, stride: usize, more: bool, bias: usize, relu: bool): void {
  outer(3, a, b, depth, c, stride, more, bias, relu);
}
function outer4(a: usize, b: usize, depth: i32, c: usize, stride: usize, more: bool, bias: usize, relu: bool): void {
  outer(4, a, b, depth, c, stride, more, bias, relu);
}
function outer5(a: usize, b: usize, depth: i32, c: usize, stride: usize, more: bool, bias: usize, relu: bool): void {
  outer(5, a, b, depth, c, stride, more, bias, relu);
}
function outer6(a: usize, b: usize, depth: i32, c: usize, stride: usize, more: bool, bias: usize, relu: bool): void {
  outer(6, a, b, depth, c, stride, more, bias, relu);
}

/**
 * C[mr × 8] (rows `stride` bytes apart) = Σ_k A[k][row] · B[k][column], added to what C holds if there is `more` to it, then a bias
 * per row (an address, or 0) and ReLU if asked for.
 * The products of one element are added in the order of k, whatever the tile.
 */
export function outerTile(
  mr: i32, a: usize, b: usize, depth: i32, c: usize, stride: usize, more: bool, bias: usize, relu: bool,
): void {
  switch (mr) {
    case 1: outer1(a, b, depth, c, stride, more, bias, relu); break;
    case 2: outer2(a, b, depth, c, stride, more, bias, relu); break;
    case 3: outer3(a, b, depth, c, stride, more, bias, relu); break;
    case 4: outer4(a, b, depth, c, stride, more, bias, relu); break;
    case 5: outer5(a, b, depth, c, stride, more, bias, relu); break;
    default: outer6(a, b, depth, c, stride, more, bias, relu);
  }
}

/**
 * As `outerTile` for the first `columns` (1 to 8) of the tile, which lie anywhere: each at its byte offset from C in
 * `columnOffsets` (8 words). The tile is computed in `staging`, a buffer of 6 × 8 floats.
 */
export function outerTileScattered(
  mr: i32, a: usize, b: usize, depth: i32, c: usize, stride: usize, more: bool, bias: usize, relu: bool,
  columns: i32, columnOffsets: usize, staging: usize,
): void {
  if (more) {
    for (let row = 0; row < mr; row++) {
      for (let column = 0; column < columns; column++) {
        const from = c + <usize>row * stride + load<usize>(columnOffsets + (<usize>column << 2));
        store<f32>(staging + (<usize>(row * 8 + column) << 2), load<f32>(from));
      }
    }
  }
  outerTile(mr, a, b, depth, staging, 32, more, bias, relu);
  for (let row = 0; row < mr; row++) {
    for (let column = 0; column < columns; column++) {
      const to = c + <usize>row * stride + load<usize>(columnOffsets + (<usize>column << 2));
      store<f32>(to, load<f32>(staging + (<usize>(row * 8 + column) << 2)));
    }
  }
}

// @ts-ignore: decorator
@inline
function dot(mr: i32, nr: i32, a: usize, lda: usize, b: usize, ldb: usize, length: i32, tail: v128, sums: usize): void {
  const a1 = mr > 1 ? a + lda : a;
  const a2 = mr > 2 ? a1 + lda : a;
  const a3 = mr > 3 ? a2 + lda : a;
  const b1 = nr > 1 ? b + ldb : b;
  const b2 = nr > 2 ? b1 + ldb : b;
  let s00 = v128.load(sums), s01 = zero(), s02 = zero();
  let s10 = zero(), s11 = zero(), s12 = zero();
  let s20 = zero(), s21 = zero(), s22 = zero();
  let s30 = zero(), s31 = zero(), s32 = zero();
  if (nr > 1) s01 = v128.load(sums, 16);
  if (nr > 2) s02 = v128.load(sums, 32);
  if (mr > 1) { s10 = v128.load(sums, 48); if (nr > 1) s11 = v128.load(sums, 64); if (nr > 2) s12 = v128.load(sums, 80); }
  if (mr > 2) { s20 = v128.load(sums, 96); if (nr > 1) s21 = v128.load(sums, 112); if (nr > 2) s22 = v128.load(sums, 128); }
  if (mr > 3) { s30 = v128.load(sums, 144); if (nr > 1) s31 = v128.load(sums, 160); if (nr > 2) s32 = v128.load(sums, 176); }
  const whole = <usize>(length & ~3) << 2;
  let i: usize = 0;
  for (; i < whole; i += 16) {
    const x0 = v128.load(b + i);
    const x1 = nr > 1 ? v128.load(b1 + i) : x0;
    const x2 = nr > 2 ? v128.load(b2 + i) : x0;
    let v = v128.load(a + i);
    s00 = madd(v, x0, s00); if (nr > 1) s01 = madd(v, x1, s01); if (nr > 2) s02 = madd(v, x2, s02);
    if (mr > 1) { v = v128.load(a1 + i); s10 = madd(v, x0, s10); if (nr > 1) s11 = madd(v, x1, s11); if (nr > 2) s12 = madd(v, x2, s12); }
    if (mr > 2) { v = v128.load(a2 + i); s20 = madd(v, x0, s20); if (nr > 1) s21 = madd(v, x1, s21); if (nr > 2) s22 = madd(v, x2, s22); }
    if (mr > 3) { v = v128.load(a3 + i); s30 = madd(v, x0, s30); if (nr > 1) s31 = madd(v, x1, s31); if (nr > 2) s32 = madd(v, x2, s32); }
  }
  if (length & 3) {
    // The rows of b are padded with zeros; what follows a row of a is another row's, so it is masked.
    const x0 = v128.load(b + i);
    const x1 = nr > 1 ? v128.load(b1 + i) : x0;
    const x2 = nr > 2 ? v128.load(b2 + i) : x0;
    let v = v128.and(v128.load(a + i), tail);
    s00 = madd(v, x0, s00); if (nr > 1) s01 = madd(v, x1, s01); if (nr > 2) s02 = madd(v, x2, s02);
    if (mr > 1) { v = v128.and(v128.load(a1 + i), tail); s10 = madd(v, x0, s10); if (nr > 1) s11 = madd(v, x1, s11); if (nr > 2) s12 = madd(v, x2, s12); }
    if (mr > 2) { v = v128.and(v128.load(a2 + i), tail); s20 = madd(v, x0, s20); if (nr > 1) s21 = madd(v, x1, s21); if (nr > 2) s22 = madd(v, x2, s22); }
    if (mr > 3) { v = v128.and(v128.load(a3 + i), tail); s30 = madd(v, x0, s30); if (nr > 1) s31 = madd(v, x1, s31); if (nr > 2) s32 = madd(v, x2, s32); }
  }
  v128.store(sums, s00);
  if (nr > 1) v128.store(sums, s01, 16);
  if (nr > 2) v128.store(sums, s02, 32);
  if (mr > 1) { v128.store(sums, s10, 48); if (nr > 1) v128.store(sums, s11, 64); if (nr > 2) v128.store(sums, s12, 80); }
  if (mr > 2) { v128.store(sums, s20, 96); if (nr > 1) v128.store(sums, s21, 112); if (nr > 2) v128.store(sums, s22, 128); }
  if (mr > 3) { v128.store(sums, s30, 144); if (nr > 1) v128.store(sums, s31, 160); if (nr > 2) v128.store(sums, s32, 176); }
}

function dot41(a: usize, lda: usize, b: usize, ldb: usize, length: i32, tail: v128, sums: usize): void { dot(4, 1, a, lda, b, ldb, length, tail, sums); }
function dot42(a: usize, lda: usize, b: usize, ldb: usize, length: i32, tail: v128, sums: usize): void { dot(4, 2, a, lda, b, ldb, length, tail, sums); }
function dot43(a: usize, lda: usize, b: usize, ldb: usize, length: i32, tail: v128, sums: usize): void { dot(4, 3, a, lda, b, ldb, length, tail, sums); }
function dot11(a: usize, lda: usize, b: usize, ldb: usize, length: i32, tail: v128, sums: usize): void { dot(1, 1, a, lda, b, ldb, length, tail, sums); }
function dot12(a: usize, lda: usize, b: usize, ldb: usize, length: i32, tail: v128, sums: usize): void { dot(1, 2, a, lda, b, ldb, length, tail, sums); }
function dot13(a: usize, lda: usize, b: usize, ldb: usize, length: i32, tail: v128, sums: usize): void { dot(1, 3, a, lda, b, ldb, length, tail, sums); }

/** Bytes of the partial sums of one `dotTile`: 4 × 3 vectors. */
export const dotTileBytes: usize = 192;

/**
 * Adds to the partial sums of a tile: sums[row][column][lane] += Σ a[row][4i + lane] · b[column][4i + lane].
 * Rows of `a` (1 to 4) are `lda` bytes apart, rows of `b` (1 to 3) `ldb` bytes; rows of `b` are padded with zeros to a
 * multiple of four. The order of additions of one element does not depend on the tile that it is in.
 */
export function dotTile(mr: i32, nr: i32, a: usize, lda: usize, b: usize, ldb: usize, length: i32, tail: v128, sums: usize): void {
  if (mr == 4) {
    if (nr == 3) dot43(a, lda, b, ldb, length, tail, sums);
    else if (nr == 2) dot42(a, lda, b, ldb, length, tail, sums);
    else dot41(a, lda, b, ldb, length, tail, sums);
    return;
  }
  for (let row = 0; row < mr; row++) {
    if (nr == 3) dot13(a, lda, b, ldb, length, tail, sums);
    else if (nr == 2) dot12(a, lda, b, ldb, length, tail, sums);
    else dot11(a, lda, b, ldb, length, tail, sums);
    a += lda;
    sums += 48;
  }
}
