/**
 * Fully connected layers. The weight stays as the user knows it, [O][K] row by row, in all three passes: at small batch
 * they are bound by reading it once, and every pass reads it in long runs.
 */
import { at, lineStart, pointer, shareStart, word } from './lib/args';
import {
  columnOffsets, dotColumns, dotRows, dotSum, dotTile, dotTileBytes, outerTile, outerTileScattered, packRows, stagingBytes, tileCount, tileStart,
  vectors,
} from './lib/gemm';
import { packBlock } from './lib/pack';
import { laneMask, madd, sumLanes, zero } from './lib/simd';

/** One output: bias and ReLU on a finished sum. */
function finish(args: usize, n: i32, o: i32, sum: f32): void {
  const bias = pointer(args, 2);
  if (bias) sum += load<f32>(at(bias, o));
  // Not max(): a NaN must stay.
  if (word(args, 9) && sum < 0) sum = 0;
  store<f32>(at(pointer(args, 3), n * word(args, 8) + o), sum);
}

/**
 * y[n][o] = Σ_k x[n][k] · w[o][k] (+ b[o], ReLU), one image after the other, at the speed of memory: four rows of w stream by at
 * a time. Threads share out the output features.
 *
 * Arguments: 0 x, 1 w, 2 bias or 0, 3 y, 4 and 5 unused, 6 batch, 7 K, 8 O, 9 relu.
 */
export function linearRows(args: usize, thread: i32, threads: i32): void {
  const x = pointer(args, 0);
  const w = pointer(args, 1);
  const batch = word(args, 6);
  const depth = word(args, 7);
  const features = word(args, 8);
  const stride = <usize>depth << 2;
  const last = lineStart(features, thread + 1, threads);
  for (let n = 0; n < batch; n++) {
    const row = at(x, n * depth);
    let o = lineStart(features, thread, threads);
    for (; o + 4 <= last; o += 4) fourRows(args, row, w + <usize>o * stride, stride, depth, n, o);
    for (; o < last; o++) oneRow(args, row, w + <usize>o * stride, depth, n, o);
  }
}

function fourRows(args: usize, x: usize, w0: usize, stride: usize, depth: i32, n: i32, o: i32): void {
  const w1 = w0 + stride;
  const w2 = w1 + stride;
  const w3 = w2 + stride;
  let s0 = zero(), s1 = zero(), s2 = zero(), s3 = zero();
  const whole = <usize>(depth >> 2) << 4;
  let i: usize = 0;
  for (; i < whole; i += 16) {
    const v = v128.load(x + i);
    s0 = madd(v128.load(w0 + i), v, s0);
    s1 = madd(v128.load(w1 + i), v, s1);
    s2 = madd(v128.load(w2 + i), v, s2);
    s3 = madd(v128.load(w3 + i), v, s3);
  }
  if (depth & 3) {
    // What follows a row is another row's: both sides are masked, for it may be infinite.
    const tail = laneMask(depth & 3);
    const v = v128.and(v128.load(x + i), tail);
    s0 = madd(v128.and(v128.load(w0 + i), tail), v, s0);
    s1 = madd(v128.and(v128.load(w1 + i), tail), v, s1);
    s2 = madd(v128.and(v128.load(w2 + i), tail), v, s2);
    s3 = madd(v128.and(v128.load(w3 + i), tail), v, s3);
  }
  finish(args, n, o, sumLanes(s0));
  finish(args, n, o + 1, sumLanes(s1));
  finish(args, n, o + 2, sumLanes(s2));
  finish(args, n, o + 3, sumLanes(s3));
}

function oneRow(args: usize, x: usize, w: usize, depth: i32, n: i32, o: i32): void {
  let sum = zero();
  const whole = <usize>(depth >> 2) << 4;
  let i: usize = 0;
  for (; i < whole; i += 16) sum = madd(v128.load(w + i), v128.load(x + i), sum);
  if (depth & 3) {
    const tail = laneMask(depth & 3);
    sum = madd(v128.and(v128.load(w + i), tail), v128.and(v128.load(x + i), tail), sum);
  }
  finish(args, n, o, sumLanes(sum));
}

/**
 * The same for a batch: tiles of four features and two images. A block of x is packed and stays in cache while a block of rows
 * of w passes by, four of them packed at a time.
 *
 * Arguments: as `linearRows`; 4 scratch, 5 scratch bytes per thread, 10 K of a block (a multiple of 4), 11 rows of w of a block (a
 * multiple of 4).
 */
export function linearPanels(args: usize, thread: i32, threads: i32): void {
  const features = word(args, 8);
  const most = word(args, 11);
  const last = lineStart(features, thread + 1, threads);
  for (let row = lineStart(features, thread, threads); row < last; row += most) {
    panelRows(args, pointer(args, 4) + <usize>thread * pointer(args, 5), row, min(most, last - row));
  }
}

