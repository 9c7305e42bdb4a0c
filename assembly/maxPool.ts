/**
 * Max pooling over windows that may overlap, stick out into padding, or end beyond the image; padded cells never win.
 */
import { at, pointer, shareStart, word } from './lib/args';

/**
 * First the maximum down the rows of a window for whole image rows, then across. NaN in a window gives NaN.
 *
 * Arguments: 0 x, 1 y, 2 scratch, 3 scratch bytes per thread, 4 maps (batch × channels), 5 height, 6 width, 7 output height, 8 output
 * width, 9 kernel height, 10 kernel width, 11 strideY, 12 strideX, 13 top, 14 left.
 */
export function maxPool(args: usize, thread: i32, threads: i32): void {
  const column = pointer(args, 2) + <usize>thread * pointer(args, 3);
  const maps = word(args, 4);
  const height = word(args, 5);
  const width = word(args, 6);
  const outHeight = word(args, 7);
  const outWidth = word(args, 8);
  const kernelWidth = word(args, 10);
  const strideX = word(args, 12);
  const left = word(args, 14);
  const rowBytes = <usize>width << 2;
  const last = shareStart(maps, thread + 1, threads);
  for (let map = shareStart(maps, thread, threads); map < last; map++) {
    const x = at(pointer(args, 0), map * height * width);
    let y = at(pointer(args, 1), map * outHeight * outWidth);
    for (let i = 0; i < outHeight; i++) {
      const row = i * word(args, 11) - word(args, 13);
      const first = at(x, max(0, row) * width);
      const rows = min(height, row + word(args, 9)) - max(0, row);
      // The last vector of a row takes in what follows it: read, but not used.
      for (let j: usize = 0; j < rowBytes; j += 16) {
        let from = first + j;
        let best = v128.load(from);
        for (let r = 1; r < rows; r++) {
          from += rowBytes;
          best = f32x4.max(best, v128.load(from));
        }
        v128.store(column + j, best);
      }
      for (let j = 0; j < outWidth; j++) {
        const start = j * strideX - left;
        const end = min(width, start + kernelWidth);
        let best: f32 = -Infinity;
        for (let c = max(0, start); c < end; c++) best = max(best, load<f32>(at(column, c)));
        store<f32>(y, best);
        y += 4;
      }
    }
  }
}

/**
 * The gradient goes to the first maximum of each window in row-major order (to the first NaN where there is one), or to all cells that
 * equal it; overlapping windows add up.
 *
 * Arguments: 0 dy, 1 x, 2 dx, 3 whether ties go to all, then as 4 … 14 of `maxPool`: 4 maps, 5 height, 6 width, 7 output height,
 * 8 output width, 9 kernel height, 10 kernel width, 11 strideY, 12 strideX, 13 top, 14 left.
 */
export function maxPoolGradient(args: usize, thread: i32, threads: i32): void {
  const all = word(args, 3) != 0;
  const maps = word(args, 4);
  const height = word(args, 5);
  const width = word(args, 6);
  const outHeight = word(args, 7);
  const outWidth = word(args, 8);
  const last = shareStart(maps, thread + 1, threads);
  for (let map = shareStart(maps, thread, threads); map < last; map++) {
    const x = at(pointer(args, 1), map * height * width);
    const dx = at(pointer(args, 2), map * height * width);
    let dy = at(pointer(args, 0), map * outHeight * outWidth);
    memory.fill(dx, 0, <usize>(height * width) << 2);
    for (let i = 0; i < outHeight; i++) {
      const top = i * word(args, 11) - word(args, 13);
      const rowEnd = min(height, top + word(args, 9));
      for (let j = 0; j < outWidth; j++) {
        const left = j * word(args, 12) - word(args, 14);
        const columnEnd = min(width, left + word(args, 10));
        let winner = max(0, top) * width + max(0, left);
        let best = load<f32>(at(x, winner));
        for (let r = max(0, top); r < rowEnd; r++) {
          for (let c = max(0, left); c < columnEnd; c++) {
            const value = load<f32>(at(x, r * width + c));
            if (value > best || (value != value && best == best)) {
              best = value;
              winner = r * width + c;
            }
          }
        }
        const gradient = load<f32>(dy);
        if (all) {
          for (let r = max(0, top); r < rowEnd; r++) {
            for (let c = max(0, left); c < columnEnd; c++) {
              const value = load<f32>(at(x, r * width + c));
              if (value == best || (value != value && best != best)) add(dx, r * width + c, gradient);
            }
          }
        } else {
          add(dx, winner, gradient);
        }
        dy += 4;
      }
    }
  }
}

function add(to: usize, index: i32, value: f32): void {
  store<f32>(at(to, index), load<f32>(at(to, index)) + value);
}
