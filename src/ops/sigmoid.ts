/** Logistic function, y = 1/(1 + e^−x); with y at hand its slope is y·(1 − y). */
import { bytesTouched, defineOp, elements, expectInputs, expectShape, f32, unitRoundoff } from './define.js';
import { propagationConstant, underflow } from './lib/sums.js';

export type SigmoidAttributes = Record<string, never>;

/** x of any shape → the same shape. */
export const sigmoid = defineOp<SigmoidAttributes>({
  name: 'sigmoid',
  family: 'sigmoid',
  inPlace: [[0, 0]],
  attributes: () => ({}),

  infer(_, inputs) {
    expectInputs('sigmoid', inputs, 1);
    expectShape('sigmoid', 'x', inputs[0], inputs[0].shape);
    return [f32(...inputs[0].shape)];
  },

  /** Exponential (as one), sum, division. */
  cost: (_, inputs, outputs) => ({
    macs: 0,
    flops: 3 * elements(inputs[0].shape),
    bytes: bytesTouched(inputs, outputs),
  }),

  /**
   * The exponential's error counts by its share of the sum, e^−x/(1 + e^−x) = 1 − y; then the sum and the division. For x below
   * −87 the result, or the exponential on the way, leaves the range of normal float32 numbers.
   */
  reference(_, [x], accuracy) {
    const data = x.data.map((value) => 1 / (1 + Math.exp(-value)));
    const bound = data.map((y) => {
      const relative = (1 - y) * accuracy.exp + 1 + accuracy.divide;
      return propagationConstant * unitRoundoff * relative * y + underflow;
    });
    return [{ data, bound }];
  },

  gradient({ outputs: [y], outputGradients: [dy], wanted, emit }) {
    return [dy && wanted[0] ? emit(sigmoidGradient, [dy, y], {})[0] : undefined];
  },
});

/** ∂loss/∂x from dy and the output y, both of x's shape: dy·(y·(1 − y)). */
export const sigmoidGradient = defineOp<SigmoidAttributes>({
  name: 'sigmoidGradient',
  family: 'sigmoid',
  inPlace: [[0, 0]],
  attributes: () => ({}),

  infer(_, inputs) {
    expectInputs('sigmoidGradient', inputs, 2);
    const [dy, y] = inputs;
    expectShape('sigmoidGradient', 'y', y, y.shape);
    expectShape('sigmoidGradient', 'dy', dy, y.shape);
    return [f32(...y.shape)];
  },

  cost: (_, inputs, outputs) => ({
    macs: 0,
    flops: 3 * elements(inputs[0].shape),
    bytes: bytesTouched(inputs, outputs),
  }),

  /** A difference and two products. The one of y and 1 − y may be flushed to zero before dy, however large, meets it. */
  reference(_, [dy, y]) {
    const data = dy.data.map((value, i) => value * (y.data[i] * (1 - y.data[i])));
    const bound = data.map(
      (value, i) => propagationConstant * unitRoundoff * 3 * Math.abs(value) + underflow * (1 + Math.abs(dy.data[i])),
    );
    return [{ data, bound }];
  },
});
