import { at, lineStart, number, pointer, word } from './lib/args';
import { madd } from './lib/simd';

/**
 * One step of stochastic gradient descent with momentum μ and weight decay λ, in place, in one pass over memory; ε is the
 * learning rate times the parameter's multiplier.
 *
 * - 0, Caffe's and the paper's rule (their velocities differ in sign): v ← μv + ε(g + λw), w ← w − v
 * - 1, torch's rule: v ← μv + (g + λw), w ← w − εv
 *
 * Arguments: 0 w, 1 g, 2 v, 3 learning rate (address), 4 count, 5 rule, 6 μ, 7 λ, 8 multiplier, 9 sign of v (1 or −1).
 */
export function sgd(args: usize, share: i32, shares: i32): void {
  const count = word(args, 4);
  const torch = word(args, 5) == 1;
  const rate = load<f32>(pointer(args, 3)) * number(args, 8);
  const momentum = f32x4.splat(number(args, 6));
  const decay = f32x4.splat(number(args, 7));
  const sign = f32x4.splat(number(args, 9));
  const intoVelocity = f32x4.mul(sign, f32x4.splat(torch ? 1 : rate));
  const intoWeight = f32x4.mul(sign, f32x4.splat(torch ? -rate : -1));
  const first = lineStart(count, share, shares);
  let w = at(pointer(args, 0), first);
  let g = at(pointer(args, 1), first);
  let v = at(pointer(args, 2), first);
  const end = at(pointer(args, 0), lineStart(count, share + 1, shares));
  // Variables have room for a last vector of their own.
  while (w < end) {
    const weight = v128.load(w);
    const gradient = madd(decay, weight, v128.load(g));
    const velocity = madd(momentum, v128.load(v), f32x4.mul(intoVelocity, gradient));
    v128.store(v, velocity);
    v128.store(w, madd(intoWeight, velocity, weight));
    w += 16;
    g += 16;
    v += 16;
  }
}
