/**
 * Fully connected layers with int16 weights: y[n][o] = scale[o] · Σ_k x[n][k] · w[o][k] (+ b[o], ReLU). The weight is [O][K] row by
 * row; four of its integers at a time become floats, which is exact, in the loop that uses them. Half the bytes pass by.
 *
 * Arguments of both kernels: 0 x, 1 w, 2 scale, 3 bias or 0, 4 y, 5 batch, 6 K, 7 O, 8 relu, 9 scratch, 10 scratch bytes per thread.
 */
import { int16Tile1, int16Tile2, int16Tile3, int16Tile4, timesInt16 } from './generated/microkernels';
import { at, lineStart, pointer, scratchOf, word } from './lib/args';
import { packRows, tileCount, tileStart, vectors } from './lib/gemm';
import { laneMask, madd, sumLanes, zero } from './lib/simd';

// @ts-ignore: decorator
@inline
function floats(w: usize): v128 {
  return f32x4.convert_i32x4_s(v128.load16x4_s(w));
}

/** One output: scale, bias and ReLU on a finished sum. */
function finish(args: usize, n: i32, o: i32, sum: v128): void {
  let y = load<f32>(at(pointer(args, 2), o)) * sumLanes(sum);
  const bias = pointer(args, 3);
  if (bias) y += load<f32>(at(bias, o));
  // Not max(): a NaN must stay.
  if (word(args, 8) && y < 0) y = 0;
  store<f32>(at(pointer(args, 4), n * word(args, 7) + o), y);
}

/**
 * One image after the other, at the speed of memory: six rows of w stream by at a time, since with four the additions would wait
 * for each other. Threads share out the output features.
 */
export function linearInt16Rows(args: usize, share: i32, shares: i32): void {
  const x = pointer(args, 0);
  const w = pointer(args, 1);
  const batch = word(args, 5);
  const depth = word(args, 6);
  const features = word(args, 7);
  const stride = <usize>depth << 1;
  const sums = scratchOf(args, 9);
  const last = lineStart(features, share + 1, shares);
  for (let n = 0; n < batch; n++) {
    const row = at(x, n * depth);
    let o = lineStart(features, share, shares);
    for (; o + 6 <= last; o += 6) sixRows(args, row, w + <usize>o * stride, stride, depth, n, o, sums);
    for (; o < last; o++) oneRow(args, row, w + <usize>o * stride, depth, n, o);
  }
}

function sixRows(args: usize, x: usize, w: usize, stride: usize, depth: i32, n: i32, o: i32, sums: usize): void {
  timesInt16(
    w, w + stride, w + 2 * stride, w + 3 * stride, w + 4 * stride, w + 5 * stride, x, depth >> 2, depth & 3, sums,
  );
  for (let row = 0; row < 6; row++) finish(args, n, o + row, v128.load(sums + (<usize>row << 4)));
}

function oneRow(args: usize, x: usize, w: usize, depth: i32, n: i32, o: i32): void {
  let sum = zero();
  const end = x + (<usize>(depth >> 2) << 4);
  for (; x < end; x += 16, w += 8) sum = madd(floats(w), v128.load(x), sum);
  if (depth & 3) sum = madd(floats(w), v128.and(v128.load(x), laneMask(depth & 3)), sum);
  finish(args, n, o, sum);
}

/**
 * The same for a batch: tiles of two features and up to four images, so that an integer that has become a float is used for all
 * of them. A block of x is packed and stays in cache while a block of rows of w passes by.
 *
 * Arguments, further: 11 K of a block (a multiple of 4), 12 rows of w of a block (even).
 */
export function linearInt16Panels(args: usize, share: i32, shares: i32): void {
  const features = word(args, 7);
  const most = word(args, 12);
  const last = lineStart(features, share + 1, shares);
  for (let row = lineStart(features, share, shares); row < last; row += most) {
    panelRows(args, scratchOf(args, 9), row, min(most, last - row));
  }
}

function panelRows(args: usize, sums: usize, first: i32, count: i32): void {
  const x = pointer(args, 0);
  const batch = word(args, 5);
  const depth = word(args, 6);
  const block = word(args, 11);
  const tiles = tileCount(batch);
  const sumRow = <usize>batch << 4;
  const packed = sums + <usize>count * sumRow;
  const stride = <usize>depth << 1;
  const rows = pointer(args, 1) + <usize>first * stride;
  memory.fill(sums, 0, <usize>count * sumRow);

  for (let k = 0; k < depth; k += block) {
    const length = min(block, depth - k);
    const steps = vectors(length);
    for (let tile = 0; tile < tiles; tile++) {
      const n = tileStart(batch, tiles, tile);
      const width = tileStart(batch, tiles, tile + 1) - n;
      packRows(at(x, n * depth + k), <usize>depth << 2, width, width, length, packed + (<usize>(n * steps) << 4));
    }
    for (let row = 0; row < count; row += 2) {
      const w = rows + <usize>row * stride + (<usize>k << 1);
      // An odd last row is taken twice; the second sums are the same.
      const next = row + 1 < count ? 1 : 0;
      for (let tile = 0; tile < tiles; tile++) {
        const n = tileStart(batch, tiles, tile);
        const width = tileStart(batch, tiles, tile + 1) - n;
        const to = sums + <usize>row * sumRow + (<usize>n << 4);
        sumTile(width, w, w + <usize>next * stride, packed + (<usize>(n * steps) << 4), steps, to, to + <usize>next * sumRow);
      }
    }
  }

  for (let n = 0; n < batch; n++) {
    for (let row = 0; row < count; row++) finish(args, n, first + row, v128.load(sums + <usize>row * sumRow + (<usize>n << 4)));
  }
}

/** Adds to the partial sums (four lanes each) of two features and `width` images; x is packed [steps][width][4]. */
function sumTile(width: i32, w0: usize, w1: usize, x: usize, steps: i32, t0: usize, t1: usize): void {
  switch (width) {
    case 1: int16Tile1(w0, w1, x, steps, t0, t1); break;
    case 2: int16Tile2(w0, w1, x, steps, t0, t1); break;
    case 3: int16Tile3(w0, w1, x, steps, t0, t1); break;
    default: int16Tile4(w0, w1, x, steps, t0, t1);
  }
}
