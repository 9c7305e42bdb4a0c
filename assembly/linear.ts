/**
 * Fully connected layers. The weight stays as the user knows it, [O][K] row by row, in all three passes: at small batch
 * they are bound by reading it once, and every pass reads it in long runs.
 */
import { addRows1, addRows3, outerRows, outerRowsSgd } from './generated/microkernels';
import { at, lineStart, pointer, scratchOf, shareStart, unitStart, word } from './lib/args';
import { rectify } from './lib/epilogue';
import { rowsTile8, vectors } from './lib/gemm';
import { laneSums, rowsTimesPair, rowsTimesRow } from './lib/rows';
import { storeLanes } from './lib/simd';
import { factorBytes, storeFactors } from './sgd';

/**
 * y[n][o] = Σ_k x[n][k] · w[o][k] (+ b[o], ReLU): four rows of w stream by at a time, for two images of the batch after the
 * other. Threads share out the output features.
 *
 * Arguments: 0 x, 1 w, 2 bias or 0, 3 y, 4 scratch, 5 scratch bytes per thread, 6 batch, 7 K, 8 O, 9 relu.
 */
export function linearRows(args: usize, share: i32, shares: i32): void {
  const last = lineStart(word(args, 8), share + 1, shares);
  for (let o = lineStart(word(args, 8), share, shares); o < last; o += 4) eachImage(args, o, min(4, last - o), 0);
}

/**
 * The same for a batch: eight images at a time come packed into panels [K][8] (`packRowPanels`); what is left over is read
 * as it is.
 *
 * Arguments: as `linearRows`; 10 panels, 11 how many.
 */
export function linearPanels(args: usize, share: i32, shares: i32): void {
  const depth = word(args, 7);
  const panels = word(args, 11);
  const panelBytes = <usize>depth << 5;
  const stride = <usize>depth << 2;
  const sums = scratchOf(args, 4);
  const last = lineStart(word(args, 8), share + 1, shares);
  for (let o = lineStart(word(args, 8), share, shares); o < last; o += 4) {
    const rows = min(4, last - o);
    const w = pointer(args, 1) + <usize>o * stride;
    for (let panel = 0; panel < panels; panel++) {
      rowsTile8(rows, w, stride, pointer(args, 10) + <usize>panel * panelBytes, depth, sums);
      finishPanel(args, panel << 3, o, rows, sums);
    }
    eachImage(args, o, rows, panels << 3);
  }
}

/** Outputs o to o + rows − 1 of all images from `first` on. */
function eachImage(args: usize, o: i32, rows: i32, first: i32): void {
  const batch = word(args, 6);
  const depth = word(args, 7);
  const stride = <usize>depth << 2;
  const sums = scratchOf(args, 4);
  const w = pointer(args, 1) + <usize>o * stride;
  for (let n = first; n < batch; n += 2) {
    const x = pointer(args, 0) + <usize>n * stride;
    if (n + 1 < batch) {
      rowsTimesPair(w, stride, rows, x, depth, sums);
      finish(args, n + 1, o, rows, laneSums(sums + 64));
    } else {
      rowsTimesRow(w, stride, rows, x, depth, sums);
    }
    finish(args, n, o, rows, laneSums(sums));
  }
}

/** Bias and ReLU on `count` finished sums of one image, and to their place. */
function finish(args: usize, n: i32, o: i32, count: i32, sums: v128): void {
  const bias = pointer(args, 2);
  if (bias) sums = f32x4.add(sums, v128.load(at(bias, o)));
  if (word(args, 9)) sums = rectify(sums);
  storeLanes(at(pointer(args, 3), n * word(args, 8) + o), sums, count);
}

