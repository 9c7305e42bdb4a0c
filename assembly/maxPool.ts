/**
 * Max pooling over windows that may overlap, stick out into padding, or end beyond the image; padded cells never win. First the
 * maximum down the rows of a window for whole image rows, then across.
 */
import { at, pointer, scratchOf, shareStart, word } from './lib/args';
import { fillLine, firstWindow, loadSpaced, storeSpaced } from './lib/pooling';
import { select, storeLanes, zero } from './lib/simd';

function lowest(): v128 {
  return f32x4.splat(-Infinity);
}

/** Maximum of `rows` rows of `width` cells, into a line; the lanes behind the last cell become −∞. */
function maximumDown(from: usize, rows: i32, width: i32, line: usize): void {
  const rowBytes = <usize>width << 2;
  for (let j: usize = 0; j < rowBytes; j += 32) {
    let row = from + j;
    let a = v128.load(row);
    let b = v128.load(row, 16);
    let nanA = f32x4.ne(a, a);
    let nanB = f32x4.ne(b, b);
    for (let r = 1; r < rows; r++) {
      row += rowBytes;
      const c = v128.load(row);
      const d = v128.load(row, 16);
      a = f32x4.pmax(a, c);
      b = f32x4.pmax(b, d);
      nanA = v128.or(nanA, f32x4.ne(c, c));
      nanB = v128.or(nanB, f32x4.ne(d, d));
    }
    v128.store(line + j, v128.or(a, nanA));
    v128.store(line + j, v128.or(b, nanB), 16);
  }
  v128.store(line + rowBytes, lowest());
  v128.store(line + rowBytes, lowest(), 16);
}

/** Maximum of each of four windows, `stride` apart, of `size` cells of a line. NaN in a window gives NaN. */
// @ts-ignore: decorator
@inline
function maximumAcross(window: usize, size: i32, stride: i32): v128 {
  const end = at(window, size);
  let best = lowest();
  let nan = zero();
  if (stride == 2) {
    for (; window + 4 < end; window += 8) {
      const a = v128.load(window);
      const b = v128.load(window, 16);
      const even = v128.shuffle<f32>(a, b, 0, 2, 4, 6);
      const odd = v128.shuffle<f32>(a, b, 1, 3, 5, 7);
      best = f32x4.pmax(f32x4.pmax(best, even), odd);
      nan = v128.or(nan, v128.or(f32x4.ne(even, even), f32x4.ne(odd, odd)));
    }
  }
  for (; window < end; window += 4) {
    const value = loadSpaced(window, stride);
    best = f32x4.pmax(best, value);
    nan = v128.or(nan, f32x4.ne(value, value));
  }
  return v128.or(best, nan);
}

/**
 * Arguments: 0 x, 1 y, 2 scratch (a line), 3 scratch bytes per thread, 4 maps (batch × channels), 5 height, 6 width, 7 output height,
 * 8 output width, 9 kernel height, 10 kernel width, 11 strideY, 12 strideX, 13 top, 14 left, 15 bytes of a line.
 */
export function maxPool(args: usize, share: i32, shares: i32): void {
  const line = scratchOf(args, 2);
  const height = word(args, 5);
  const width = word(args, 6);
  const outHeight = word(args, 7);
  const outWidth = word(args, 8);
  const kernelWidth = word(args, 10);
  const strideX = word(args, 12);
  fillLine(line, pointer(args, 15), lowest());
  const image = at(line, word(args, 14));
  const last = shareStart(word(args, 4), share + 1, shares);
  for (let map = shareStart(word(args, 4), share, shares); map < last; map++) {
    const x = at(pointer(args, 0), map * height * width);
    let y = at(pointer(args, 1), map * outHeight * outWidth);
    for (let i = 0; i < outHeight; i++) {
      const top = i * word(args, 11) - word(args, 13);
      const first = max(0, top);
      maximumDown(at(x, first * width), min(height, top + word(args, 9)) - first, width, image);
      for (let j = 0; j < outWidth; j += 4) {
        const best = maximumAcross(at(line, j * strideX), kernelWidth, strideX);
        storeLanes(at(y, j), best, min(4, outWidth - j));
      }
      y = at(y, outWidth);
    }
  }
}

