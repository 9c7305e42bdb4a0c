import { at, lineStart, pointer, word } from './lib/args';
import { laneMask, madd, storeLanes, sumLanes, zero } from './lib/simd';

/**
 * loss = mean of (x − target)². One thread, so that the order of the sum is fixed: a loss is taken of few numbers.
 *
 * Arguments: x, target, loss, count.
 */
export function meanSquaredError(args: usize, thread: i32, _threads: i32): void {
  if (thread != 0) return;
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
export function meanSquaredErrorGradient(args: usize, thread: i32, threads: i32): void {
  const count = word(args, 4);
  const factor = f32x4.splat((2 * load<f32>(pointer(args, 0))) / <f32>count);
  const last = lineStart(count, thread + 1, threads);
  for (let i = lineStart(count, thread, threads); i < last; i += 4) {
    const difference = f32x4.sub(v128.load(at(pointer(args, 1), i)), v128.load(at(pointer(args, 2), i)));
    storeLanes(at(pointer(args, 3), i), f32x4.mul(factor, difference), min(4, last - i));
  }
}