/** As `finish` for up to eight images, as many as there are; their sums lie as [4 features][8 images]. */
function finishPanel(args: usize, n: i32, o: i32, count: i32, sums: usize): void {
  const last = min(n + 8, word(args, 6));
  for (; n < last; n += 4, sums += 16) {
    const r0 = v128.load(sums), r1 = v128.load(sums, 32), r2 = v128.load(sums, 64), r3 = v128.load(sums, 96);
    const low01 = v128.shuffle<f32>(r0, r1, 0, 4, 1, 5), high01 = v128.shuffle<f32>(r0, r1, 2, 6, 3, 7);
    const low23 = v128.shuffle<f32>(r2, r3, 0, 4, 1, 5), high23 = v128.shuffle<f32>(r2, r3, 2, 6, 3, 7);
    finish(args, n, o, count, v128.shuffle<f32>(low01, low23, 0, 1, 4, 5));
    if (n + 1 < last) finish(args, n + 1, o, count, v128.shuffle<f32>(low01, low23, 2, 3, 6, 7));
    if (n + 2 < last) finish(args, n + 2, o, count, v128.shuffle<f32>(high01, high23, 0, 1, 4, 5));
    if (n + 3 < last) finish(args, n + 3, o, count, v128.shuffle<f32>(high01, high23, 2, 3, 6, 7));
  }
}

/** Columns of w that are worth a share: its rows are read in runs of so many. */
const fewestColumns: i32 = 512;

/**
 * dx[n][k] = Σ_o dy[n][o] · w[o][k]. Threads share out the columns k; dx of a block of them, for four images at a time interleaved vector
 * by vector, stays in scratch while all rows of w pass by, three at a time.
 *
 * Arguments: 0 dy, 1 w, 2 dx, 3 scratch, 4 scratch bytes per thread, 5 batch, 6 K, 7 O, 8 columns of a block (a multiple of 4).
 */
export function linearDataGradient(args: usize, share: i32, shares: i32): void {
  const depth = word(args, 6);
  const most = word(args, 8);
  const last = unitStart(depth, fewestColumns, share + 1, shares);
  for (let k = unitStart(depth, fewestColumns, share, shares); k < last; k += most) {
    gradientColumns(args, scratchOf(args, 3), k, min(most, last - k));
  }
}

function gradientColumns(args: usize, sums: usize, first: i32, count: i32): void {
  const dy = pointer(args, 0);
  const w = pointer(args, 1);
  const batch = word(args, 5);
  const depth = word(args, 6);
  const features = word(args, 7);
  const stride = <usize>depth << 2;
  const dyStride = <usize>features << 2;
  const quads = (batch + 3) >> 2;
  const bytes = <usize>vectors(count) << 6;
  memory.fill(sums, 0, <usize>quads * bytes);
  const whole = features - features % 3;
  for (let o = 0; o < features; o += o < whole ? 3 : 1) {
    const rows = at(w + <usize>o * stride, first);
    for (let quad = 0; quad < quads; quad++) {
      const images = min(4, batch - (quad << 2));
      const from = at(dy + <usize>(quad << 2) * dyStride, o);
      const to = sums + <usize>quad * bytes;
      if (o < whole) addRows3(rows, stride, from, dyStride, images, to, vectors(count));
      else addRows1(rows, stride, from, dyStride, images, to, vectors(count));
    }
  }
  for (let n = 0; n < batch; n++) {
    let from = sums + <usize>(n >> 2) * bytes + <usize>((n & 3) << 4);
    let to = at(pointer(args, 2), n * depth + first);
    for (let k = 0; k < count; k += 4, from += 64, to += 16) storeLanes(to, v128.load(from), min(4, count - k));
  }
}

/** Bytes of a tile of 4 × 16 whose rows follow each other. */
const tileBytes: usize = 256;

/**
 * dw[o][k] = Σ_n dy[n][o] · x[n][k], a product of depth N. x comes packed into panels [K / 8][N][8] (`packPanels`), with
 * room for an even number of them; threads share out the output features, and write dw four rows at a time.
 *
 * Arguments: 0 dy, 1 packed x, 2 dw, 3 scratch, 4 scratch bytes per thread, 5 batch, 6 K, 7 O, 8 panels of a block, which are even.
 */
export function linearWeightGradient(args: usize, share: i32, shares: i32): void {
  weightTiles(args, share, shares, 0, 0);
}

/**
 * The same, and a step of `sgd` with it: dw is only ever in registers.
 *
 * Arguments: as `linearWeightGradient`, with w in place of dw; 9 v, 10 … the rule (see `storeFactors`).
 */
