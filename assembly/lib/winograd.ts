/**
 * Winograd convolution F(m×m, r×r) (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2016): the input is cut
 * into tiles of n×n = (m+r−1)², which overlap by r−1, and
 *
 *   y = Aᵀ [Σ_c (G w_c Gᵀ) ⊙ (Bᵀ x_c B)] A
 *
 * so that a convolution becomes n² products of matrices, one for each position within a tile. A strided convolution is one of
 * stride 1 over stride² times as many channels (space to depth: channel (c, dy, dx) holds the pixels (s·y + dy, s·x + dx)).
 *
 * The four lanes of a vector are four channels ("quad"), as many output channels as a microkernel has columns make a panel, and a
 * row of tiles of one image is a line. V holds transformed tiles [group][position][tile][depth], U transformed filters [group][position][panel][depth][columns], M their
 * products [group][position][panel][tile][columns].
 *
 * All kernels have the same arguments: 0 source, 1 U, 2 bias or 0, 3 destination, 4 scratch, 5 scratch bytes per thread, 6 V, 7 M,
 * 8 groups, 9 channels of a group of the source, 10 source height, 11 source width, 12 stride, 13 top, 14 left, 15 lines of an image,
 * 16 tiles of a line, 17 m, 18 n, 19 variant, 20 depth (stride² · channels, rounded up to quads), 21 output channels of a group,
 * 22 output height, 23 output width, 24, 25 and 26 bytes between positions of V, M and U, 27 lines that are transformed back at a time,
 * 28 relu, 29 first line, 30 end of the lines: a batch is taken through the stages in blocks of lines.
 */
import { gradientLines, inputLines, outputLines } from '../generated/winograd';
import { at, pointer, scratchOf, shareStart, word } from './args';
import { rectify } from './epilogue';
import { rowsTile, rowsTileColumns, rowsTileRows, tileStart } from './gemm';
import { endProduct, startProduct } from './product';
import { laneMask, storeLanes, zero } from './simd';

/** Bytes of a panel's row. */
const rowBytes: usize = <usize>rowsTileColumns << 2;

/** The first stage: V [group][position][tile][depth] of the lines given. Threads share out groups, lines and quads. */
export function winogradInput(args: usize, share: i32, shares: i32): void {
  const stage = scratchOf(args, 4);
  const quads = word(args, 20) >> 2;
  const first = word(args, 29);
  const lines = word(args, 30) - first;
  const n = word(args, 18);
  const total = word(args, 8) * lines * quads;
  const last = shareStart(total, share + 1, shares);
  let item = shareStart(total, share, shares);
  while (item < last) {
    const quad = item % quads;
    const line = (item / quads) % lines;
    const group = item / (quads * lines);
    const end = min(quads, quad + last - item);
    const v = pointer(args, 6) + <usize>(group * n * n) * pointer(args, 24) + tileOffset(args, line);
    transformQuads(args, false, group, first + line, quad, end, stage, v, rowPitch(args), 16);
    item += end - quad;
  }
}

/** The second stage: M [group][position][panel][tile][columns]. Threads share out groups, positions and panels. */
export function winogradMultiply(args: usize, share: i32, shares: i32): void {
  const panels = (word(args, 21) + rowsTileColumns - 1) / rowsTileColumns;
  const tiles = (word(args, 30) - word(args, 29)) * word(args, 16);
  const positions = word(args, 18) * word(args, 18);
  const total = word(args, 8) * positions * panels;
  const last = shareStart(total, share + 1, shares);
  let item = shareStart(total, share, shares);
  while (item < last) {
    const panel = item % panels;
    const plane = item / panels;
    const end = min(panels, panel + last - item);
    const m = pointer(args, 7) + <usize>plane * pointer(args, 25) + <usize>(panel * tiles) * rowBytes;
    multiply(args, plane / positions, plane % positions, panel, end, tiles, pointer(args, 6) + <usize>plane * pointer(args, 24), m);
    item += end - panel;
  }
}

