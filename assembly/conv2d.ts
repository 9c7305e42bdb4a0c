/**
 * Convolution as a product of matrices whose right operand, the im2col matrix, never exists as a whole: each thread packs
 * a few panels of it at a time, straight from the image into cache.
 */
import { dotTile } from './generated/microkernels';
import { at, pointer, scratchOf, shareStart, unitStart, word } from './lib/args';
import {
  dotColumns, dotRows, dotSum, dotTileBytes, outerTile, outerTileScattered, packRows, tileCount, tileStart, vectors,
} from './lib/gemm';
import { endProduct, startProduct } from './lib/product';
import { sumLanes, zero } from './lib/simd';

/** Bytes of a thread's scratch before its panels: lane pointers, lane steps, column offsets, zero cell, staging tile. */
const lanePointers: usize = 0;
const laneSteps: usize = 32;
const columnOffsets: usize = 64;
const zeroCell: usize = 96;
const staging: usize = 128;
const panelsAt: usize = 384;

/**
 * The forward pass, and the data gradient one phase at a time: a grid of rows × columns positions for each image and
 * group, at each of which
 *
 *   C[m] = bias[m] + Σ_{c, u, v} A[m][c, u, v] · source[c][i·strideY + baseY + u·stepY][j·strideX + baseX + v·stepX]
 *
 * and C goes to row i·outStepY + outY, column j·outStepX + outX of the destination. Panels of 8 positions are shared out
 * among the threads; depth is cut into blocks of whole channels, and an element's products are always added in the same order.
 *
 * Arguments: 0 source, 1 packed weights, 2 bias or 0, 3 destination, 4 scratch, 5 scratch bytes per thread, 6 batch, 7 groups,
 * 8 channels of a group, 9 source height, 10 source width, 11 rows of A in a group, 12 destination height, 13 destination
 * width, 14 grid rows, 15 grid columns, 16 tapsY, 17 tapsX, 18 strideY, 19 strideX, 20 baseY, 21 baseX, 22 stepY, 23 stepX,
 * 24 outStepY, 25 outStepX, 26 outY, 27 outX, 28 relu, 29 channels of a depth block, 30 panels of a block.
 */
export function convolve(args: usize, share: i32, shares: i32): void {
  const scratch = scratchOf(args, 4);
  const gridPanels = (word(args, 14) * word(args, 15) + 7) >> 3;
  const maps = word(args, 6) * word(args, 7);
  const most = word(args, 30);
  let panel = shareStart(maps * gridPanels, share, shares);
  const last = shareStart(maps * gridPanels, share + 1, shares);
  while (panel < last) {
    const map = panel / gridPanels;
    const first = panel % gridPanels;
    const count = min(min(most, gridPanels - first), last - panel);
    convolveBlock(args, scratch, map, first, count);
    panel += count;
  }
}

/** All of A against `count` panels of one image and group. */
function convolveBlock(args: usize, scratch: usize, map: i32, first: i32, count: i32): void {
  const bias = pointer(args, 2);
  const groups = word(args, 7);
  const channels = word(args, 8);
  const rows = word(args, 11);
  const height = word(args, 12);
  const width = word(args, 13);
  const gridColumns = word(args, 15);
  const positions = word(args, 14) * gridColumns;
  const taps = word(args, 16) * word(args, 17);
  const blockChannels = word(args, 29);
  const relu = word(args, 28) != 0;
  const dense = word(args, 24) == 1 && word(args, 25) == 1;
  const depth = channels * taps;
  const tiles = tileCount(rows);
  const group = map % groups;
  const weights = pointer(args, 1) + (<usize>(group * rows * depth) << 2);
  const plane = <usize>(height * width) << 2;
  const destination = pointer(args, 3) + <usize>(map * rows) * plane;
  const panels = scratch + panelsAt;

  // A depth of nothing (a phase that no tap reaches) still writes its zeros.
  let channel = 0;
  do {
    const channelEnd = min(channels, channel + blockChannels);
    const blockDepth = (channelEnd - channel) * taps;
    const panelBytes = <usize>blockDepth << 5;
    for (let p = 0; p < count; p++) {
      packPanel(args, scratch, map, (first + p) << 3, channel, channelEnd, panels + <usize>p * panelBytes);
    }
    const more = channel > 0;
    const last = channelEnd == channels;
    startProduct();
    for (let tile = 0; tile < tiles; tile++) {
      const row = tileStart(rows, tiles, tile);
      const mr = tileStart(rows, tiles, tile + 1) - row;
      const a = weights + (<usize>(row * depth + channel * taps * mr) << 2);
      const rowBias = last && bias ? at(bias, group * rows + row) : 0;
      const rowDestination = destination + <usize>row * plane;
      for (let p = 0; p < count; p++) {
        const position = (first + p) << 3;
        const b = panels + <usize>p * panelBytes;
        if (dense && position + 8 <= positions) {
          outerTile(mr, a, b, blockDepth, at(rowDestination, position), plane, more, rowBias, last && relu);
        } else {
          const columns = min(8, positions - position);
          columnPositions(args, scratch + columnOffsets, position, columns);
          outerTileScattered(
            mr, a, b, blockDepth, rowDestination, plane, more, rowBias, last && relu,
            columns, scratch + columnOffsets, scratch + staging,
          );
        }
      }
    }
    endProduct(<f64>rows * <f64>(count << 3) * <f64>blockDepth);
    channel = channelEnd;
  } while (channel < channels);
}

