import { at, lineStart, pointer, word } from './lib/args';
import { exp } from './lib/elementary';
import { storeLanes } from './lib/simd';

/** y = 1/(1 + e^−x). Arguments: 0 x, 1 y, 2 count. */
export function sigmoid(args: usize, share: i32, shares: i32): void {
  const count = word(args, 2);
  const one = f32x4.splat(1);
  const last = lineStart(count, share + 1, shares);
  for (let i = lineStart(count, share, shares); i < last; i += 4) {
    const e = exp(f32x4.neg(v128.load(at(pointer(args, 0), i))));
    storeLanes(at(pointer(args, 1), i), f32x4.div(one, f32x4.add(one, e)), min(4, last - i));
  }
}

/** dx = dy·(y·(1 − y)). Arguments: 0 dy, 1 y, 2 dx, 3 count. */
export function sigmoidGradient(args: usize, share: i32, shares: i32): void {
  const count = word(args, 3);
  const last = lineStart(count, share + 1, shares);
  for (let i = lineStart(count, share, shares); i < last; i += 4) {
    const y = v128.load(at(pointer(args, 1), i));
    const slope = f32x4.mul(y, f32x4.sub(f32x4.splat(1), y));
    const dx = f32x4.mul(v128.load(at(pointer(args, 0), i)), slope);
    storeLanes(at(pointer(args, 2), i), dx, min(4, last - i));
  }
}
