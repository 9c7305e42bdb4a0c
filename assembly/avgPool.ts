/**
 * Average pooling over windows that may overlap, stick out into padding, or end beyond the image. Sums are taken down the rows
 * of a window first, for whole image rows, then across; the gradient goes the other way.
 */
import { at, pointer, scratchOf, shareStart, word } from './lib/args';
import { fillLine, firstWindow, loadSpaced, storeSpaced, sumRows } from './lib/pooling';
import { storeLanes, zero } from './lib/simd';

/** Cells of window `i` along an axis that lie in the image and in the padding that counts, `before` and `after` it. */
function cells(i: i32, stride: i32, padding: i32, kernel: i32, extent: i32, before: i32, after: i32): i32 {
  const start = i * stride - padding;
  return min(extent + after, start + kernel) - max(-before, start);
}

/** Writes the columns that count of every window of a row. */
function countColumns(args: usize, counts: usize): void {
  const windows = word(args, 8);
  for (let j = 0; j < windows; j++) {
    const columns = cells(j, word(args, 12), word(args, 14), word(args, 10), word(args, 6), word(args, 16), word(args, 18));
    store<f32>(at(counts, j), <f32>columns);
  }
}

/** Rows that count of window row `i`. */
function countRows(args: usize, i: i32): v128 {
  const rows = cells(i, word(args, 11), word(args, 13), word(args, 9), word(args, 5), word(args, 15), word(args, 17));
  return f32x4.splat(<f32>rows);
}

/** Sum of each of four windows, `stride` apart, of `size` cells of a line. */
// @ts-ignore: decorator
@inline
function windowSum(window: usize, size: i32, stride: i32): v128 {
  const end = at(window, size);
  let sum = zero();
  if (stride == 2) {
    for (; window + 4 < end; window += 8) {
      const a = v128.load(window);
      const b = v128.load(window, 16);
      sum = f32x4.add(sum, v128.shuffle<f32>(a, b, 0, 2, 4, 6));
      sum = f32x4.add(sum, v128.shuffle<f32>(a, b, 1, 3, 5, 7));
    }
  }
  for (; window < end; window += 4) sum = f32x4.add(sum, loadSpaced(window, stride));
  return sum;
}

/**
 * y = (sum of a window's cells in the image) / (its cells in the image and in the padding that counts). Scratch holds a line and the
 * columns that count of every window of a row, as many bytes again.
 *
 * Arguments: 0 x, 1 y, 2 scratch, 3 scratch bytes per thread, 4 maps (batch × channels), 5 height, 6 width, 7 output height, 8 output
 * width, 9 kernel height, 10 kernel width, 11 strideY, 12 strideX, 13 top, 14 left, then the padding that counts: 15 top, 16 left,
 * 17 bottom, 18 right; 19 bytes of a line.
 */
export function avgPool(args: usize, share: i32, shares: i32): void {
  const line = scratchOf(args, 2);
  const height = word(args, 5);
  const width = word(args, 6);
  const outHeight = word(args, 7);
  const outWidth = word(args, 8);
  const kernelWidth = word(args, 10);
  const strideX = word(args, 12);
  const lineBytes = pointer(args, 19);
  const counts = line + lineBytes;
  fillLine(line, lineBytes, zero());
  countColumns(args, counts);
  const image = at(line, word(args, 14));
  const last = shareStart(word(args, 4), share + 1, shares);
  for (let map = shareStart(word(args, 4), share, shares); map < last; map++) {
    const x = at(pointer(args, 0), map * height * width);
    let y = at(pointer(args, 1), map * outHeight * outWidth);
    for (let i = 0; i < outHeight; i++) {
      const top = i * word(args, 11) - word(args, 13);
      const first = max(0, top);
      sumRows(at(x, first * width), min(height, top + word(args, 9)) - first, <usize>width << 2, image);
      v128.store(at(image, width), zero());
      v128.store(at(image, width), zero(), 16);
      const rows = countRows(args, i);
      for (let j = 0; j < outWidth; j += 4) {
        const sum = windowSum(at(line, j * strideX), kernelWidth, strideX);
        const mean = f32x4.div(sum, f32x4.mul(rows, v128.load(at(counts, j))));
        storeLanes(at(y, j), mean, min(4, outWidth - j));
      }
      y = at(y, outWidth);
    }
  }
}