/** Byte offsets within a destination plane of the positions from `position` on. */
function columnPositions(args: usize, offsets: usize, position: i32, columns: i32): void {
  const width = word(args, 13);
  const gridColumns = word(args, 15);
  for (let lane = 0; lane < columns; lane++) {
    const y = ((position + lane) / gridColumns) * word(args, 24) + word(args, 26);
    const x = ((position + lane) % gridColumns) * word(args, 25) + word(args, 27);
    store<usize>(at(offsets, lane), <usize>(y * width + x) << 2);
  }
}

/** Packs the im2col panel [channel, tapY, tapX][8] of 8 positions, for channels [channel, channelEnd). */
function packPanel(args: usize, scratch: usize, map: i32, position: i32, channel: i32, channelEnd: i32, panel: usize): void {
  const channels = word(args, 8);
  const height = word(args, 9);
  const width = word(args, 10);
  const gridColumns = word(args, 15);
  const positions = word(args, 14) * gridColumns;
  const tapsY = word(args, 16);
  const tapsX = word(args, 17);
  const plane = <usize>(height * width) << 2;
  const source = pointer(args, 0) + <usize>(map * channels + channel) * plane;
  const channelBytes = <usize>(tapsY * tapsX) << 5;
  const end = panel + <usize>(channelEnd - channel) * channelBytes;
  const zeros = scratch + zeroCell;
  store<f32>(zeros, 0);

  const y0 = position / gridColumns;
  const x0 = position % gridColumns;
  const oneRow = x0 + 8 <= gridColumns && word(args, 19) == 1;
  if (!oneRow && insideAll(args, position)) {
    lanePositions(args, scratch, source, position);
    gatherTaps(args, scratch, channelEnd - channel, panel);
    return;
  }
  for (let u = 0; u < tapsY; u++) {
    const offsetY = word(args, 20) + u * word(args, 22);
    for (let v = 0; v < tapsX; v++) {
      const offsetX = word(args, 21) + v * word(args, 23);
      let to = panel + (<usize>(u * tapsX + v) << 5);
      const sourceY = y0 * word(args, 18) + offsetY;
      const sourceX = x0 + offsetX;
      if (oneRow && sourceY >= 0 && sourceY < height && sourceX >= 0 && sourceX + 8 <= width) {
        let from = at(source, sourceY * width + sourceX);
        for (; to < end; to += channelBytes, from += plane) {
          v128.store(to, v128.load(from));
          v128.store(to, v128.load(from, 16), 16);
        }
        continue;
      }
      // Cells outside the image, and positions past the last, are read from a zero cell that does not move.
      let y = y0;
      let x = x0;
      for (let lane = 0; lane < 8; lane++) {
        const row = y * word(args, 18) + offsetY;
        const column = x * word(args, 19) + offsetX;
        const inside = position + lane < positions && row >= 0 && row < height && column >= 0 && column < width;
        store<usize>(at(scratch + lanePointers, lane), inside ? at(source, row * width + column) : zeros);
        store<usize>(at(scratch + laneSteps, lane), inside ? plane : 0);
        if (++x == gridColumns) { x = 0; y++; }
      }
      gatherLanes(scratch, to, end, channelBytes);
    }
  }
}

