/**
 * One step of Adam (Kingma and Ba 2015, algorithm 1) with weight decay λ as in torch.optim.Adam, t the number of the step
 * from 1, ε_t the learning rate times the parameter's multiplier:
 *
 *   g ← g + λ·w    m ← β₁·m + (1 − β₁)·g    v ← β₂·v + (1 − β₂)·g²
 *   w ← w − ε_t · m/(1 − β₁ᵗ) / (√(v/(1 − β₂ᵗ)) + ε)
 */
import { GraphError } from '../errors.js';
import {
  bytesTouched,
  defineOp,
  elements,
  expectInputs,
  expectShape,
  f32,
  numberAttribute,
  unitRoundoff,
} from './define.js';
import { propagationConstant, underflow } from './lib/sums.js';

export type AdamAttributes = {
  /** From 0 up to but without 1, as beta2. */
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  /** Already multiplied by the parameter's decay multiplier. */
  readonly weightDecay: number;
  /** Factor on the learning rate for this parameter. */
  readonly learningRateMultiplier: number;
};

function decayRate(name: string, value: number): number {
  if (numberAttribute('adam', name, value, 0, 1) === 1)
    throw new GraphError(`adam: ${name} must be less than 1, got 1`);
  return value;
}

/** Weight w, gradient g, moments m and v (one shape), learning rate f32 [1], step f32 [1] from 1 → [w', m', v']. */
export const adam = defineOp<AdamAttributes>({
  name: 'adam',
  family: 'adam',
  inPlace: [
    [0, 0],
    [1, 2],
    [2, 3],
  ],

  attributes: (given) => ({
    beta1: decayRate('beta1', given.beta1 ?? 0.9),
    beta2: decayRate('beta2', given.beta2 ?? 0.999),
    epsilon: numberAttribute('adam', 'epsilon', given.epsilon ?? 1e-8, 0),
    weightDecay: numberAttribute('adam', 'weightDecay', given.weightDecay ?? 0, 0),
    learningRateMultiplier: numberAttribute('adam', 'learningRateMultiplier', given.learningRateMultiplier ?? 1, 0),
  }),

  infer(_, inputs) {
    expectInputs('adam', inputs, 6);
    const [w, g, m, v, learningRate, step] = inputs;
    expectShape('adam', 'w', w, w.shape);
    expectShape('adam', 'g', g, w.shape);
    expectShape('adam', 'm', m, w.shape);
    expectShape('adam', 'v', v, w.shape);
    expectShape('adam', 'learningRate', learningRate, [1]);
    expectShape('adam', 'step', step, [1]);
    return [f32(...w.shape), f32(...w.shape), f32(...w.shape)];
  },

  /** Decay (2), the first moment (3), the second (4), root, product, sum, quotient, product, difference. */
  cost: (_, inputs, outputs) => ({
    macs: 0,
    flops: 15 * elements(inputs[0].shape),
    bytes: bytesTouched(inputs, outputs),
  }),

  /**
   * Errors to first order, every rounding at its worst. Coefficients (λ, β, 1 − β, ε, and the two with the bias corrections, which
   * kernels must compute in float64: 1 − β₂ᵗ cancels) are rounded to float32 once, then each product and each sum. The error e
   * of v moves its root by at most e/√v and at most √e.
   */
  reference(
    { beta1, beta2, epsilon, weightDecay, learningRateMultiplier },
    [w, g, m, v, learningRate, step],
    accuracy,
  ) {
    const t = step.data[0];
    const rate = (learningRate.data[0] * learningRateMultiplier) / (1 - beta1 ** t);
    const correction = 1 / Math.sqrt(1 - beta2 ** t);
    const length = w.data.length;
    const empty = () => ({ data: new Float64Array(length), bound: new Float64Array(length) });
    const [weight, first, second] = [empty(), empty(), empty()];
    const u = propagationConstant * unitRoundoff;
    for (let i = 0; i < length; i++) {
      const decay = weightDecay * w.data[i];
      const descent = g.data[i] + decay;
      const descentError = u * (2 * Math.abs(decay) + Math.abs(descent));

      const [keptMean, newMean] = [beta1 * m.data[i], (1 - beta1) * descent];
      const mean = keptMean + newMean;
      const meanError =
        u * (2 * Math.abs(keptMean) + 2 * Math.abs(newMean) + Math.abs(mean)) + (1 - beta1) * descentError;

      const [keptSquare, newSquare] = [beta2 * v.data[i], (1 - beta2) * descent * descent];
      const square = keptSquare + newSquare;
      const squareError =
        u * (2 * Math.abs(keptSquare) + 3 * newSquare + Math.abs(square)) +
        2 * (1 - beta2) * Math.abs(descent) * descentError +
        underflow;

      const root = Math.sqrt(square);
      const rootError = Math.min(squareError / root, Math.sqrt(squareError)) + u * accuracy.sqrt * root;
      const spread = correction * root;
      const divisor = spread + epsilon;
      const divisorError = correction * rootError + u * (2 * spread + epsilon + divisor);

      const move = (rate * mean) / divisor;
      const moveError =
        (Math.abs(rate) * meanError) / divisor + Math.abs(move) * (divisorError / divisor + u * (2 + accuracy.divide));
      first.data[i] = mean;
      first.bound[i] = meanError + underflow;
      second.data[i] = square;
      second.bound[i] = squareError;
      weight.data[i] = w.data[i] - move;
      weight.bound[i] = u * Math.abs(weight.data[i]) + moveError + underflow;
    }
    return [weight, first, second];
  },
});