function panelRows(args: usize, scratch: usize, first: i32, count: i32): void {
  const x = pointer(args, 0);
  const w = pointer(args, 1);
  const batch = word(args, 6);
  const depth = word(args, 7);
  const block = word(args, 10);
  const rowTiles = (count + dotRows - 1) / dotRows;
  const columnTiles = (batch + dotColumns - 1) / dotColumns;
  const sumBytes = <usize>(rowTiles * columnTiles) * dotTileBytes;
  const a = scratch + sumBytes;
  const b = a + (<usize>block << 4);
  const stride = <usize>depth << 2;
  memory.fill(scratch, 0, sumBytes);

  for (let k = 0; k < depth; k += block) {
    const length = min(block, depth - k);
    const steps = vectors(length);
    const tileBytes = <usize>steps << 5;
    for (let column = 0; column < columnTiles; column++) {
      const n = column * dotColumns;
      packRows(at(x, n * depth + k), stride, min(dotColumns, batch - n), dotColumns, length, b + <usize>column * tileBytes);
    }
    for (let tile = 0; tile < rowTiles; tile++) {
      const row = tile * dotRows;
      packRows(at(w + <usize>(first + row) * stride, k), stride, min(dotRows, count - row), dotRows, length, a);
      for (let column = 0; column < columnTiles; column++) {
        dotTile(a, b + <usize>column * tileBytes, steps, scratch + <usize>(tile * columnTiles + column) * dotTileBytes);
      }
    }
  }

  for (let n = 0; n < batch; n++) {
    for (let row = 0; row < count; row++) {
      finish(args, n, first + row, sumLanes(v128.load(dotSum(scratch, columnTiles, row, n))));
    }
  }
}

/**
 * dx[n][k] = Σ_o dy[n][o] · w[o][k]. Threads share out the columns k; a block of dx stays in scratch while all rows of w pass
 * by, four at a time.
 *
 * Arguments: 0 dy, 1 w, 2 dx, 3 scratch, 4 scratch bytes per thread, 5 batch, 6 K, 7 O, 8 columns of a block (a multiple of 4).
 */
export function linearDataGradientRows(args: usize, thread: i32, threads: i32): void {
  const depth = word(args, 6);
  const most = word(args, 8);
  const last = lineStart(depth, thread + 1, threads);
  for (let k = lineStart(depth, thread, threads); k < last; k += most) {
    gradientColumns(args, pointer(args, 3) + <usize>thread * pointer(args, 4), k, min(most, last - k));
  }
}

function gradientColumns(args: usize, sums: usize, first: i32, count: i32): void {
  const dy = pointer(args, 0);
  const w = pointer(args, 1);
  const batch = word(args, 5);
  const depth = word(args, 6);
  const features = word(args, 7);
  const stride = <usize>depth << 2;
  const sumRow = <usize>vectors(count) << 4;
  memory.fill(sums, 0, <usize>batch * sumRow);
  let o = 0;
  for (; o + 4 <= features; o += 4) {
    const rows = at(w + <usize>o * stride, first);
    for (let n = 0; n < batch; n++) addFourRows(rows, stride, at(dy, n * features + o), sums + <usize>n * sumRow, sumRow);
  }
  for (; o < features; o++) {
    const row = at(w + <usize>o * stride, first);
    for (let n = 0; n < batch; n++) {
      const g = v128.load32_splat(at(dy, n * features + o));
      const to = sums + <usize>n * sumRow;
      for (let i: usize = 0; i < sumRow; i += 16) v128.store(to + i, madd(g, v128.load(row + i), v128.load(to + i)));
    }
  }
  const dx = pointer(args, 2);
  for (let n = 0; n < batch; n++) memory.copy(at(dx, n * depth + first), sums + <usize>n * sumRow, <usize>count << 2);
}

/** Adds four rows of w, each times its dy, to the sums of one image. */
function addFourRows(w0: usize, stride: usize, dy: usize, sums: usize, bytes: usize): void {
  const g0 = v128.load32_splat(dy);
  const g1 = v128.load32_splat(dy, 4);
  const g2 = v128.load32_splat(dy, 8);
  const g3 = v128.load32_splat(dy, 12);
  const w1 = w0 + stride;
  const w2 = w1 + stride;
  const w3 = w2 + stride;
  for (let i: usize = 0; i < bytes; i += 16) {
    let sum = madd(g0, v128.load(w0 + i), v128.load(sums + i));
    sum = madd(g1, v128.load(w1 + i), sum);
    sum = madd(g2, v128.load(w2 + i), sum);
    v128.store(sums + i, madd(g3, v128.load(w3 + i), sum));
  }
}

/**
 * The same for a batch, as a packed product of depth O: dy comes as tiles [N / 4][O][4] (`packTiles`), and threads pack blocks of w,
 * some rows deep and some panels of eight columns wide.
 *
 * Arguments: 0 packed dy, 1 w, 2 dx, 3 scratch, 4 scratch bytes per thread, 5 batch, 6 K, 7 O, 8 rows of a block, 9 panels of a block.
 */