/** The third stage: the output, with bias and ReLU. Threads share out groups and panels. */
export function winogradOutput(args: usize, share: i32, shares: i32): void {
  const stage = scratchOf(args, 4);
  const panels = (word(args, 21) + rowsTileColumns - 1) / rowsTileColumns;
  const first = word(args, 29);
  const lines = word(args, 30);
  const most = word(args, 27);
  const tiles = (lines - first) * word(args, 16);
  const n = word(args, 18);
  const last = shareStart(word(args, 8) * panels, share + 1, shares);
  for (let item = shareStart(word(args, 8) * panels, share, shares); item < last; item++) {
    const group = item / panels;
    const panel = item % panels;
    const m = pointer(args, 7) + <usize>(group * n * n) * pointer(args, 25) + <usize>(panel * tiles) * rowBytes;
    for (let line = first; line < lines; line += most) {
      outputBlock(args, group, line, min(lines, line + most), panel, m + <usize>((line - first) * word(args, 16)) * rowBytes, stage);
    }
  }
}

/** Bytes between the tiles of V in the forward form, where a tile's channels lie next to each other. */
function rowPitch(args: usize): usize {
  return pointer(args, 20) << 2;
}

/** Where the tiles of a line begin within a position of V. */
function tileOffset(args: usize, line: i32): usize {
  return <usize>(line * word(args, 16)) * rowPitch(args);
}

/**
 * Transforms one line of tiles for quads [first, last): gathered [y][x][4], then along y, then along x into V, whose tiles are
 * `tileStep` bytes apart and quads `quadStep`. For `gradient` the tiles are m×m cells of the output's gradient, transformed by A.
 */
export function transformQuads(
  args: usize, gradient: bool, group: i32, line: i32, first: i32, last: i32, stage: usize, v: usize, tileStep: usize, quadStep: usize,
): void {
  const m = word(args, 17);
  const n = word(args, 18);
  const variant = word(args, 19);
  const tiles = word(args, 16);
  const rows = gradient ? m : n;
  const columns = gradient ? tiles * m : tiles * m + n - m;
  const pitch = <usize>columns << 4;
  const turned = stage + <usize>rows * pitch;
  const position = pointer(args, 24);
  const step = <usize>m << 4;
  for (let quad = first; quad < last; quad++) {
    gather(args, group, line, quad, rows, columns, stage);
    let to = v + <usize>quad * quadStep;
    if (gradient) {
      gradientLines(variant, stage, pitch, 16, turned, pitch, 16, columns);
      for (let i = 0; i < n; i++, to += <usize>n * position) {
        gradientLines(variant, turned + <usize>i * pitch, 16, step, to, position, tileStep, tiles);
      }
    } else {
      inputLines(variant, stage, pitch, 16, turned, pitch, 16, columns);
      for (let i = 0; i < n; i++, to += <usize>n * position) {
        inputLines(variant, turned + <usize>i * pitch, 16, step, to, position, tileStep, tiles);
      }
    }
  }
}

/** The products of one position: panels [first, last) for all tiles; `m` is where panel `first` goes. */
function multiply(args: usize, group: i32, position: i32, first: i32, last: i32, tiles: i32, v: usize, m: usize): void {
  const depth = word(args, 20);
  const positions = word(args, 18) * word(args, 18);
  const panelBytes = <usize>depth * rowBytes;
  const pitch = <usize>depth << 2;
  const count = (tiles + rowsTileRows - 1) / rowsTileRows;
  startProduct();
  let u = pointer(args, 1) + <usize>(group * positions + position) * pointer(args, 26) + <usize>first * panelBytes;
  for (let panel = first; panel < last; panel++, u += panelBytes, m += <usize>tiles * rowBytes) {
    for (let i = 0; i < count; i++) {
      const row = tileStart(tiles, count, i);
      const mr = tileStart(tiles, count, i + 1) - row;
      rowsTile(mr, v + <usize>row * pitch, pitch, u, depth, m + <usize>row * rowBytes);
    }
  }
  endProduct(<f64>((last - first) * rowsTileColumns) * <f64>tiles * <f64>depth);
}

