import { at, lineStart, number, pointer, word } from './lib/args';
import { storeLanes } from './lib/simd';

/** y = min(max(x, least), most); NaN stays. Arguments: 0 x, 1 y, 2 count, 3 least, 4 most. */
export function clip(args: usize, share: i32, shares: i32): void {
  const count = word(args, 2);
  const least = f32x4.splat(number(args, 3));
  const most = f32x4.splat(number(args, 4));
  const last = lineStart(count, share + 1, shares);
  for (let i = lineStart(count, share, shares); i < last; i += 4) {
    const y = f32x4.min(f32x4.max(v128.load(at(pointer(args, 0), i)), least), most);
    storeLanes(at(pointer(args, 1), i), y, min(4, last - i));
  }
}

/** dx = dy where least ≤ x ≤ most, else 0. Arguments: 0 dy, 1 x, 2 dx, 3 count, 4 least, 5 most. */
export function clipGradient(args: usize, share: i32, shares: i32): void {
  const count = word(args, 3);
  const least = f32x4.splat(number(args, 4));
  const most = f32x4.splat(number(args, 5));
  const last = lineStart(count, share + 1, shares);
  for (let i = lineStart(count, share, shares); i < last; i += 4) {
    const x = v128.load(at(pointer(args, 1), i));
    const within = v128.and(f32x4.ge(x, least), f32x4.le(x, most));
    const dx = v128.and(v128.load(at(pointer(args, 0), i)), within);
    storeLanes(at(pointer(args, 2), i), dx, min(4, last - i));
  }
}
