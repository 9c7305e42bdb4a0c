/** Logarithm of softmax over the classes of each sample: y[n, k] = (x[n, k] − m) − log Σ_j exp(x[n, j] − m), m the row's maximum. */
import {
  bytesTouched,
  defineOp,
  elements,
  expectInputs,
  expectRank,
  expectShape,
  f32,
  unitRoundoff,
} from './define.js';
import { propagationConstant, Sums, underflow } from './lib/sums.js';
import { softmaxRow } from './softmax.js';

export type LogSoftmaxAttributes = Record<string, never>;

/** x [N, K] → [N, K]. A NaN or +∞ in a row makes the row NaN. */
export const logSoftmax = defineOp<LogSoftmaxAttributes>({
  name: 'logSoftmax',
  family: 'logSoftmax',
  inPlace: [[0, 0]],
  attributes: () => ({}),

  infer(_, inputs) {
    expectInputs('logSoftmax', inputs, 1);
    expectRank('logSoftmax', 'x', inputs[0], 2);
    return [f32(...inputs[0].shape)];
  },

  /** Per element: comparison, difference, exponential (as one), sum, difference; per sample a logarithm. */
  cost: (_, inputs, outputs) => ({
    macs: 0,
    flops: 5 * elements(inputs[0].shape) + inputs[0].shape[0],
    bytes: bytesTouched(inputs, outputs),
  }),

  /** The relative error of the sum is the absolute one of its logarithm, which adds its own; both differences are rounded. */
  reference(_, [x], accuracy) {
    const [batch, classes] = x.shape;
    const data = new Float64Array(x.data.length);
    const bound = new Float64Array(x.data.length);
    for (let n = 0; n < batch; n++) {
      const { maximum, sum, sumError } = softmaxRow(x, n, accuracy);
      const logarithm = Math.log(sum);
      for (let i = n * classes; i < (n + 1) * classes; i++) {
        const distance = x.data[i] - maximum;
        data[i] = distance - logarithm;
        const error = sumError + accuracy.log * logarithm + Math.abs(distance) + Math.abs(data[i]);
        bound[i] = propagationConstant * unitRoundoff * error;
      }
    }
    return [{ data, bound }];
  },

  gradient({ outputs: [y], outputGradients: [dy], wanted, emit }) {
    return [dy && wanted[0] ? emit(logSoftmaxGradient, [dy, y], {})[0] : undefined];
  },
});

/** ∂loss/∂x from dy and the output y, all [N, K]: dy − exp(y)·Σ_j dy_j. */
export const logSoftmaxGradient = defineOp<LogSoftmaxAttributes>({
  name: 'logSoftmaxGradient',
  family: 'logSoftmax',
  inPlace: [[0, 0]],
  attributes: () => ({}),

  infer(_, inputs) {
    expectInputs('logSoftmaxGradient', inputs, 2);
    const [dy, y] = inputs;
    expectRank('logSoftmaxGradient', 'y', y, 2);
    expectShape('logSoftmaxGradient', 'dy', dy, y.shape);
    return [f32(...y.shape)];
  },

  /** Per element: sum, exponential (as one), product, difference. */
  cost: (_, inputs, outputs) => ({
    macs: 0,
    flops: 4 * elements(inputs[0].shape),
    bytes: bytesTouched(inputs, outputs),
  }),

  /** The error of the row's sum times the probability, the exponential's and the product's roundings, and the difference's. */
  reference(_, [dy, y], accuracy) {
    const [batch, classes] = y.shape;
    const rows = new Sums(batch);
    dy.data.forEach((g, i) => rows.addValue(Math.floor(i / classes), g));
    const row = rows.judged();
    const data = new Float64Array(y.data.length);
    const bound = new Float64Array(y.data.length);
    for (let i = 0; i < data.length; i++) {
      const n = Math.floor(i / classes);
      const probability = Math.exp(y.data[i]);
      const share = probability * row.data[n];
      data[i] = dy.data[i] - share;
      const roundings = (accuracy.exp + 1) * Math.abs(share) + Math.abs(data[i]);
      bound[i] = probability * row.bound[n] + propagationConstant * unitRoundoff * roundings + underflow;
    }
    return [{ data, bound }];
  },
});
