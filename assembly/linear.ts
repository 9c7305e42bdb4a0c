/**
 * Fully connected layers. The weight stays as the user knows it, [O][K] row by row, in all three passes: at small batch
 * they are bound by reading it once, and every pass reads it in long runs.
 */
import { at, lineStart, pointer, shareStart, word } from './lib/args';
import { dotTile, dotTileBytes, outerTile, outerTileScattered, tileCount, tileStart } from './lib/gemm';
import { laneMask, madd, sumLanes, zero } from './lib/simd';

/**
 * y[n][o] = Σ_k x[n][k] · w[o][k] (+ b[o], ReLU): rows against rows. Threads share out the output features; a block of x is
 * copied to scratch (rows of a multiple of 4096 bytes would fall on one set of the first cache) and swept by a block of
 * weight rows, four of them at a time.
 *
 * Arguments: 0 x, 1 w, 2 bias or 0, 3 y, 4 scratch, 5 scratch bytes per thread, 6 batch, 7 K, 8 O, 9 relu,
 * 10 K of a block (a multiple of 4), 11 weight rows of a block (a multiple of 4).
 */
export function linear(args: usize, thread: i32, threads: i32): void {
  const o = word(args, 8);
  const most = word(args, 11);
  const last = lineStart(o, thread + 1, threads);
  for (let row = lineStart(o, thread, threads); row < last; row += most) {
    linearRows(args, pointer(args, 4) + <usize>thread * pointer(args, 5), row, min(most, last - row));
  }
}

function linearRows(args: usize, scratch: usize, first: i32, count: i32): void {
  const x = pointer(args, 0);
  const w = pointer(args, 1);
  const bias = pointer(args, 2);
  const y = pointer(args, 3);
  const batch = word(args, 6);
  const depth = word(args, 7);
  const features = word(args, 8);
  const relu = word(args, 9) != 0;
  const block = word(args, 10);
  const rowTiles = (count + 3) >> 2;
  const columnTiles = (batch + 2) / 3;
  const sumBytes = <usize>(rowTiles * columnTiles) * dotTileBytes;
  const packed = scratch + sumBytes;
  const packedRow = (<usize>block << 2) + 64;
  const stride = <usize>depth << 2;
  memory.fill(scratch, 0, sumBytes);

  for (let k = 0; k < depth; k += block) {
    const length = min(block, depth - k);
    const tail = laneMask(length & 3);
    for (let n = 0; n < batch; n++) {
      const to = packed + <usize>n * packedRow;
      memory.copy(to, at(x, n * depth + k), <usize>length << 2);
      v128.store(at(to, length), zero());
    }
    for (let tile = 0; tile < rowTiles; tile++) {
      const row = tile << 2;
      const mr = min(4, count - row);
      const a = w + <usize>(first + row) * stride + (<usize>k << 2);
      for (let column = 0; column < columnTiles; column++) {
        const nr = min(3, batch - 3 * column);
        const sums = scratch + <usize>(tile * columnTiles + column) * dotTileBytes;
        dotTile(mr, nr, a, stride, packed + <usize>(3 * column) * packedRow, packedRow, length, tail, sums);
      }
    }
  }

  for (let n = 0; n < batch; n++) {
    for (let row = 0; row < count; row++) {
      const sums = scratch + <usize>((row >> 2) * columnTiles + n / 3) * dotTileBytes;
      let sum = sumLanes(v128.load(sums + <usize>((row & 3) * 48 + (n % 3) * 16)));
      if (bias) sum += load<f32>(at(bias, first + row));
      // Not max(): a NaN must stay.
      if (relu && sum < 0) sum = 0;
      store<f32>(at(y, n * features + first + row), sum);
    }
  }
}

/**
 * dx[n][k] = Σ_o dy[n][o] · w[o][k]. Threads share out the columns k; a block of dx stays in scratch while all rows of w pass
 * by, eight at a time.
 *
 * Arguments: 0 dy, 1 w, 2 dx, 3 scratch, 4 scratch bytes per thread, 5 batch, 6 K, 7 O, 8 columns of a block (a multiple of 4).
 */
