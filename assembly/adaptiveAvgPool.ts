/** Average pooling into a given number of windows per axis: window i of n holds cells ⌊i·L/n⌋ … ⌈(i + 1)·L/n⌉ − 1. */
import { at, pointer, scratchOf, shareStart, word } from './lib/args';
import { sumRows } from './lib/pooling';

function spanStart(i: i32, count: i32, extent: i32): i32 {
  return i * extent / count;
}

function spanEnd(i: i32, count: i32, extent: i32): i32 {
  return ((i + 1) * extent + count - 1) / count;
}

/** Sum of cells first … end − 1 of a line. */
function sumCells(line: usize, first: i32, end: i32): f32 {
  let sum = load<f32>(at(line, first));
  for (let c = first + 1; c < end; c++) sum += load<f32>(at(line, c));
  return sum;
}

/** Adds a value to cells first … end − 1 of a line. */
function addToCells(line: usize, first: i32, end: i32, value: f32): void {
  const last = at(line, end);
  for (let cell = at(line, first); cell < last; cell += 4) store<f32>(cell, load<f32>(cell) + value);
}

/** Adds a line to each of `rows` rows, each `rowBytes` long. */
function addToRows(line: usize, rows: i32, rowBytes: usize, to: usize): void {
  const whole = rowBytes & ~15;
  for (let r = 0; r < rows; r++) {
    let j: usize = 0;
    for (; j < whole; j += 16) v128.store(to + j, f32x4.add(v128.load(to + j), v128.load(line + j)));
    for (; j < rowBytes; j += 4) store<f32>(to + j, load<f32>(to + j) + load<f32>(line + j));
    to += rowBytes;
  }
}

/**
 * Arguments: 0 x, 1 y, 2 scratch, 3 scratch bytes per thread, 4 maps (batch × channels), 5 height, 6 width, 7 output height, 8 output
 * width.
 */
export function adaptiveAvgPool(args: usize, share: i32, shares: i32): void {
  const line = scratchOf(args, 2);
  const maps = word(args, 4);
  const height = word(args, 5);
  const width = word(args, 6);
  const outHeight = word(args, 7);
  const outWidth = word(args, 8);
  const last = shareStart(maps, share + 1, shares);
  for (let map = shareStart(maps, share, shares); map < last; map++) {
    const x = at(pointer(args, 0), map * height * width);
    let y = at(pointer(args, 1), map * outHeight * outWidth);
    for (let i = 0; i < outHeight; i++) {
      const top = spanStart(i, outHeight, height);
      const rows = spanEnd(i, outHeight, height) - top;
      sumRows(at(x, top * width), rows, <usize>width << 2, line);
      for (let j = 0; j < outWidth; j++) {
        const left = spanStart(j, outWidth, width);
        const right = spanEnd(j, outWidth, width);
        store<f32>(y, sumCells(line, left, right) / <f32>(rows * (right - left)));
        y += 4;
      }
    }
  }
}

/** Arguments: as `adaptiveAvgPool`, with 0 dy and 1 dx. */
export function adaptiveAvgPoolGradient(args: usize, share: i32, shares: i32): void {
  const line = scratchOf(args, 2);
  const maps = word(args, 4);
  const height = word(args, 5);
  const width = word(args, 6);
  const outHeight = word(args, 7);
  const outWidth = word(args, 8);
  const rowBytes = <usize>width << 2;
  const last = shareStart(maps, share + 1, shares);
  for (let map = shareStart(maps, share, shares); map < last; map++) {
    let dy = at(pointer(args, 0), map * outHeight * outWidth);
    const dx = at(pointer(args, 1), map * height * width);
    memory.fill(dx, 0, <usize>height * rowBytes);
    for (let i = 0; i < outHeight; i++) {
      const top = spanStart(i, outHeight, height);
      const rows = spanEnd(i, outHeight, height) - top;
      memory.fill(line, 0, rowBytes);
      for (let j = 0; j < outWidth; j++) {
        const left = spanStart(j, outWidth, width);
        const right = spanEnd(j, outWidth, width);
        addToCells(line, left, right, load<f32>(dy) / <f32>(rows * (right - left)));
        dy += 4;
      }
      addToRows(line, rows, rowBytes, at(dx, top * width));
    }
  }
}
