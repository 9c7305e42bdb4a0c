/**
 * One step of stochastic gradient descent with momentum and weight decay, in the three forms in use (ε the learning rate
 * times the parameter's multiplier, μ momentum, λ weight decay):
 *
 *   caffe   v ← μ·v + ε·(g + λ·w)    w ← w − v
 *   paper   v ← μ·v − ε·(g + λ·w)    w ← w + v      (Krizhevsky et al. 2012, §5: caffe's with v's sign turned)
 *   torch   v ← μ·v + (g + λ·w)      w ← w − ε·v    (a change of ε acts at once)
 */
import {
  bytesTouched,
  defineOp,
  elements,
  expectInputs,
  expectShape,
  f32,
  numberAttribute,
  unitRoundoff,
  wordAttribute,
} from './define.js';
import { propagationConstant } from './lib/sums.js';

export type SgdAttributes = {
  readonly rule: 'caffe' | 'torch' | 'paper';
  readonly momentum: number;
  /** Already multiplied by the parameter's decay multiplier. */
  readonly weightDecay: number;
  /** Factor on the learning rate for this parameter. */
  readonly learningRateMultiplier: number;
};

/** Weight w, gradient g, velocity v (one shape) and learning rate f32 [1] → [w', v']. Defaults are plain descent. */
export const sgd = defineOp<SgdAttributes>({
  name: 'sgd',
  family: 'sgd',
  inPlace: [
    [0, 0],
    [1, 2],
  ],

  attributes: (given) => ({
    rule: wordAttribute('sgd', 'rule', given.rule ?? 'caffe', ['caffe', 'torch', 'paper']),
    momentum: numberAttribute('sgd', 'momentum', given.momentum ?? 0, 0, 1),
    weightDecay: numberAttribute('sgd', 'weightDecay', given.weightDecay ?? 0, 0),
    learningRateMultiplier: numberAttribute('sgd', 'learningRateMultiplier', given.learningRateMultiplier ?? 1, 0),
  }),

  infer(_, inputs) {
    expectInputs('sgd', inputs, 4);
    const [w, g, v, learningRate] = inputs;
    expectShape('sgd', 'w', w, w.shape);
    expectShape('sgd', 'g', g, w.shape);
    expectShape('sgd', 'v', v, w.shape);
    expectShape('sgd', 'learningRate', learningRate, [1]);
    return [f32(...w.shape), f32(...w.shape)];
  },

  /** λ·w, its sum with g, μ·v, ε·(…), and two more sums for each weight. */
  cost: (_, inputs, outputs) => ({
    macs: 0,
    flops: 6 * elements(inputs[0].shape),
    bytes: bytesTouched(inputs, outputs),
  }),

  /**
   * Errors to first order, every rounding at its worst: a coefficient is rounded to float32 (ε as a product twice), then
   * each product and each sum.
   */
  reference({ rule, momentum, weightDecay, learningRateMultiplier }, [w, g, v, learningRate]) {
    const rate = learningRate.data[0] * learningRateMultiplier;
    const length = w.data.length;
    const weight = { data: new Float64Array(length), bound: new Float64Array(length) };
    const velocity = { data: new Float64Array(length), bound: new Float64Array(length) };
    // What of ε goes into the velocity, and what is left for the weight.
    const inner = rule === 'torch' ? 1 : rule === 'caffe' ? rate : -rate;
    const outer = rule === 'torch' ? rate : rule === 'caffe' ? 1 : -1;
    const innerRoundings = rule === 'torch' ? 0 : 3;
    const outerRoundings = rule === 'torch' ? 3 : 0;
    const u = propagationConstant * unitRoundoff;
    for (let i = 0; i < length; i++) {
      const decay = weightDecay * w.data[i];
      const descent = g.data[i] + decay;
      const descentError = u * (2 * Math.abs(decay) + Math.abs(descent));

      const kept = momentum * v.data[i];
      const push = inner * descent;
      const next = kept + push;
      const nextError =
        u * (2 * Math.abs(kept) + innerRoundings * Math.abs(push) + Math.abs(next)) + Math.abs(inner) * descentError;

      const step = outer * next;
      const moved = w.data[i] - step;
      velocity.data[i] = next;
      velocity.bound[i] = nextError;
      weight.data[i] = moved;
      weight.bound[i] = u * (outerRoundings * Math.abs(step) + Math.abs(moved)) + Math.abs(outer) * nextError;
    }
    return [weight, velocity];
  },
});