/** Whether no tap of the 8 positions from `position` on lies outside the image. */
function insideAll(args: usize, position: i32): bool {
  const gridColumns = word(args, 15);
  const end = position + 7;
  if (end >= word(args, 14) * gridColumns) return false;
  const spanY = (word(args, 16) - 1) * word(args, 22);
  const spanX = (word(args, 17) - 1) * word(args, 23);
  const top = (position / gridColumns) * word(args, 18) + word(args, 20) + min(0, spanY);
  const bottom = (end / gridColumns) * word(args, 18) + word(args, 20) + max(0, spanY);
  // Positions that go on in the next row may be in any column.
  const wrapped = end / gridColumns > position / gridColumns;
  const first = wrapped ? 0 : position % gridColumns;
  const last = wrapped ? gridColumns - 1 : end % gridColumns;
  const left = first * word(args, 19) + word(args, 21) + min(0, spanX);
  const right = last * word(args, 19) + word(args, 21) + max(0, spanX);
  return top >= 0 && bottom < word(args, 9) && left >= 0 && right < word(args, 10);
}

/** Where the first tap of each of 8 positions reads its first channel. */
function lanePositions(args: usize, scratch: usize, source: usize, position: i32): void {
  const gridColumns = word(args, 15);
  for (let lane = 0; lane < 8; lane++) {
    const y = ((position + lane) / gridColumns) * word(args, 18) + word(args, 20);
    const x = ((position + lane) % gridColumns) * word(args, 19) + word(args, 21);
    store<usize>(at(scratch + lanePointers, lane), at(source, y * word(args, 10) + x));
  }
}

/** A panel whose taps all lie inside the image: the same distance from each lane's first tap. */
function gatherTaps(args: usize, scratch: usize, channels: i32, to: usize): void {
  const tapsY = word(args, 16);
  const tapsX = word(args, 17);
  const stepY = <usize>(word(args, 22) * word(args, 10)) << 2;
  const stepX = <usize>word(args, 23) << 2;
  const plane = <usize>(word(args, 9) * word(args, 10)) << 2;
  const p0 = load<usize>(scratch, 0), p1 = load<usize>(scratch, 4), p2 = load<usize>(scratch, 8), p3 = load<usize>(scratch, 12);
  const p4 = load<usize>(scratch, 16), p5 = load<usize>(scratch, 20), p6 = load<usize>(scratch, 24), p7 = load<usize>(scratch, 28);
  for (let c = 0; c < channels; c++) {
    for (let u = 0; u < tapsY; u++) {
      let offset = <usize>c * plane + <usize>u * stepY;
      for (let v = 0; v < tapsX; v++, offset += stepX, to += 32) {
        store<f32>(to, load<f32>(p0 + offset), 0);
        store<f32>(to, load<f32>(p1 + offset), 4);
        store<f32>(to, load<f32>(p2 + offset), 8);
        store<f32>(to, load<f32>(p3 + offset), 12);
        store<f32>(to, load<f32>(p4 + offset), 16);
        store<f32>(to, load<f32>(p5 + offset), 20);
        store<f32>(to, load<f32>(p6 + offset), 24);
        store<f32>(to, load<f32>(p7 + offset), 28);
      }
    }
  }
}

/** Writes 8 floats each `step` bytes, each lane read through a pointer of its own. */
function gatherLanes(scratch: usize, to: usize, end: usize, step: usize): void {
  let p0 = load<usize>(scratch, 0), p1 = load<usize>(scratch, 4), p2 = load<usize>(scratch, 8), p3 = load<usize>(scratch, 12);
  let p4 = load<usize>(scratch, 16), p5 = load<usize>(scratch, 20), p6 = load<usize>(scratch, 24), p7 = load<usize>(scratch, 28);
  for (; to < end; to += step) {
    store<f32>(to, load<f32>(p0), 0); p0 += load<usize>(scratch, 32);
    store<f32>(to, load<f32>(p1), 4); p1 += load<usize>(scratch, 36);
    store<f32>(to, load<f32>(p2), 8); p2 += load<usize>(scratch, 40);
    store<f32>(to, load<f32>(p3), 12); p3 += load<usize>(scratch, 44);
    store<f32>(to, load<f32>(p4), 16); p4 += load<usize>(scratch, 48);
    store<f32>(to, load<f32>(p5), 20); p5 += load<usize>(scratch, 52);
    store<f32>(to, load<f32>(p6), 24); p6 += load<usize>(scratch, 56);
    store<f32>(to, load<f32>(p7), 28); p7 += load<usize>(scratch, 60);
  }
}