/** Transforms the products of one panel back, for lines [first, last), and writes them with bias and ReLU. */
function outputBlock(args: usize, group: i32, first: i32, last: i32, panel: i32, from: usize, stage: usize): void {
  const m = word(args, 17);
  const n = word(args, 18);
  const variant = word(args, 19);
  const rows = word(args, 21);
  const height = word(args, 22);
  const width = word(args, 23);
  const imageLines = word(args, 15);
  const tiles = (last - first) * word(args, 16);
  const position = pointer(args, 25);
  const lineBytes = <usize>n << 4;
  const result = stage + <usize>(m * tiles) * lineBytes;
  const resultPitch = <usize>(tiles * m) << 4;
  const linePitch = <usize>(word(args, 16) * m) << 4;
  const plane = <usize>(height * width) << 2;
  const bias = pointer(args, 2);
  const end = min(rows, (panel + 1) * rowsTileColumns);
  for (let channel = panel * rowsTileColumns; channel < end; channel += 4, from += 16) {
    for (let j = 0; j < n; j++) {
      outputLines(
        variant, from + <usize>j * position, <usize>n * position, rowBytes, stage + (<usize>j << 4), <usize>tiles * lineBytes, lineBytes, tiles,
      );
    }
    outputLines(variant, stage, 16, lineBytes, result, 16, <usize>m << 4, m * tiles);
    const present = min(4, rows - channel);
    const offset = bias ? loadLanes(at(bias, group * rows + channel), present) : zero();
    for (let line = first; line < last; line++) {
      const map = (line / imageLines) * word(args, 8) + group;
      const top = (line % imageLines) * m;
      const to = pointer(args, 3) + <usize>(map * rows + channel) * plane;
      const lineFrom = result + <usize>(line - first) * linePitch;
      for (let i = 0; i < min(m, height - top); i++) {
        scatterRow(lineFrom + <usize>i * resultPitch, at(to, (top + i) * width), plane, width, present, offset, word(args, 28) != 0);
      }
    }
  }
}

/** One to four floats, the rest zero. */
function loadLanes(from: usize, count: i32): v128 {
  return v128.and(v128.load(from), laneMask(count));
}

/** A row [x][4 channels] to four planes, with bias and ReLU. */
function scatterRow(from: usize, to: usize, plane: usize, width: i32, present: i32, bias: v128, relu: bool): void {
  const p1 = to + plane;
  const p2 = p1 + plane;
  const p3 = p2 + plane;
  for (let x = 0; x < width; x += 4) {
    // The last four pixels of a row are written together, some of them again.
    const begin = <usize>(width < 4 ? 0 : min(x, width - 4));
    const source = from + (begin << 4);
    let a = f32x4.add(v128.load(source), bias), b = f32x4.add(v128.load(source, 16), bias);
    let c = f32x4.add(v128.load(source, 32), bias), d = f32x4.add(v128.load(source, 48), bias);
    if (relu) {
      a = rectify(a); b = rectify(b); c = rectify(c); d = rectify(d);
    }
    const t0 = v128.shuffle<i32>(a, b, 0, 4, 1, 5), t1 = v128.shuffle<i32>(a, b, 2, 6, 3, 7);
    const t2 = v128.shuffle<i32>(c, d, 0, 4, 1, 5), t3 = v128.shuffle<i32>(c, d, 2, 6, 3, 7);
    const offset = begin << 2;
    const count = min(4, width);
    storeLanes(to + offset, v128.shuffle<i64>(t0, t2, 0, 2), count);
    if (present > 1) storeLanes(p1 + offset, v128.shuffle<i64>(t0, t2, 1, 3), count);
    if (present > 2) storeLanes(p2 + offset, v128.shuffle<i64>(t1, t3, 0, 2), count);
    if (present > 3) storeLanes(p3 + offset, v128.shuffle<i64>(t1, t3, 1, 3), count);
  }
}

/** Rows [y][x][4 channels] of the source from the first row of a line of tiles on; zero outside the image. */
function gather(args: usize, group: i32, line: i32, quad: i32, rows: i32, columns: i32, to: usize): void {
  const lines = word(args, 15);
  const map = (line / lines) * word(args, 8) + group;
  const top = (line % lines) * word(args, 17);
  if (word(args, 12) == 1) gatherQuad(args, map, top, quad << 2, rows, columns, to);
  else gatherPhases(args, map, top, quad << 2, rows, columns, to);
}

