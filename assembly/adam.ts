import { at, double, lineStart, number, pointer, word } from './lib/args';
import { madd } from './lib/simd';

/**
 * One step of Adam, in place, in one pass over memory:
 *
 *   g ← g + λw    m ← β₁m + (1 − β₁)g    v ← β₂v + (1 − β₂)g²    w ← w − rate·m / (√v·correction + ε)
 *
 * with rate = ε_t/(1 − β₁ᵗ) and correction = 1/√(1 − β₂ᵗ), which are computed in double precision: for small t the
 * difference cancels.
 *
 * Arguments: 0 w, 1 g, 2 m, 3 v, 4 learning rate (address), 5 step t (address), 6 count, 7 ε, 8 λ, then as doubles, two words
 * each, 9 β₁, 11 β₂, 13 multiplier of the learning rate.
 */
export function adam(args: usize, share: i32, shares: i32): void {
  const count = word(args, 6);
  const step = <f64>load<f32>(pointer(args, 5));
  const beta1 = double(args, 9);
  const beta2 = double(args, 11);
  const learningRate = <f64>load<f32>(pointer(args, 4)) * double(args, 13);
  const rate = f32x4.splat(<f32>(learningRate / (1 - Math.pow(beta1, step))));
  const correction = f32x4.splat(<f32>(1 / Math.sqrt(1 - Math.pow(beta2, step))));
  const epsilon = f32x4.splat(number(args, 7));
  const decay = f32x4.splat(number(args, 8));
  const keepMean = f32x4.splat(<f32>beta1);
  const newMean = f32x4.splat(<f32>(1 - beta1));
  const keepSquare = f32x4.splat(<f32>beta2);
  const newSquare = f32x4.splat(<f32>(1 - beta2));
  const last = lineStart(count, share + 1, shares);
  for (let i = lineStart(count, share, shares); i < last; i += 4) {
    // Variables have room for a last vector of their own.
    const w = at(pointer(args, 0), i);
    const m = at(pointer(args, 2), i);
    const v = at(pointer(args, 3), i);
    const weight = v128.load(w);
    const gradient = madd(decay, weight, v128.load(at(pointer(args, 1), i)));
    const mean = madd(keepMean, v128.load(m), f32x4.mul(newMean, gradient));
    const square = madd(keepSquare, v128.load(v), f32x4.mul(newSquare, f32x4.mul(gradient, gradient)));
    const divisor = madd(f32x4.sqrt(square), correction, epsilon);
    v128.store(m, mean);
    v128.store(v, square);
    v128.store(w, f32x4.sub(weight, f32x4.div(f32x4.mul(rate, mean), divisor)));
  }
}
