import { at, lineStart, pointer, word } from './lib/args';
import { laneMask, madd, storeLanes, sumLanes, zero } from './lib/simd';

/**
 * loss = mean of (x − target)². One thread, so that the order of the sum is fixed: a loss is taken of few numbers.
 *
 * Arguments: x, target, loss, count.
 */
export function meanSquaredError(args: usize, share: i32, _shares: i32): void {
  if (share != 0) return;
  const count = word(args, 3);
  let sum = zero();
  for (let i = 0; i < count; i += 4) {
    const difference = f32x4.sub(v128.load(at(pointer(args, 0), i)), v128.load(at(pointer(args, 1), i)));
    const own = v128.and(difference, laneMask(count - i));
    sum = madd(own, own, sum);
  }
  store<f32>(pointer(args, 2), sumLanes(sum) / <f32>count);
}

/** dx = 2·dloss/M·(x − target). Arguments: dloss, x, target, dx, count. */
export function meanSquaredErrorGradient(args: usize, share: i32, shares: i32): void {
  const count = word(args, 4);
  const factor = f32x4.splat((2 * load<f32>(pointer(args, 0))) / <f32>count);
  const last = lineStart(count, share + 1, shares);
  for (let i = lineStart(count, share, shares); i < last; i += 4) {
    const difference = f32x4.sub(v128.load(at(pointer(args, 1), i)), v128.load(at(pointer(args, 2), i)));
    storeLanes(at(pointer(args, 3), i), f32x4.mul(factor, difference), min(4, last - i));
  }
}