/** Columns of dw that are worth a share, which packs all of dy. */
const fewestColumns: i32 = 18;

/**
 * dw[o][c, u, v] = Σ_{n, i, j} dy[n, o, i, j] · x[n, c, i·s + u·d − top, j·s + v·d − left]: rows of dy against rows of the
 * im2col matrix, both in the order of positions. A share is some columns of dw; each packs the im2col rows of a few
 * columns for a stretch of positions and sweeps all output channels with them, keeping four partial sums per weight.
 *
 * Arguments: 0 dy, 1 x, 2 dw, 3 scratch, 4 scratch bytes per thread, 5 batch, 6 groups, 7 channels of a group, 8 height, 9 width,
 * 10 output channels of a group, 11 output height, 12 output width, 13 kernel height, 14 kernel width, 15 strideY, 16 strideX,
 * 17 dilationY, 18 dilationX, 19 top, 20 left, 21 columns of a block (even), 22 output rows of a stretch.
 */
export function convolveWeightGradient(args: usize, share: i32, shares: i32): void {
  const scratch = scratchOf(args, 3);
  const groups = word(args, 6);
  const columns = word(args, 7) * word(args, 13) * word(args, 14);
  const most = word(args, 21);
  const total = groups * columns;
  let column = unitStart(total, fewestColumns, share, shares);
  const last = unitStart(total, fewestColumns, share + 1, shares);
  while (column < last) {
    const group = column / columns;
    const first = column % columns;
    const count = min(min(most, columns - first), last - column);
    weightGradientBlock(args, scratch, group, first, count);
    column += count;
  }
}

function weightGradientBlock(args: usize, scratch: usize, group: i32, first: i32, count: i32): void {
  const batch = word(args, 5);
  const groups = word(args, 6);
  const columns = word(args, 7) * word(args, 13) * word(args, 14);
  const rows = word(args, 10);
  const outHeight = word(args, 11);
  const outWidth = word(args, 12);
  const stretch = word(args, 22);
  const rowTiles = (rows + dotRows - 1) / dotRows;
  const columnTiles = (count + dotColumns - 1) / dotColumns;
  const sums = scratch;
  const sumBytes = <usize>(rowTiles * columnTiles) * dotTileBytes;
  const columnBytes = <usize>vectors(stretch * outWidth) << 4;
  // A pair of im2col rows as they are, four rows of dy packed, all pairs packed.
  const pair = sums + sumBytes;
  const a = pair + columnBytes * dotColumns;
  const b = a + columnBytes * dotRows;
  const plane = <usize>(outHeight * outWidth) << 2;
  memory.fill(sums, 0, sumBytes);

  for (let n = 0; n < batch; n++) {
    const dy = pointer(args, 0) + <usize>((n * groups + group) * rows) * plane;
    for (let row = 0; row < outHeight; row += stretch) {
      const rowEnd = min(outHeight, row + stretch);
      const length = (rowEnd - row) * outWidth;
      const steps = vectors(length);
      const tileBytes = <usize>steps << 5;
      for (let k = 0; k < columnTiles; k++) {
        const present = min(dotColumns, count - k * dotColumns);
        for (let i = 0; i < present; i++) {
          unrollColumn(args, n, group, first + k * dotColumns + i, row, rowEnd, pair + <usize>i * columnBytes);
        }
        packRows(pair, columnBytes, present, dotColumns, length, b + <usize>k * tileBytes);
      }
      // The sweep with the packing of dy's rows in it: too short a stretch to be timed alone.
      startProduct();
      for (let o = 0; o < rowTiles; o++) {
        const from = at(dy + <usize>(o * dotRows) * plane, row * outWidth);
        packRows(from, plane, min(dotRows, rows - o * dotRows), dotRows, length, a);
        for (let k = 0; k < columnTiles; k++) {
          dotTile(a, b + <usize>k * tileBytes, steps, sums + <usize>(o * columnTiles + k) * dotTileBytes);
        }
      }
      endProduct(<f64>(dotRows * dotColumns * 4) * <f64>(rowTiles * columnTiles * steps));
    }
  }

  const dw = pointer(args, 2);
  for (let o = 0; o < rows; o++) {
    for (let k = 0; k < count; k++) {
      const sum = sumLanes(v128.load(dotSum(sums, columnTiles, o, k)));
      store<f32>(at(dw, (group * rows + o) * columns + first + k), sum);
    }
  }
}

