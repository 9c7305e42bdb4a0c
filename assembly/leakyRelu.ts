import { at, lineStart, number, pointer, word } from './lib/args';
import { storeLanes, zero } from './lib/simd';

/** y = x where x > 0, else slope·x. Arguments: 0 x, 1 y, 2 count, 3 slope. */
export function leakyRelu(args: usize, share: i32, shares: i32): void {
  leak(pointer(args, 0), pointer(args, 0), pointer(args, 1), word(args, 2), number(args, 3), share, shares);
}

/** dx = dy where y > 0, else slope·dy. Arguments: 0 dy, 1 y, 2 dx, 3 count, 4 slope. */
export function leakyReluGradient(args: usize, share: i32, shares: i32): void {
  leak(pointer(args, 0), pointer(args, 1), pointer(args, 2), word(args, 3), number(args, 4), share, shares);
}

/** to = from where the gate is positive, else slope·from. */
function leak(from: usize, gate: usize, to: usize, count: i32, slope: f32, share: i32, shares: i32): void {
  const factor = f32x4.splat(slope);
  const last = lineStart(count, share + 1, shares);
  for (let i = lineStart(count, share, shares); i < last; i += 4) {
    const value = v128.load(at(from, i));
    const open = f32x4.gt(v128.load(at(gate, i)), zero());
    storeLanes(at(to, i), v128.bitselect(value, f32x4.mul(factor, value), open), min(4, last - i));
  }
}
