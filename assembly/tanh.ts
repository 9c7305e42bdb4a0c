import { at, lineStart, number, pointer, word } from './lib/args';
import { tanh as tanhLanes } from './lib/elementary';
import { storeLanes } from './lib/simd';

/** y = a·tanh(b·x). Arguments: 0 x, 1 y, 2 count, 3 a, 4 b. */
export function tanh(args: usize, share: i32, shares: i32): void {
  const count = word(args, 2);
  const a = f32x4.splat(number(args, 3));
  const b = f32x4.splat(number(args, 4));
  const last = lineStart(count, share + 1, shares);
  for (let i = lineStart(count, share, shares); i < last; i += 4) {
    const y = f32x4.mul(a, tanhLanes(f32x4.mul(b, v128.load(at(pointer(args, 0), i)))));
    storeLanes(at(pointer(args, 1), i), y, min(4, last - i));
  }
}

/** dx = dy·(b/a·((a − y)·(a + y))). Arguments: 0 dy, 1 y, 2 dx, 3 count, 4 a, 5 b/a. */
export function tanhGradient(args: usize, share: i32, shares: i32): void {
  const count = word(args, 3);
  const a = f32x4.splat(number(args, 4));
  const factor = f32x4.splat(number(args, 5));
  const last = lineStart(count, share + 1, shares);
  for (let i = lineStart(count, share, shares); i < last; i += 4) {
    const y = v128.load(at(pointer(args, 1), i));
    const slope = f32x4.mul(factor, f32x4.mul(f32x4.sub(a, y), f32x4.add(a, y)));
    const dx = f32x4.mul(v128.load(at(pointer(args, 0), i)), slope);
    storeLanes(at(pointer(args, 2), i), dx, min(4, last - i));
  }
}
