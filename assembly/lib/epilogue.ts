/** What a tile of a product starts with and what becomes of its sums. */
import { zero } from './simd';

/** What C holds already, if there is more to it. */
// @ts-ignore: decorator
@inline
export function startRow(more: bool, c: usize): v128 {
  return more ? v128.load(c) : zero();
}

/** Eight sums of a row to c, with a bias (an address, or 0) and ReLU if asked for. */
// @ts-ignore: decorator
@inline
export function finishRow(c: usize, low: v128, high: v128, bias: usize, relu: bool): void {
  if (bias) {
    const b = v128.load32_splat(bias);
    low = f32x4.add(low, b);
    high = f32x4.add(high, b);
  }
  if (relu) {
    low = rectify(low);
    high = rectify(high);
  }
  v128.store(c, low);
  v128.store(c, high, 16);
}

/** max(x, 0) that propagates NaN, as ReLU must: where x < 0 does not hold, x. One instruction, unlike max. */
// @ts-ignore: decorator
@inline
export function rectify(x: v128): v128 {
  return f32x4.pmax(x, zero());
}