function gatherQuad(args: usize, map: i32, top: i32, channel: i32, rows: i32, columns: i32, to: usize): void {
  const channels = word(args, 9);
  const height = word(args, 10);
  const width = word(args, 11);
  const left = word(args, 14);
  const plane = <usize>(height * width) << 2;
  const present = min(4, channels - channel);
  if (present <= 0) {
    memory.fill(to, 0, <usize>(rows * columns) << 4);
    return;
  }
  const mask = laneMask(present);
  const p0 = pointer(args, 0) + <usize>(map * channels + channel) * plane;
  // A missing channel is read from the first one and masked.
  const p1 = present > 1 ? p0 + plane : p0;
  const p2 = present > 2 ? p1 + plane : p0;
  const p3 = present > 3 ? p2 + plane : p0;
  // Padding is negative where a data gradient does not read the first columns.
  const begin = min(max(0, left), columns);
  const skipped = max(0, -left);
  const count = max(0, min(columns - begin, width - skipped));
  for (let i = 0; i < rows; i++, to += <usize>columns << 4) {
    const y = top + i - word(args, 13);
    if (y < 0 || y >= height) {
      memory.fill(to, 0, <usize>columns << 4);
      continue;
    }
    memory.fill(to, 0, <usize>begin << 4);
    const inner = to + (<usize>begin << 4);
    const row = <usize>(y * width + skipped) << 2;
    for (let x = 0; x < count; x += 4) {
      // The last four pixels are read together, some of them again; a row of fewer is read past its end.
      const first = <usize>(count < 4 ? 0 : min(x, count - 4));
      const offset = row + (first << 2);
      const a = v128.load(p0 + offset), b = v128.load(p1 + offset), c = v128.load(p2 + offset), d = v128.load(p3 + offset);
      const t0 = v128.shuffle<i32>(a, b, 0, 4, 1, 5), t1 = v128.shuffle<i32>(a, b, 2, 6, 3, 7);
      const t2 = v128.shuffle<i32>(c, d, 0, 4, 1, 5), t3 = v128.shuffle<i32>(c, d, 2, 6, 3, 7);
      const target = inner + (first << 4);
      v128.store(target, v128.and(v128.shuffle<i64>(t0, t2, 0, 2), mask));
      v128.store(target, v128.and(v128.shuffle<i64>(t0, t2, 1, 3), mask), 16);
      v128.store(target, v128.and(v128.shuffle<i64>(t1, t3, 0, 2), mask), 32);
      v128.store(target, v128.and(v128.shuffle<i64>(t1, t3, 1, 3), mask), 48);
    }
    memory.fill(inner + (<usize>count << 4), 0, <usize>(columns - begin - count) << 4);
  }
}

/** Space to depth: four of the stride² phases of a channel. */
function gatherPhases(args: usize, map: i32, top: i32, channel: i32, rows: i32, columns: i32, to: usize): void {
  const stride = word(args, 12);
  const width = word(args, 11);
  const left = word(args, 14);
  // With stride 4 a quad is four pixels that lie next to each other.
  const begin = stride == 4 ? min(columns, (left + 3) >> 2) : 0;
  const end = stride == 4 ? max(begin, min(columns, (width + left) >> 2)) : 0;
  for (let lane = 0; lane < 4; lane++) {
    gatherPhase(args, map, top, channel + lane, rows, 0, begin, columns, to + (<usize>lane << 2));
    gatherPhase(args, map, top, channel + lane, rows, end, columns, columns, to + (<usize>lane << 2));
  }
  if (begin == end) return;
  const channels = word(args, 9);
  const height = word(args, 10);
  const plane = <usize>(height * width) << 2;
  const source = pointer(args, 0) + <usize>(map * channels + (channel >> 4)) * plane;
  const dy = (channel >> 2) & 3;
  for (let i = 0; i < rows; i++) {
    const y = ((top + i) << 2) + dy - word(args, 13);
    let target = to + (<usize>(i * columns + begin) << 4);
    const stop = to + (<usize>(i * columns + end) << 4);
    const inside = y >= 0 && y < height;
    let from = at(source, y * width + (begin << 2) - left);
    for (; target < stop; target += 16, from += 16) v128.store(target, inside ? v128.load(from) : zero());
  }
}

/** One lane of columns [first, last): the pixels of one phase of one channel. */
function gatherPhase(args: usize, map: i32, top: i32, channel: i32, rows: i32, first: i32, last: i32, columns: i32, to: usize): void {
  const stride = word(args, 12);
  const channels = word(args, 9);
  const height = word(args, 10);
  const width = word(args, 11);
  const c = channel / (stride * stride);
  const dy = (channel / stride) % stride - word(args, 13);
  const dx = channel % stride - word(args, 14);
  const source = pointer(args, 0) + (<usize>((map * channels + c) * height * width) << 2);
  for (let i = 0; i < rows; i++) {
    const y = (top + i) * stride + dy;
    const present = c < channels && y >= 0 && y < height;
    for (let j = first; j < last; j++) {
      const x = j * stride + dx;
      const inside = present && x >= 0 && x < width;
      store<f32>(to + (<usize>(i * columns + j) << 4), inside ? load<f32>(at(source, y * width + x)) : 0);
    }
  }
}