/** The same lanes such that equal numbers are equal words (there is no −0), and so are all NaNs. */
// @ts-ignore: decorator
@inline
function canonical(v: v128): v128 {
  return v128.or(f32x4.add(v, zero()), f32x4.ne(v, v));
}

/**
 * As `maximumDown`, in canonical form, and the cell that holds each maximum: the first of those that are equal, or the first NaN.
 * Cells are counted down from the one at the start of the map, −1, so that the first is the greatest; `cell` is that of `from`.
 */
function winnersDown(from: usize, rows: i32, width: i32, cell: i32, line: usize, cells: usize): void {
  const rowBytes = <usize>width << 2;
  let firsts = i32x4.sub(i32x4.splat(cell), i32x4(0, 1, 2, 3));
  for (let j: usize = 0; j < rowBytes; j += 16) {
    let row = from + j;
    let best = v128.load(row);
    let winner = firsts;
    let candidate = firsts;
    for (let r = 1; r < rows; r++) {
      row += rowBytes;
      candidate = i32x4.sub(candidate, i32x4.splat(width));
      const value = v128.load(row);
      const wins = v128.andnot(f32x4.eq(best, best), f32x4.le(value, best));
      best = select(value, best, wins);
      winner = select(candidate, winner, wins);
    }
    v128.store(line + j, canonical(best));
    v128.store(cells + j, winner);
    firsts = i32x4.sub(firsts, i32x4.splat(4));
  }
  v128.store(line + rowBytes, lowest());
  v128.store(cells + rowBytes, zero());
}

/** Of each of four windows the first of the cells that hold its maximum, as counted by `winnersDown`. */
// @ts-ignore: decorator
@inline
function winnersAcross(window: usize, cells: usize, size: i32, stride: i32): v128 {
  const best = maximumAcross(window, size, stride);
  const end = at(window, size);
  let winner = zero();
  for (; window < end; window += 4, cells += 4) {
    const holds = i32x4.eq(loadSpaced(window, stride), best);
    winner = i32x4.max_u(winner, v128.and(loadSpaced(cells, stride), holds));
  }
  return winner;
}

/**
 * The gradient goes to the first maximum of each window in row-major order (to the first NaN where there is one), or to all cells that
 * equal it; overlapping windows add up.
 *
 * Arguments: 0 dy, 1 x, 2 dx, 3 scratch, 4 scratch bytes per thread, then as 4 … 14 of `maxPool`: 5 maps, 6 height, 7 width, 8 output
 * height, 9 output width, 10 kernel height, 11 kernel width, 12 strideY, 13 strideX, 14 top, 15 left; 16 bytes of a line. Scratch is
 * two lines.
 */
export function maxPoolGradient(args: usize, share: i32, shares: i32): void {
  const lineBytes = pointer(args, 16);
  const line = scratchOf(args, 3);
  const cells = line + lineBytes;
  const height = word(args, 6);
  const width = word(args, 7);
  const outHeight = word(args, 8);
  const outWidth = word(args, 9);
  const kernelWidth = word(args, 11);
  const strideX = word(args, 13);
  const left = word(args, 15);
  fillLine(line, lineBytes, lowest());
  fillLine(cells, lineBytes, zero());
  const last = shareStart(word(args, 5), share + 1, shares);
  for (let map = shareStart(word(args, 5), share, shares); map < last; map++) {
    const x = at(pointer(args, 1), map * height * width);
    const dx = at(pointer(args, 2), map * height * width);
    let dy = at(pointer(args, 0), map * outHeight * outWidth);
    memory.fill(dx, 0, <usize>(height * width) << 2);
    for (let i = 0; i < outHeight; i++) {
      const top = i * word(args, 12) - word(args, 14);
      const first = max(0, top) * width;
      const rows = min(height, top + word(args, 10)) - max(0, top);
      winnersDown(at(x, first), rows, width, -1 - first, at(line, left), at(cells, left));
      for (let j = 0; j < outWidth; j += 4) {
        const start = j * strideX;
        const winner = winnersAcross(at(line, start), at(cells, start), kernelWidth, strideX);
        scatter(dx, v128.not(winner), at(dy, j), min(4, outWidth - j));
      }
      dy = at(dy, outWidth);
    }
  }
}

