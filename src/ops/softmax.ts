/** Softmax over the classes of each sample: y[n, k] = exp(x[n, k] − m) / Σ_j exp(x[n, j] − m), m the row's maximum. */
import {
  type Accuracy,
  bytesTouched,
  defineOp,
  elements,
  expectInputs,
  expectRank,
  expectShape,
  f32,
  type Judged,
  sumConstant,
  type Tensor64,
  unitRoundoff,
} from './define.js';
import { propagationConstant, Sums, underflow } from './lib/sums.js';

export type SoftmaxAttributes = Record<string, never>;

/** What softmax and cross-entropy know of one row of logits. */
export interface SoftmaxRow {
  readonly maximum: number;
  /** Σ exp(x − m), from 1 to K. */
  readonly sum: number;
  /** Relative error of that sum in units of u. */
  readonly sumError: number;
}

/** Relative error of exp(x − m) in units of u: rounding x − m moves the exponent by u·|x − m|; then exp's own error. */
function exponentialError(distance: number, accuracy: Accuracy): number {
  return Math.abs(distance) + accuracy.exp;
}

/** The terms are positive: their errors count by their share, the summation by its partial sums (see `sumConstant`). */
export function softmaxRow(x: Tensor64, row: number, accuracy: Accuracy): SoftmaxRow {
  const classes = x.shape[1];
  const logits = x.data.subarray(row * classes, (row + 1) * classes);
  let maximum = Number.NEGATIVE_INFINITY;
  for (const logit of logits) maximum = Math.max(maximum, logit);
  let sum = 0;
  let squares = 0;
  let termErrors = 0;
  for (const logit of logits) {
    const term = Math.exp(logit - maximum);
    sum += term;
    squares += sum * sum;
    // A term that has vanished has no error to speak of, however far away it is (0·∞ is not a number).
    if (term !== 0) termErrors += term * exponentialError(logit - maximum, accuracy);
  }
  return { maximum, sum, sumError: (termErrors + sumConstant * Math.sqrt(squares)) / sum };
}

/** Softmax of all rows with bounds: the errors of exponential and sum, and a division. An exponential may underflow. */
export function softmaxJudged(x: Tensor64, accuracy: Accuracy): Judged {
  const classes = x.shape[1];
  const data = new Float64Array(x.data.length);
  const bound = new Float64Array(x.data.length);
  for (let n = 0; n < x.shape[0]; n++) {
    const { maximum, sum, sumError } = softmaxRow(x, n, accuracy);
    for (let i = n * classes; i < (n + 1) * classes; i++) {
      const distance = x.data[i] - maximum;
      data[i] = Math.exp(distance) / sum;
      const relative = data[i] === 0 ? 0 : exponentialError(distance, accuracy) + sumError + accuracy.divide;
      bound[i] = propagationConstant * unitRoundoff * relative * data[i] + underflow;
    }
  }
  return { data, bound };
}

/** x [N, K] → [N, K]. A NaN or +∞ in a row makes the row NaN. */
export const softmax = defineOp<SoftmaxAttributes>({
  name: 'softmax',
  family: 'softmax',
  inPlace: [[0, 0]],
  attributes: () => ({}),

  infer(_, inputs) {
    expectInputs('softmax', inputs, 1);
    expectRank('softmax', 'x', inputs[0], 2);
    return [f32(...inputs[0].shape)];
  },

  /** Per element: comparison, difference, exponential (as one), sum, division. */
  cost: (_, inputs, outputs) => ({
    macs: 0,
    flops: 5 * elements(inputs[0].shape),
    bytes: bytesTouched(inputs, outputs),
  }),

  reference: (_, [x], accuracy) => [softmaxJudged(x, accuracy)],

  gradient({ outputs: [y], outputGradients: [dy], wanted, emit }) {
    return [dy && wanted[0] ? emit(softmaxGradient, [dy, y], {})[0] : undefined];
  },
});

/** ∂loss/∂x from dy and the output y, all [N, K]: y·(dy − Σ_j dy_j·y_j). */
export const softmaxGradient = defineOp<SoftmaxAttributes>({
  name: 'softmaxGradient',
  family: 'softmax',
  inPlace: [[0, 0]],
  attributes: () => ({}),

  infer(_, inputs) {
    expectInputs('softmaxGradient', inputs, 2);
    const [dy, y] = inputs;
    expectRank('softmaxGradient', 'y', y, 2);
    expectShape('softmaxGradient', 'dy', dy, y.shape);
    return [f32(...y.shape)];
  },

  /** Per element: product and sum, difference, product. */
  cost: (_, inputs, outputs) => ({
    macs: 0,
    flops: 4 * elements(inputs[0].shape),
    bytes: bytesTouched(inputs, outputs),
  }),

  /** The error of the row's sum, then one rounding each for difference and product. */
  reference(_, [dy, y]) {
    const [batch, classes] = y.shape;
    const rows = new Sums(batch);
    dy.data.forEach((g, i) => rows.addProduct(Math.floor(i / classes), g * y.data[i]));
    const row = rows.judged();
    const data = new Float64Array(y.data.length);
    const bound = new Float64Array(y.data.length);
    for (let i = 0; i < data.length; i++) {
      const n = Math.floor(i / classes);
      const difference = dy.data[i] - row.data[n];
      data[i] = y.data[i] * difference;
      const roundings = propagationConstant * unitRoundoff * 2 * Math.abs(difference);
      bound[i] = Math.abs(y.data[i]) * (row.bound[n] + roundings) + underflow;
    }
    return [{ data, bound }];
  },
});
