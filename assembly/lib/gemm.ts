/**
 * The two microkernels that every product of matrices is made of. Each reads two linear streams and keeps eight vector
 * accumulators: with the operands of a step that is what engines hold in registers without spilling (twelve accumulators
 * were half as fast where stores are not forwarded for free).
 *
 * - `outerTile`: C[mr × 8] += Aᵀ·B for packed panels A [depth][mr] and B [depth][8].
 * - `dotTile`: 4 × 2 sums of products of rows, four partial sums (lanes) each, for rows packed by `packRows`.
 */
import { laneMask, madd, zero } from './simd';

/** Rows of the largest tile. */
export const tileRows: i32 = 4;

/** Rows are split evenly into tiles of at most four: 13 = 4 + 3 + 3 + 3. */
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
  let c00 = startRow(more, c), c01 = startRow(more, c + 16);
  let c10 = zero(), c11 = zero(), c20 = zero(), c21 = zero(), c30 = zero(), c31 = zero();
  if (mr > 1) { c10 = startRow(more, r1); c11 = startRow(more, r1 + 16); }
  if (mr > 2) { c20 = startRow(more, r2); c21 = startRow(more, r2 + 16); }
  if (mr > 3) { c30 = startRow(more, r3); c31 = startRow(more, r3 + 16); }
  const end = b + (<usize>depth << 5);
  while (b < end) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    let s = v128.load32_splat(a);
    c00 = madd(s, b0, c00); c01 = madd(s, b1, c01);
    if (mr > 1) { s = v128.load32_splat(a, 4); c10 = madd(s, b0, c10); c11 = madd(s, b1, c11); }
    if (mr > 2) { s = v128.load32_splat(a, 8); c20 = madd(s, b0, c20); c21 = madd(s, b1, c21); }
    if (mr > 3) { s = v128.load32_splat(a, 12); c30 = madd(s, b0, c30); c31 = madd(s, b1, c31); }
    a += <usize>mr << 2;
    b += 32;
  }
  finish(c, c00, c01, bias, relu);
  if (mr > 1) finish(r1, c10, c11, bias ? bias + 4 : 0, relu);
  if (mr > 2) finish(r2, c20, c21, bias ? bias + 8 : 0, relu);
  if (mr > 3) finish(r3, c30, c31, bias ? bias + 12 : 0, relu);
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

/**
 * C[mr × 8] (rows `stride` bytes apart) = Σ_k A[k][row] · B[k][column], added to what C holds if there is `more` to it, then
 * a bias per row (an address, or 0) and ReLU if asked for. The products of one element are added in the order of k, whatever
 * the tile.
 */
export function outerTile(
  mr: i32, a: usize, b: usize, depth: i32, c: usize, stride: usize, more: bool, bias: usize, relu: bool,
): void {
  switch (mr) {
    case 1: outer1(a, b, depth, c, stride, more, bias, relu); break;
    case 2: outer2(a, b, depth, c, stride, more, bias, relu); break;
    case 3: outer3(a, b, depth, c, stride, more, bias, relu); break;
    default: outer4(a, b, depth, c, stride, more, bias, relu);
  }
}

/**
 * Rows and columns of the largest `rowsTile`: with fused multiply-adds three by twelve, which takes fewer instructions a product than
 * four by eight where rows are read through pointers of their own; without, nine sums and their factors do not fit the registers.
 */
export const rowsTileRows: i32 = ASC_FEATURE_RELAXED_SIMD ? 3 : 4;
export const rowsTileColumns: i32 = ASC_FEATURE_RELAXED_SIMD ? 12 : 8;

