/**
 * Average pooling over windows that may overlap, stick out into padding, or end beyond the image. Sums are taken down the rows
 * of a window first, for whole image rows, then across; the gradient goes the other way.
 */
import { at, pointer, shareStart, word } from './lib/args';

/** Sum of `rows` rows, each `rowBytes` long, into a line; the last vector of a row takes in what follows it: summed, but not used. */
export function sumRows(from: usize, rows: i32, rowBytes: usize, line: usize): void {
  for (let j: usize = 0; j < rowBytes; j += 16) {
    let row = from + j;
    let sum = v128.load(row);
    for (let r = 1; r < rows; r++) {
      row += rowBytes;
      sum = f32x4.add(sum, v128.load(row));
    }
    v128.store(line + j, sum);
  }
}

/** Sum of cells first … end − 1 of a line. */
export function sumCells(line: usize, first: i32, end: i32): f32 {
  let sum = load<f32>(at(line, first));
  for (let c = first + 1; c < end; c++) sum += load<f32>(at(line, c));
  return sum;
}

/** Adds a value to cells first … end − 1 of a line. */
export function addToCells(line: usize, first: i32, end: i32, value: f32): void {
  const last = at(line, end);
  for (let cell = at(line, first); cell < last; cell += 4) store<f32>(cell, load<f32>(cell) + value);
}

/** Adds a line to each of `rows` rows, each `rowBytes` long. */
export function addToRows(line: usize, rows: i32, rowBytes: usize, to: usize): void {
  const whole = rowBytes & ~15;
  for (let r = 0; r < rows; r++) {
    let j: usize = 0;
    for (; j < whole; j += 16) v128.store(to + j, f32x4.add(v128.load(to + j), v128.load(line + j)));
    for (; j < rowBytes; j += 4) store<f32>(to + j, load<f32>(to + j) + load<f32>(line + j));
    to += rowBytes;
  }
}

/**
 * y = (sum of a window's cells in the image) / (its cells in the image and in the padding that counts).
 *
 * Arguments: 0 x, 1 y, 2 scratch, 3 scratch bytes per thread, 4 maps (batch × channels), 5 height, 6 width, 7 output height, 8 output
 * width, 9 kernel height, 10 kernel width, 11 strideY, 12 strideX, 13 top, 14 left, then the padding that counts: 15 top, 16 left,
 * 17 bottom, 18 right.
 */
export function avgPool(args: usize, thread: i32, threads: i32): void {
  const line = pointer(args, 2) + <usize>thread * pointer(args, 3);
  const maps = word(args, 4);
  const height = word(args, 5);
  const width = word(args, 6);
  const outHeight = word(args, 7);
  const outWidth = word(args, 8);
  const kernelHeight = word(args, 9);
  const kernelWidth = word(args, 10);
  const rowBytes = <usize>width << 2;
  const last = shareStart(maps, thread + 1, threads);
  for (let map = shareStart(maps, thread, threads); map < last; map++) {
    const x = at(pointer(args, 0), map * height * width);
    let y = at(pointer(args, 1), map * outHeight * outWidth);
    for (let i = 0; i < outHeight; i++) {
      const top = i * word(args, 11) - word(args, 13);
      const first = max(0, top);
      sumRows(at(x, first * width), min(height, top + kernelHeight) - first, rowBytes, line);
      const rows = min(height + word(args, 17), top + kernelHeight) - max(-word(args, 15), top);
      for (let j = 0; j < outWidth; j++) {
        const left = j * word(args, 12) - word(args, 14);
        const columns = min(width + word(args, 18), left + kernelWidth) - max(-word(args, 16), left);
        store<f32>(y, sumCells(line, max(0, left), min(width, left + kernelWidth)) / <f32>(rows * columns));
        y += 4;
      }
    }
  }
}

/**
 * dx = sum over the windows that hold a cell of dy / (the window's cells that count).
 *
 * Arguments: as `avgPool`, with 0 dy and 1 dx.
 */
export function avgPoolGradient(args: usize, thread: i32, threads: i32): void {
  const line = pointer(args, 2) + <usize>thread * pointer(args, 3);
  const maps = word(args, 4);
  const height = word(args, 5);
  const width = word(args, 6);
  const outHeight = word(args, 7);
  const outWidth = word(args, 8);
  const kernelHeight = word(args, 9);
  const kernelWidth = word(args, 10);
  const rowBytes = <usize>width << 2;
  const last = shareStart(maps, thread + 1, threads);
  for (let map = shareStart(maps, thread, threads); map < last; map++) {
    let dy = at(pointer(args, 0), map * outHeight * outWidth);
    const dx = at(pointer(args, 1), map * height * width);
    memory.fill(dx, 0, <usize>height * rowBytes);
    for (let i = 0; i < outHeight; i++) {
      const top = i * word(args, 11) - word(args, 13);
      const rows = min(height + word(args, 17), top + kernelHeight) - max(-word(args, 15), top);
      memory.fill(line, 0, rowBytes);
      for (let j = 0; j < outWidth; j++) {
        const left = j * word(args, 12) - word(args, 14);
        const columns = min(width + word(args, 18), left + kernelWidth) - max(-word(args, 16), left);
        addToCells(line, max(0, left), min(width, left + kernelWidth), load<f32>(dy) / <f32>(rows * columns));
        dy += 4;
      }
      const first = max(0, top);
      addToRows(line, min(height, top + kernelHeight) - first, rowBytes, at(dx, first * width));
    }
  }
}
