/** Local response normalisation within each channel, and its gradient: sums over square windows, down and then across. */
import { at, number, pointer, scratchOf, shareStart, word } from './lib/args';
import { laneMask, madd, zero } from './lib/simd';
import { scaleDown } from './lrn';

/** Sums of squares of `rows` rows of the image, to the end of the last vector; lanes past the width are zero. */
function squareRows(from: usize, rows: i32, width: i32, line: usize): void {
  const stride = <usize>width << 2;
  for (let j = 0; j < width; j += 4) {
    let sum = zero();
    let row = at(from, j);
    for (let r = 0; r < rows; r++) {
      const x = v128.load(row);
      sum = madd(x, x, sum);
      row += stride;
    }
    v128.store(at(line, j), v128.and(sum, laneMask(width - j)));
  }
}

/** Sum of `size` lines' worth of neighbours: lane i is line[i] + … + line[i + size − 1]. */
function windowSum(line: usize, size: i32): v128 {
  let sum = v128.load(line);
  for (let j = 1; j < size; j++) sum = f32x4.add(sum, v128.load(at(line, j)));
  return sum;
}

/**
 * y = x·(k + a·Σ x²)^−β. Scratch holds a line of sums between zeros (width + size, in whole vectors and one more), then a row of y.
 *
 * Arguments: 0 x, 1 y, 2 scratch, 3 scratch bytes per thread, 4 maps (batch × channels), 5 height, 6 width, 7 size, 8 cells before in
 * a window, 9 bytes of a line, 10 a (per element), 11 k, 12 beta.
 */
export function lrnWithin(args: usize, share: i32, shares: i32): void {
  const line = scratchOf(args, 2);
  const maps = word(args, 4);
  const height = word(args, 5);
  const width = word(args, 6);
  const size = word(args, 7);
  const before = word(args, 8);
  const staged = line + pointer(args, 9);
  const a = f32x4.splat(number(args, 10));
  const k = f32x4.splat(number(args, 11));
  const beta = number(args, 12);
  memory.fill(line, 0, pointer(args, 9));
  const own = at(line, before);
  const last = shareStart(maps, share + 1, shares);
  for (let map = shareStart(maps, share, shares); map < last; map++) {
    const x = at(pointer(args, 0), map * height * width);
    const y = at(pointer(args, 1), map * height * width);
    for (let i = 0; i < height; i++) {
      const first = max(0, i - before);
      squareRows(at(x, first * width), min(height, i - before + size) - first, width, own);
      const row = at(x, i * width);
      for (let j = 0; j < width; j += 4) {
        const s = madd(a, windowSum(at(line, j), size), k);
        v128.store(at(staged, j), scaleDown(v128.load(at(row, j)), s, beta));
      }
      memory.copy(at(y, i * width), staged, <usize>width << 2);
    }
  }
}

/**
 * dx = dy·s^−β − 2aβ·x·Σ dy·x·s^(−β−1) over the cells in whose windows it is, with s recomputed from x. Scratch holds a line of
 * sums between zeros, a row of dx, then dy·s^−β and dy·x·s^(−β−1) of a whole map in rows of whole vectors.
 *
 * Arguments: 0 dy, 1 x, 2 dx, 3 scratch, 4 scratch bytes per thread, 5 maps, 6 height, 7 width, 8 size, 9 cells before in a window,
 * 10 bytes of a line, 11 a (per element), 12 k, 13 beta, 14 2aβ.
 */
export function lrnWithinGradient(args: usize, share: i32, shares: i32): void {
  const line = scratchOf(args, 3);
  const maps = word(args, 5);
  const height = word(args, 6);
  const width = word(args, 7);
  const size = word(args, 8);
  const before = word(args, 9);
  const staged = line + pointer(args, 10);
  const stride = (width + 3) & ~3;
  const direct = at(staged, stride);
  const terms = at(direct, height * stride);
  const a = f32x4.splat(number(args, 11));
  const k = f32x4.splat(number(args, 12));
  const beta = number(args, 13);
  const factor = f32x4.splat(number(args, 14));
  const after = size - 1 - before;
  const last = shareStart(maps, share + 1, shares);
  for (let map = shareStart(maps, share, shares); map < last; map++) {
    const offset = map * height * width;
    const dy = at(pointer(args, 0), offset);
    const x = at(pointer(args, 1), offset);
    memory.fill(line, 0, pointer(args, 10));
    for (let i = 0; i < height; i++) {
      const first = max(0, i - before);
      squareRows(at(x, first * width), min(height, i - before + size) - first, width, at(line, before));
      for (let j = 0; j < width; j += 4) {
        const mask = laneMask(width - j);
        const s = madd(a, windowSum(at(line, j), size), k);
        const scaled = scaleDown(v128.load(at(dy, i * width + j)), s, beta);
        const term = f32x4.div(f32x4.mul(scaled, v128.load(at(x, i * width + j))), s);
        v128.store(at(direct, i * stride + j), scaled);
        v128.store(at(terms, i * stride + j), v128.and(term, mask));
      }
    }
    // A cell is in the windows that start up to `after` before it: the mirrored window.
    memory.fill(line, 0, pointer(args, 10));
    for (let i = 0; i < height; i++) {
      const first = max(0, i - after);
      sumTerms(at(terms, first * stride), min(height, i + before + 1) - first, stride, at(line, after));
      for (let j = 0; j < width; j += 4) {
        const across = f32x4.mul(f32x4.mul(factor, v128.load(at(x, i * width + j))), windowSum(at(line, j), size));
        v128.store(at(staged, j), f32x4.sub(v128.load(at(direct, i * stride + j)), across));
      }
      memory.copy(at(pointer(args, 2), offset + i * width), staged, <usize>width << 2);
    }
  }
}

/** Sums of `rows` rows of `stride` elements, whole vectors. */
function sumTerms(from: usize, rows: i32, stride: i32, line: usize): void {
  for (let j = 0; j < stride; j += 4) {
    let row = at(from, j);
    let sum = v128.load(row);
    for (let r = 1; r < rows; r++) {
      row = at(row, stride);
      sum = f32x4.add(sum, v128.load(row));
    }
    v128.store(at(line, j), sum);
  }
}