// @ts-ignore: decorator
@inline
function rows3x12(mr: i32, a: usize, stride: usize, b: usize, depth: i32, c: usize): void {
  let a1 = a + stride;
  let a2 = a1 + stride;
  let c00 = zero(), c01 = zero(), c02 = zero(), c10 = zero(), c11 = zero(), c12 = zero(), c20 = zero(), c21 = zero(), c22 = zero();
  const end = b + <usize>depth * 48;
  while (b < end) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    const b2 = v128.load(b, 32);
    let s = v128.load32_splat(a);
    c00 = madd(s, b0, c00); c01 = madd(s, b1, c01); c02 = madd(s, b2, c02);
    a += 4;
    if (mr > 1) { s = v128.load32_splat(a1); c10 = madd(s, b0, c10); c11 = madd(s, b1, c11); c12 = madd(s, b2, c12); a1 += 4; }
    if (mr > 2) { s = v128.load32_splat(a2); c20 = madd(s, b0, c20); c21 = madd(s, b1, c21); c22 = madd(s, b2, c22); a2 += 4; }
    b += 48;
  }
  v128.store(c, c00); v128.store(c, c01, 16); v128.store(c, c02, 32);
  if (mr > 1) { v128.store(c, c10, 48); v128.store(c, c11, 64); v128.store(c, c12, 80); }
  if (mr > 2) { v128.store(c, c20, 96); v128.store(c, c21, 112); v128.store(c, c22, 128); }
}

// @ts-ignore: decorator
@inline
function rows4x8(mr: i32, a: usize, stride: usize, b: usize, depth: i32, c: usize): void {
  let a1 = a + stride;
  let a2 = a1 + stride;
  let a3 = a2 + stride;
  let c00 = zero(), c01 = zero(), c10 = zero(), c11 = zero(), c20 = zero(), c21 = zero(), c30 = zero(), c31 = zero();
  const end = b + (<usize>depth << 5);
  while (b < end) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    let s = v128.load32_splat(a);
    c00 = madd(s, b0, c00); c01 = madd(s, b1, c01);
    a += 4;
    if (mr > 1) { s = v128.load32_splat(a1); c10 = madd(s, b0, c10); c11 = madd(s, b1, c11); a1 += 4; }
    if (mr > 2) { s = v128.load32_splat(a2); c20 = madd(s, b0, c20); c21 = madd(s, b1, c21); a2 += 4; }
    if (mr > 3) { s = v128.load32_splat(a3); c30 = madd(s, b0, c30); c31 = madd(s, b1, c31); a3 += 4; }
    b += 32;
  }
  v128.store(c, c00); v128.store(c, c01, 16);
  if (mr > 1) { v128.store(c, c10, 32); v128.store(c, c11, 48); }
  if (mr > 2) { v128.store(c, c20, 64); v128.store(c, c21, 80); }
  if (mr > 3) { v128.store(c, c30, 96); v128.store(c, c31, 112); }
}

// @ts-ignore: decorator
@inline
function rows(mr: i32, a: usize, stride: usize, b: usize, depth: i32, c: usize): void {
  if (ASC_FEATURE_RELAXED_SIMD) rows3x12(mr, a, stride, b, depth, c);
  else rows4x8(mr, a, stride, b, depth, c);
}

function rows1(a: usize, stride: usize, b: usize, depth: i32, c: usize): void { rows(1, a, stride, b, depth, c); }
function rows2(a: usize, stride: usize, b: usize, depth: i32, c: usize): void { rows(2, a, stride, b, depth, c); }
function rows3(a: usize, stride: usize, b: usize, depth: i32, c: usize): void { rows(3, a, stride, b, depth, c); }
function rows4(a: usize, stride: usize, b: usize, depth: i32, c: usize): void { rows(4, a, stride, b, depth, c); }

/**
 * C[mr × columns], its rows one after another, = A·B for rows of A as they are, `stride` bytes apart, and a packed panel B [depth][columns].
 * The products of one element are added in the order of the depth, whatever the tile.
 */