/** Adds `count` values (1 to 4) to the cells with the numbers in the lanes. */
function scatter(to: usize, cells: v128, from: usize, count: i32): void {
  add(to, i32x4.extract_lane(cells, 0), load<f32>(from));
  if (count > 1) add(to, i32x4.extract_lane(cells, 1), load<f32>(from, 4));
  if (count > 2) add(to, i32x4.extract_lane(cells, 2), load<f32>(from, 8));
  if (count > 3) add(to, i32x4.extract_lane(cells, 3), load<f32>(from, 12));
}

function add(to: usize, cell: i32, value: f32): void {
  store<f32>(at(to, cell), load<f32>(at(to, cell)) + value);
}

/**
 * The gradient goes to all cells of a window that equal its maximum (to every NaN where there is one); overlapping windows add up.
 * Scratch holds a line for the maxima down the rows, and for every row of windows two lines with their maxima and dy, as far
 * apart as the windows: dy is zero between.
 *
 * Arguments: as `maxPoolGradient`.
 */
export function maxPoolGradientAll(args: usize, share: i32, shares: i32): void {
  const lineBytes = pointer(args, 16);
  const line = scratchOf(args, 3);
  const pairs = line + lineBytes;
  const pairBytes = lineBytes << 1;
  const height = word(args, 6);
  const width = word(args, 7);
  const outHeight = word(args, 8);
  const outWidth = word(args, 9);
  const kernelHeight = word(args, 10);
  const kernelWidth = word(args, 11);
  const strideY = word(args, 12);
  const strideX = word(args, 13);
  const top = word(args, 14);
  const left = word(args, 15);
  fillLine(line, lineBytes, lowest());
  fillLine(pairs, <usize>outHeight * pairBytes, zero());
  const last = shareStart(word(args, 5), share + 1, shares);
  for (let map = shareStart(word(args, 5), share, shares); map < last; map++) {
    let x = at(pointer(args, 1), map * height * width);
    let dx = at(pointer(args, 2), map * height * width);
    let dy = at(pointer(args, 0), map * outHeight * outWidth);
    for (let i = 0; i < outHeight; i++) {
      const first = max(0, i * strideY - top);
      maximumDown(at(x, first * width), min(height, i * strideY - top + kernelHeight) - first, width, at(line, left));
      const starts = at(pairs + <usize>i * pairBytes, kernelWidth - 1);
      for (let j = 0; j < outWidth; j += 4) {
        const start = at(starts, j * strideX);
        const count = min(4, outWidth - j);
        storeSpaced(start, canonical(maximumAcross(at(line, j * strideX), kernelWidth, strideX)), strideX, count);
        storeSpaced(start + lineBytes, v128.load(at(dy, j)), strideX, count);
      }
      dy = at(dy, outWidth);
    }
    for (let r = 0; r < height; r++) {
      const first = firstWindow(r + top, kernelHeight, strideY);
      const from = pairs + <usize>first * pairBytes;
      const end = pairs + <usize>min(outHeight, (r + top) / strideY + 1) * pairBytes;
      for (let c = 0; c < width; c += 8) {
        const x0 = canonical(v128.load(at(x, c)));
        const x1 = canonical(v128.load(at(x, c), 16));
        let sum0 = zero();
        let sum1 = zero();
        for (let pair = at(from, left + c); pair < end; pair += pairBytes) {
          let window = pair;
          const past = at(pair, kernelWidth);
          for (; window < past; window += 4) {
            const parts = window + lineBytes;
            sum0 = f32x4.add(sum0, v128.and(v128.load(parts), i32x4.eq(x0, v128.load(window))));
            sum1 = f32x4.add(sum1, v128.and(v128.load(parts, 16), i32x4.eq(x1, v128.load(window, 16))));
          }
        }
        storeLanes(at(dx, c), sum0, min(4, width - c));
        if (width - c > 4) storeLanes(at(dx, c + 4), sum1, min(4, width - c - 4));
      }
      x = at(x, width);
      dx = at(dx, width);
    }
  }
}