export function linearSgd(args: usize, share: i32, shares: i32): void {
  const factors = scratchOf(args, 3) + 2 * tileBytes;
  storeFactors(at(args, 10), factors);
  weightTiles(args, share, shares, pointer(args, 9) - pointer(args, 2), factors);
}

/** Tiles of dw; with factors, of w and of v, which lies `velocities` bytes further on. */
function weightTiles(args: usize, share: i32, shares: i32, velocities: usize, factors: usize): void {
  const edge = scratchOf(args, 3);
  const a = edge + 2 * tileBytes + factorBytes;
  const batch = word(args, 5);
  const depth = word(args, 6);
  const features = word(args, 7);
  const block = word(args, 8);
  const panels = (depth + 7) >> 3;
  const stride = <usize>depth << 2;
  const panelBytes = <usize>batch << 5;
  const tiles = (features + 3) >> 2;
  const firstTile = shareStart(tiles, share, shares);
  const lastTile = shareStart(tiles, share + 1, shares);
  const featureBytes = <usize>batch << 4;
  packFeatures(at(pointer(args, 0), firstTile << 2), <usize>features << 2, batch, lastTile - firstTile, a);
  for (let first = 0; first < panels; first += block) {
    const end = min(panels, first + block);
    for (let tile = firstTile; tile < lastTile; tile++) {
      const o = tile << 2;
      const rows = min(4, features - o);
      const tileA = a + <usize>(tile - firstTile) * featureBytes;
      for (let panel = first; panel < end; panel += 2) {
        const b = pointer(args, 1) + <usize>panel * panelBytes;
        const to = at(pointer(args, 2) + <usize>o * stride, panel << 3);
        const columns = min(16, depth - (panel << 3));
        if (rows == 4 && columns == 16) {
          weightTile(tileA, b, batch, to, stride, velocities, factors);
          continue;
        }
        if (factors) {
          copyTile(edge, 64, to, stride, rows, columns);
          copyTile(edge + tileBytes, 64, to + velocities, stride, rows, columns);
        }
        weightTile(tileA, b, batch, edge, 64, tileBytes, factors);
        copyTile(to, stride, edge, 64, rows, columns);
        if (factors) copyTile(to + velocities, stride, edge + tileBytes, 64, rows, columns);
      }
    }
  }
}

/** A tile of four rows by two panels, two rows after the other. */
// @ts-ignore: decorator
@inline
function weightTile(a: usize, b: usize, batch: i32, to: usize, stride: usize, velocities: usize, factors: usize): void {
  if (factors) {
    outerRowsSgd(a, b, batch, to, stride, velocities, factors);
    outerRowsSgd(a + 8, b, batch, to + 2 * stride, stride, velocities, factors);
  } else {
    outerRows(a, b, batch, to, stride);
    outerRows(a + 8, b, batch, to + 2 * stride, stride);
  }
}

function copyTile(to: usize, toStride: usize, from: usize, fromStride: usize, rows: i32, columns: i32): void {
  for (let row = 0; row < rows; row++, to += toStride, from += fromStride) memory.copy(to, from, <usize>columns << 2);
}

/** Columns of dy [N][O], four at a time, as tiles [N][4]; those past the last one are not used. */
function packFeatures(dy: usize, stride: usize, batch: i32, tiles: i32, to: usize): void {
  const tileBytes = <usize>batch << 4;
  for (let n = 0; n < batch; n++, dy += stride, to += 16) {
    for (let tile = 0; tile < tiles; tile++) v128.store(to + <usize>tile * tileBytes, v128.load(dy + (<usize>tile << 4)));
  }
}

/** db[o] = Σ_n dy[n][o]. Arguments: dy, db, batch, O. */
export function linearBiasGradient(args: usize, share: i32, shares: i32): void {
  const dy = pointer(args, 0);
  const db = pointer(args, 1);
  const batch = word(args, 2);
  const features = word(args, 3);
  const last = lineStart(features, share + 1, shares);
  for (let o = lineStart(features, share, shares); o < last; o++) {
    let sum: f32 = 0;
    for (let n = 0; n < batch; n++) sum += load<f32>(at(dy, n * features + o));
    store<f32>(at(db, o), sum);
  }
}