export function linearDataGradientPanels(args: usize, thread: i32, threads: i32): void {
  const scratch = pointer(args, 3) + <usize>thread * pointer(args, 4);
  const depth = word(args, 6);
  const features = word(args, 7);
  const blockRows = word(args, 8);
  const blockPanels = word(args, 9);
  const panels = (depth + 7) >> 3;
  const last = shareStart(panels, thread + 1, threads);
  for (let panel = shareStart(panels, thread, threads); panel < last; panel += blockPanels) {
    const count = min(blockPanels, last - panel);
    for (let o = 0; o < features; o += blockRows) gradientBlock(args, scratch, panel, count, o, min(blockRows, features - o));
  }
}

function gradientBlock(args: usize, scratch: usize, first: i32, count: i32, o: i32, rows: i32): void {
  const packed = pointer(args, 0);
  const batch = word(args, 5);
  const depth = word(args, 6);
  const features = word(args, 7);
  const offsets = scratch;
  const staging = scratch + 64;
  const b = staging + stagingBytes;
  const panelBytes = <usize>rows << 5;
  const stride = <usize>depth << 2;
  packBlock(at(pointer(args, 1) + <usize>o * stride, first << 3), stride, rows, depth - (first << 3), count, b);
  columnOffsets(offsets);
  const tiles = tileCount(batch);
  for (let tile = 0; tile < tiles; tile++) {
    const n = tileStart(batch, tiles, tile);
    const mr = tileStart(batch, tiles, tile + 1) - n;
    const a = at(packed, n * features + o * mr);
    for (let panel = 0; panel < count; panel++) {
      const column = (first + panel) << 3;
      const to = at(pointer(args, 2), n * depth + column);
      const from = b + <usize>panel * panelBytes;
      if (depth - column >= 8) outerTile(mr, a, from, rows, to, stride, o > 0, 0, false);
      else outerTileScattered(mr, a, from, rows, to, stride, o > 0, 0, false, depth - column, offsets, staging);
    }
  }
}

/**
 * dw[o][k] = Σ_n dy[n][o] · x[n][k], a product of depth N. x comes packed into panels [K / 8][N][8] (`packPanels`); threads share
 * out the tiles of output features, pack their own columns of dy, and write dw in rows.
 *
 * Arguments: 0 dy, 1 packed x, 2 dw, 3 scratch, 4 scratch bytes per thread, 5 batch, 6 K, 7 O, 8 panels of a block.
 */
export function linearWeightGradient(args: usize, thread: i32, threads: i32): void {
  const scratch = pointer(args, 3) + <usize>thread * pointer(args, 4);
  const packed = pointer(args, 1);
  const dw = pointer(args, 2);
  const batch = word(args, 5);
  const depth = word(args, 6);
  const features = word(args, 7);
  const block = word(args, 8);
  const offsets = scratch;
  const staging = scratch + 64;
  const a = staging + stagingBytes;
  const panels = (depth + 7) >> 3;
  const tiles = tileCount(features);
  const stride = <usize>depth << 2;
  const panelBytes = <usize>batch << 5;
  columnOffsets(offsets);

  const firstTile = shareStart(tiles, thread, threads);
  const lastTile = shareStart(tiles, thread + 1, threads);
  const origin = tileStart(features, tiles, firstTile);
  packFeatures(pointer(args, 0), a, batch, features, tiles, firstTile, lastTile);
  for (let first = 0; first < panels; first += block) {
    const end = min(panels, first + block);
    for (let tile = firstTile; tile < lastTile; tile++) {
      const row = tileStart(features, tiles, tile);
      const mr = tileStart(features, tiles, tile + 1) - row;
      const tileA = at(a, (row - origin) * batch);
      const rowTo = dw + <usize>row * stride;
      for (let panel = first; panel < end; panel++) {
        const b = packed + <usize>panel * panelBytes;
        const to = rowTo + (<usize>panel << 5);
        const columns = depth - (panel << 3);
        if (columns >= 8) outerTile(mr, tileA, b, batch, to, stride, false, 0, false);
        else outerTileScattered(mr, tileA, b, batch, to, stride, false, 0, false, columns, offsets, staging);
      }
    }
  }
}

/** Columns of dy [N][O] as tiles [N][rows of the tile]. */
function packFeatures(dy: usize, to: usize, batch: i32, features: i32, tiles: i32, first: i32, last: i32): void {
  for (let tile = first; tile < last; tile++) {
    const row = tileStart(features, tiles, tile);
    const mr = tileStart(features, tiles, tile + 1) - row;
    for (let n = 0; n < batch; n++) {
      for (let i = 0; i < mr; i++) {
        store<f32>(to, load<f32>(at(dy, n * features + row + i)));
        to += 4;
      }
    }
  }
}

/** db[o] = Σ_n dy[n][o]. Arguments: dy, db, batch, O. */
export function linearBiasGradient(args: usize, thread: i32, threads: i32): void {
  const dy = pointer(args, 0);
  const db = pointer(args, 1);
  const batch = word(args, 2);
  const features = word(args, 3);
  const last = lineStart(features, thread + 1, threads);
  for (let o = lineStart(features, thread, threads); o < last; o++) {
    let sum: f32 = 0;
    for (let n = 0; n < batch; n++) sum += load<f32>(at(dy, n * features + o));
    store<f32>(at(db, o), sum);
  }
}
