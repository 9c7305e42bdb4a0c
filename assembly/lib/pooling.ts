/**
 * What the poolings share. They keep a row of an image in a line of scratch, with the cells of the padding around it, so that no
 * window is clipped sideways and four windows go at a time.
 */
import { at } from './args';

/** Fills a line, whole vectors. */
export function fillLine(line: usize, bytes: usize, value: v128): void {
  for (let i: usize = 0; i < bytes; i += 16) v128.store(line + i, value);
}

/** Four cells, each `stride` after the one before it. */
// @ts-ignore: decorator
@inline
export function loadSpaced(from: usize, stride: i32): v128 {
  if (stride == 2) return v128.shuffle<f32>(v128.load(from), v128.load(from, 16), 0, 2, 4, 6);
  if (stride == 1) return v128.load(from);
  const step = <usize>stride << 2;
  return f32x4(load<f32>(from), load<f32>(from + step), load<f32>(from + 2 * step), load<f32>(from + 3 * step));
}

/** Stores the first `count` lanes (1 to 4), each `stride` cells after the one before it. */
export function storeSpaced(to: usize, v: v128, stride: i32, count: i32): void {
  const step = <usize>stride << 2;
  store<f32>(to, f32x4.extract_lane(v, 0));
  if (count > 1) store<f32>(to + step, f32x4.extract_lane(v, 1));
  if (count > 2) store<f32>(to + 2 * step, f32x4.extract_lane(v, 2));
  if (count > 3) store<f32>(to + 3 * step, f32x4.extract_lane(v, 3));
}

/** First of the windows, `stride` apart, that hold a cell of the padded image; the last is at most `cell / stride`. */
export function firstWindow(cell: i32, kernel: i32, stride: i32): i32 {
  return cell < kernel ? 0 : (cell - kernel) / stride + 1;
}

/** Sum of `rows` rows, each `rowBytes` long, into a line; the last two vectors of a row take in what follows it: summed, but not used. */
export function sumRows(from: usize, rows: i32, rowBytes: usize, line: usize): void {
  for (let j: usize = 0; j < rowBytes; j += 32) {
    let row = from + j;
    let a = v128.load(row);
    let b = v128.load(row, 16);
    for (let r = 1; r < rows; r++) {
      row += rowBytes;
      a = f32x4.add(a, v128.load(row));
      b = f32x4.add(b, v128.load(row, 16));
    }
    v128.store(line + j, a);
    v128.store(line + j, b, 16);
  }
}
