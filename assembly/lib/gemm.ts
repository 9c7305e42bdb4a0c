/**
 * The tiles that every product of matrices is made of, around the microkernels of scripts/microkernels.mjs. Each keeps eight or
 * nine vectors of sums: with the operands of a step that is what engines hold in registers without spilling (twelve were half
 * as fast where stores are not forwarded for free).
 *
 * - `outerTile`: C[mr × 8] += Aᵀ·B for packed panels A [depth][mr] and B [depth][8].
 * - `rowsTile`: C[mr × 8 or 12] = A·B for rows of A as they are and a packed panel B.
 * - `dotTile` (generated): for rows packed by `packRows`, sums[row][column][lane] += Σ_i a[row][4i + lane] · b[column][4i + lane] of four
 *   rows and two columns. The order of additions of one element does not depend on the tile that it is in.
 */
import {
  outer1, outer2, outer3, outer4, rows1x12, rows1x8, rows2x12, rows2x8, rows3x12, rows3x8, rows4x8,
} from '../generated/microkernels';
import { laneMask, zero } from './simd';

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

/**
 * C[mr × columns], its rows one after another, = A·B for rows of A as they are, `stride` bytes apart, and a packed panel B [depth][columns].
 * The products of one element are added in the order of the depth, whatever the tile.
 */
export function rowsTile(mr: i32, a: usize, stride: usize, b: usize, depth: i32, c: usize): void {
  if (ASC_FEATURE_RELAXED_SIMD) {
    switch (mr) {
      case 1: rows1x12(a, stride, b, depth, c); break;
      case 2: rows2x12(a, stride, b, depth, c); break;
      default: rows3x12(a, stride, b, depth, c);
    }
  } else {
    rowsTile8(mr, a, stride, b, depth, c);
  }
}

/** The same for panels of eight columns and up to four rows. */
export function rowsTile8(mr: i32, a: usize, stride: usize, b: usize, depth: i32, c: usize): void {
  switch (mr) {
    case 1: rows1x8(a, stride, b, depth, c); break;
    case 2: rows2x8(a, stride, b, depth, c); break;
    case 3: rows3x8(a, stride, b, depth, c); break;
    default: rows4x8(a, stride, b, depth, c);
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

/** Address of the four partial sums of one element in tiles [row / 4][column / 2]. */
export function dotSum(sums: usize, columnTiles: i32, row: i32, column: i32): usize {
  const tile = (row >> 2) * columnTiles + (column >> 1);
  return sums + <usize>tile * dotTileBytes + <usize>((row & 3) * 32 + (column & 1) * 16);
}