/** One row of the im2col matrix (channel, kernel row, kernel column) for output rows [row, rowEnd) of one image. */
function unrollColumn(args: usize, n: i32, group: i32, column: i32, row: i32, rowEnd: i32, to: usize): void {
  const channels = word(args, 7);
  const height = word(args, 8);
  const width = word(args, 9);
  const outWidth = word(args, 12);
  const kernelHeight = word(args, 13);
  const kernelWidth = word(args, 14);
  const strideX = word(args, 16);
  const v = column % kernelWidth;
  const u = (column / kernelWidth) % kernelHeight;
  const c = column / (kernelWidth * kernelHeight);
  const map = n * word(args, 6) + group;
  const x = pointer(args, 1) + (<usize>((map * channels + c) * height * width) << 2);
  const offsetX = v * word(args, 18) - word(args, 20);
  // Output columns [inside, outside) read inside the image.
  const inside = min(outWidth, offsetX < 0 ? (strideX - 1 - offsetX) / strideX : 0);
  const outside = max(inside, min(outWidth, offsetX < width ? (width - 1 - offsetX) / strideX + 1 : 0));
  for (let i = row; i < rowEnd; i++) {
    const y = i * word(args, 15) + u * word(args, 17) - word(args, 19);
    if (y < 0 || y >= height) {
      to = fillZero(to, outWidth);
      continue;
    }
    to = fillZero(to, inside);
    to = copyStrided(to, at(x, y * width + inside * strideX + offsetX), outside - inside, strideX);
    to = fillZero(to, outWidth - outside);
  }
}

function fillZero(to: usize, count: i32): usize {
  const end = at(to, count);
  for (; to < end; to += 4) store<f32>(to, 0);
  return to;
}

function copyStrided(to: usize, from: usize, count: i32, stride: i32): usize {
  const end = at(to, count);
  if (stride == 1) {
    for (; to + 16 <= end; to += 16, from += 16) v128.store(to, v128.load(from));
    for (; to < end; to += 4, from += 4) store<f32>(to, load<f32>(from));
    return to;
  }
  const step = <usize>stride << 2;
  for (; to < end; to += 4, from += step) store<f32>(to, load<f32>(from));
  return to;
}

/** db[o] = Σ_{n, i, j} dy[n, o, i, j]. Arguments: dy, db, batch, channels, plane. Threads share out the channels. */
export function convolveBiasGradient(args: usize, share: i32, shares: i32): void {
  const dy = pointer(args, 0);
  const db = pointer(args, 1);
  const batch = word(args, 2);
  const channels = word(args, 3);
  const plane = word(args, 4);
  const last = shareStart(channels, share + 1, shares);
  for (let c = shareStart(channels, share, shares); c < last; c++) {
    let total: f32 = 0;
    for (let n = 0; n < batch; n++) {
      let from = at(dy, (n * channels + c) * plane);
      const end = at(from, plane);
      let s0 = zero();
      let s1 = zero();
      for (; from + 32 <= end; from += 32) {
        s0 = f32x4.add(s0, v128.load(from));
        s1 = f32x4.add(s1, v128.load(from, 16));
      }
      let sum = sumLanes(f32x4.add(s0, s1));
      for (; from < end; from += 4) sum += load<f32>(from);
      total += sum;
    }
    store<f32>(at(db, c), total);
  }
}