export function linearDataGradient(args: usize, thread: i32, threads: i32): void {
  const depth = word(args, 6);
  const most = word(args, 8);
  const last = lineStart(depth, thread + 1, threads);
  for (let k = lineStart(depth, thread, threads); k < last; k += most) {
    dataGradientColumns(args, pointer(args, 3) + <usize>thread * pointer(args, 4), k, min(most, last - k));
  }
}

function dataGradientColumns(args: usize, sums: usize, first: i32, count: i32): void {
  const dy = pointer(args, 0);
  const w = pointer(args, 1);
  const dx = pointer(args, 2);
  const batch = word(args, 5);
  const depth = word(args, 6);
  const features = word(args, 7);
  const stride = <usize>depth << 2;
  const vectors = (count + 3) >> 2;
  const sumRow = <usize>vectors << 4;
  memory.fill(sums, 0, <usize>batch * sumRow);
  let o = 0;
  for (; o + 8 <= features; o += 8) {
    const rows = w + <usize>o * stride + (<usize>first << 2);
    for (let i: usize = 0; i < sumRow; i += 16) addEight(rows + i, stride, at(dy, o), <usize>features << 2, sums + i, sumRow, batch);
  }
  for (; o < features; o++) {
    const row = w + <usize>o * stride + (<usize>first << 2);
    for (let n = 0; n < batch; n++) {
      const g = v128.load32_splat(at(dy, n * features + o));
      const to = sums + <usize>n * sumRow;
      for (let i: usize = 0; i < sumRow; i += 16) v128.store(to + i, madd(g, v128.load(row + i), v128.load(to + i)));
    }
  }
  for (let n = 0; n < batch; n++) memory.copy(at(dx, n * depth + first), sums + <usize>n * sumRow, <usize>count << 2);
}

/** Adds four columns of eight rows of w, each times its dy, to the sums of all images. */
function addEight(w: usize, stride: usize, dy: usize, dyRow: usize, sums: usize, sumRow: usize, batch: i32): void {
  const w0 = v128.load(w);
  w += stride;
  const w1 = v128.load(w);
  w += stride;
  const w2 = v128.load(w);
  w += stride;
  const w3 = v128.load(w);
  w += stride;
  const w4 = v128.load(w);
  w += stride;
  const w5 = v128.load(w);
  w += stride;
  const w6 = v128.load(w);
  w += stride;
  const w7 = v128.load(w);
  const end = sums + <usize>batch * sumRow;
  for (; sums < end; sums += sumRow, dy += dyRow) {
    let sum = v128.load(sums);
    sum = madd(v128.load32_splat(dy, 0), w0, sum);
    sum = madd(v128.load32_splat(dy, 4), w1, sum);
    sum = madd(v128.load32_splat(dy, 8), w2, sum);
    sum = madd(v128.load32_splat(dy, 12), w3, sum);
    sum = madd(v128.load32_splat(dy, 16), w4, sum);
    sum = madd(v128.load32_splat(dy, 20), w5, sum);
    sum = madd(v128.load32_splat(dy, 24), w6, sum);
    sum = madd(v128.load32_splat(dy, 28), w7, sum);
    v128.store(sums, sum);
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
  const dy = pointer(args, 0);
  const packed = pointer(args, 1);
  const dw = pointer(args, 2);
  const batch = word(args, 5);
  const depth = word(args, 6);
  const features = word(args, 7);
  const block = word(args, 8);
  const offsets = scratch;
  const staging = scratch + 64;
  const a = scratch + 320;
  const panels = (depth + 7) >> 3;
  const tiles = tileCount(features);
  const stride = <usize>depth << 2;
  const panelBytes = <usize>batch << 5;
  for (let i = 0; i < 8; i++) store<usize>(at(offsets, i), <usize>i << 2);

  const firstTile = shareStart(tiles, thread, threads);
  const lastTile = shareStart(tiles, thread + 1, threads);
  const origin = tileStart(features, tiles, firstTile);
  packTiles(dy, a, batch, features, tiles, firstTile, lastTile);
  for (let first = 0; first < panels; first += block) {
    const end = min(panels, first + block);
    for (let tile = firstTile; tile < lastTile; tile++) {
      const row = tileStart(features, tiles, tile);
      const mr = tileStart(features, tiles, tile + 1) - row;
      const tileA = a + (<usize>((row - origin) * batch) << 2);
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
function packTiles(dy: usize, to: usize, batch: i32, features: i32, tiles: i32, first: i32, last: i32): void {
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