export function rowsTile(mr: i32, a: usize, stride: usize, b: usize, depth: i32, c: usize): void {
  switch (mr) {
    case 1: rows1(a, stride, b, depth, c); break;
    case 2: rows2(a, stride, b, depth, c); break;
    case 3: rows3(a, stride, b, depth, c); break;
    default: if (!ASC_FEATURE_RELAXED_SIMD) rows4(a, stride, b, depth, c);
  }
}

/** Bytes of the buffer that `outerTileScattered` computes in. */
export const stagingBytes: usize = 128;

/** Columns of a tile that lie next to each other, as `outerTileScattered` wants them. */
export function columnOffsets(offsets: usize): void {
  for (let i = 0; i < 8; i++) store<usize>(offsets + (<usize>i << 2), <usize>i << 2);
}

/**
 * As `outerTile` for the first `columns` (1 to 8) of the tile, which lie anywhere: each at its byte offset from C in
 * `columnOffsets` (8 words).
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

/** Rows of a `dotTile`: of its left and of its right operand. */
export const dotRows: i32 = 4;
export const dotColumns: i32 = 2;
/** Bytes of its partial sums. */
export const dotTileBytes: usize = 128;

/** Vectors of a row of `length` elements. */
export function vectors(length: i32): i32 {
  return (length + 3) >> 2;
}

/**
 * Interleaves `count` rows (each `stride` bytes after the one before) vector by vector: [length / 4][rows][4]. Missing rows and
 * lanes past the length are zero.
 */
export function packRows(from: usize, stride: usize, count: i32, rows: i32, length: i32, to: usize): void {
  const step = <usize>rows << 4;
  const whole = <usize>(length >> 2) << 4;
  const tail = laneMask(length & 3);
  for (let row = 0; row < rows; row++) {
    const source = from + <usize>row * stride;
    let target = to + (<usize>row << 4);
    const present = row < count;
    for (let i: usize = 0; i < whole; i += 16, target += step) v128.store(target, present ? v128.load(source + i) : zero());
    if (length & 3) v128.store(target, present ? v128.and(v128.load(source + whole), tail) : zero());
  }
}

/**
 * Adds to the partial sums of a tile: sums[row][column][lane] += Σ a[row][4i + lane] · b[column][4i + lane], for four rows and two
 * columns packed by `packRows`. The order of additions of one element does not depend on the tile that it is in.
 */
export function dotTile(a: usize, b: usize, steps: i32, sums: usize): void {
  let s00 = v128.load(sums), s01 = v128.load(sums, 16);
  let s10 = v128.load(sums, 32), s11 = v128.load(sums, 48);
  let s20 = v128.load(sums, 64), s21 = v128.load(sums, 80);
  let s30 = v128.load(sums, 96), s31 = v128.load(sums, 112);
  const end = b + (<usize>steps << 5);
  while (b < end) {
    const x0 = v128.load(b);
    const x1 = v128.load(b, 16);
    let v = v128.load(a);
    s00 = madd(v, x0, s00); s01 = madd(v, x1, s01);
    v = v128.load(a, 16);
    s10 = madd(v, x0, s10); s11 = madd(v, x1, s11);
    v = v128.load(a, 32);
    s20 = madd(v, x0, s20); s21 = madd(v, x1, s21);
    v = v128.load(a, 48);
    s30 = madd(v, x0, s30); s31 = madd(v, x1, s31);
    a += 64;
    b += 32;
  }
  v128.store(sums, s00); v128.store(sums, s01, 16);
  v128.store(sums, s10, 32); v128.store(sums, s11, 48);
  v128.store(sums, s20, 64); v128.store(sums, s21, 80);
  v128.store(sums, s30, 96); v128.store(sums, s31, 112);
}

/** Address of the four partial sums of one element in tiles [row / 4][column / 2]. */
export function dotSum(sums: usize, columnTiles: i32, row: i32, column: i32): usize {
  const tile = (row >> 2) * columnTiles + (column >> 1);
  return sums + <usize>tile * dotTileBytes + <usize>((row & 3) * 32 + (column & 1) * 16);
}
