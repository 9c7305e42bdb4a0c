import { at, lineStart, pointer, word } from './lib/args';
import { rectify } from './lib/epilogue';
import { zero } from './lib/simd';

/** y = max(x, 0); NaN stays. Arguments: x, y, count. */
export function relu(args: usize, share: i32, shares: i32): void {
  const count = word(args, 2);
  const first = lineStart(count, share, shares);
  let x = at(pointer(args, 0), first);
  let y = at(pointer(args, 1), first);
  const end = at(pointer(args, 0), lineStart(count, share + 1, shares));
  for (; x + 16 <= end; x += 16, y += 16) v128.store(y, rectify(v128.load(x)));
  for (; x < end; x += 4, y += 4) store<f32>(y, load<f32>(x) < 0 ? 0 : load<f32>(x));
}

/** dx = dy where y > 0, else 0. Arguments: dy, y, dx, count. */
export function reluGradient(args: usize, share: i32, shares: i32): void {
  const count = word(args, 3);
  const first = lineStart(count, share, shares);
  let dy = at(pointer(args, 0), first);
  let y = at(pointer(args, 1), first);
  let dx = at(pointer(args, 2), first);
  const end = at(pointer(args, 0), lineStart(count, share + 1, shares));
  for (; dy + 16 <= end; dy += 16, y += 16, dx += 16) {
    v128.store(dx, v128.and(v128.load(dy), f32x4.gt(v128.load(y), zero())));
  }
  for (; dy < end; dy += 4, y += 4, dx += 4) store<f32>(dx, load<f32>(y) > 0 ? load<f32>(dy) : 0);
}
