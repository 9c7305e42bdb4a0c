import { at, lineStart, number, pointer, word } from './lib/args';
import { storeLanes } from './lib/simd';

/** y = factor·x. Arguments: 0 x, 1 y, 2 count, 3 factor. */
export function scale(args: usize, thread: i32, threads: i32): void {
  const count = word(args, 2);
  const factor = f32x4.splat(number(args, 3));
  const last = lineStart(count, thread + 1, threads);
  for (let i = lineStart(count, thread, threads); i < last; i += 4) {
    storeLanes(at(pointer(args, 1), i), f32x4.mul(factor, v128.load(at(pointer(args, 0), i))), min(4, last - i));
  }
}
