import { at, lineStart, number, pointer, word } from './lib/args';
import { storeLanes } from './lib/simd';

/** y = factor·x. Arguments: 0 x, 1 y, 2 count, 3 factor. */
export function scale(args: usize, share: i32, shares: i32): void {
  const count = word(args, 2);
  const factor = f32x4.splat(number(args, 3));
  const last = lineStart(count, share + 1, shares);
  for (let i = lineStart(count, share, shares); i < last; i += 4) {
    storeLanes(at(pointer(args, 1), i), f32x4.mul(factor, v128.load(at(pointer(args, 0), i))), min(4, last - i));
  }
}