/**
 * dx = sum over the windows that hold a cell of dy / (the window's cells that count). Scratch holds a line of such shares, as
 * far apart as their windows and zeros between; the columns that count; and the shares summed along each row of windows.
 *
 * Arguments: as `avgPool`, with 0 dy and 1 dx; two lines and the sums, output height × the width in whole vectors, of scratch.
 */
export function avgPoolGradient(args: usize, share: i32, shares: i32): void {
  const line = scratchOf(args, 2);
  const height = word(args, 5);
  const width = word(args, 6);
  const outHeight = word(args, 7);
  const outWidth = word(args, 8);
  const kernelHeight = word(args, 9);
  const kernelWidth = word(args, 10);
  const strideY = word(args, 11);
  const top = word(args, 13);
  const left = word(args, 14);
  const lineBytes = pointer(args, 19);
  const counts = line + lineBytes;
  const sums = counts + lineBytes;
  const sumBytes = (<usize>width + 3 & ~3) << 2;
  fillLine(line, lineBytes, zero());
  countColumns(args, counts);
  const last = shareStart(word(args, 4), share + 1, shares);
  for (let map = shareStart(word(args, 4), share, shares); map < last; map++) {
    let dy = at(pointer(args, 0), map * outHeight * outWidth);
    let dx = at(pointer(args, 1), map * height * width);
    for (let i = 0; i < outHeight; i++) {
      shareOut(dy, args, countRows(args, i), counts, line);
      sumAcross(at(line, left), kernelWidth, sums + <usize>i * sumBytes, sumBytes);
      dy = at(dy, outWidth);
    }
    for (let r = 0; r < height; r++) {
      const first = firstWindow(r + top, kernelHeight, strideY);
      const windows = min(outHeight, (r + top) / strideY + 1) - first;
      for (let c = 0; c < width; c += 8) {
        let row = at(sums + <usize>first * sumBytes, c);
        let a = zero();
        let b = zero();
        for (let i = 0; i < windows; i++, row += sumBytes) {
          a = f32x4.add(a, v128.load(row));
          b = f32x4.add(b, v128.load(row, 16));
        }
        storeLanes(at(dx, c), a, min(4, width - c));
        if (width - c > 4) storeLanes(at(dx, c + 4), b, min(4, width - c - 4));
      }
      dx = at(dx, width);
    }
  }
}

/** Writes dy / (rows · columns that count) of a row of windows, such that the `kernelWidth` values from a cell on are of those that hold it. */
function shareOut(dy: usize, args: usize, rows: v128, counts: usize, line: usize): void {
  const outWidth = word(args, 8);
  const strideX = word(args, 12);
  const starts = at(line, word(args, 10) - 1);
  for (let j = 0; j < outWidth; j += 4) {
    const part = f32x4.div(v128.load(at(dy, j)), f32x4.mul(rows, v128.load(at(counts, j))));
    storeSpaced(at(starts, j * strideX), part, strideX, min(4, outWidth - j));
  }
}

/** to[c] = from[c] + … + from[c + count − 1]. */
function sumAcross(from: usize, count: i32, to: usize, bytes: usize): void {
  const end = from + bytes;
  for (; from < end; from += 32, to += 32) {
    const last = at(from, count);
    let a = zero();
    let b = zero();
    for (let cell = from; cell < last; cell += 4) {
      a = f32x4.add(a, v128.load(cell));
      b = f32x4.add(b, v128.load(cell, 16));
    }
    v128.store(to, a);
    v128.store(to, b, 16);
  }
}
