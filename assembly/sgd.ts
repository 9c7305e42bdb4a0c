import { at, lineStart, number, pointer, scratchOf, word } from './lib/args';
import { madd } from './lib/simd';

/**
 * One step of stochastic gradient descent with momentum μ and weight decay λ, in place, in one pass over memory; ε is the
 * learning rate times the parameter's multiplier.
 *
 * - 0, Caffe's and the paper's rule (their velocities differ in sign): v ← μv + ε(g + λw), w ← w − v
 * - 1, torch's rule: v ← μv + (g + λw), w ← w − εv
 *
 * Arguments: 0 w, 1 g, 2 v, 3 count, 4 scratch, 5 scratch bytes per thread, 6 … the rule (see `storeFactors`).
 */
export function sgd(args: usize, share: i32, shares: i32): void {
  const count = word(args, 3);
  const factors = scratchOf(args, 4);
  storeFactors(at(args, 6), factors);
  const momentum = v128.load(factors);
  const decay = v128.load(factors, 16);
  const intoVelocity = v128.load(factors, 32);
  const intoWeight = v128.load(factors, 48);
  const first = lineStart(count, share, shares);
  let w = at(pointer(args, 0), first);
  let g = at(pointer(args, 1), first);
  let v = at(pointer(args, 2), first);
  const end = at(pointer(args, 0), lineStart(count, share + 1, shares));
  // Variables have room for a last vector of their own.
  while (w < end) {
    descend(w, v, v128.load(g), momentum, decay, intoVelocity, intoWeight);
    w += 16;
    g += 16;
    v += 16;
  }
}

/** The step of four weights w and their velocities v. */
// @ts-ignore: decorator
@inline
export function descend(w: usize, v: usize, g: v128, momentum: v128, decay: v128, intoVelocity: v128, intoWeight: v128): void {
  const weight = v128.load(w);
  const gradient = madd(decay, weight, g);
  const velocity = madd(momentum, v128.load(v), f32x4.mul(intoVelocity, gradient));
  v128.store(v, velocity);
  v128.store(w, madd(intoWeight, velocity, weight));
}

/** Bytes of the factors of a rule. */
export const factorBytes: usize = 64;

/**
 * What `descend` takes, one vector of equal lanes after another: μ, λ, the factor from gradient to velocity, the one from velocity to
 * weight. Words of a rule: 0 learning rate (address), 1 rule, 2 μ, 3 λ, 4 multiplier, 5 sign of v (1 or −1).
 */
export function storeFactors(rule: usize, to: usize): void {
  const torch = word(rule, 1) == 1;
  const rate = load<f32>(pointer(rule, 0)) * number(rule, 4);
  const sign = number(rule, 5);
  v128.store(to, f32x4.splat(number(rule, 2)));
  v128.store(to, f32x4.splat(number(rule, 3)), 16);
  v128.store(to, f32x4.splat(sign * (torch ? 1 : rate)), 32);
  v128.store(to, f32x4.splat(sign * (torch ? -rate : -1)), 48);
}
