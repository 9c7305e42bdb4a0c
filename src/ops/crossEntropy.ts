/**
 * Mean cross-entropy of softmax(logits) against class indices, in nats:
 *
 *   loss = 1/N · Σ_n (log Σ_k exp(x[n, k] − m_n) − (x[n, label_n] − m_n)),   m_n the maximum of row n
 *
 * The maximum must be subtracted before anything else: the error bounds hold for that form only.
 */
import { GraphError, InputError } from '../errors.js';
import {
  bytesTouched,
  defineOp,
  elements,
  expectInputs,
  expectRank,
  expectShape,
  f32,
  formatShape,
  type TensorType,
  unitRoundoff,
} from './define.js';
import { propagationConstant, Sums, underflow } from './lib/sums.js';
import { softmaxJudged, softmaxRow } from './softmax.js';

export type CrossEntropyAttributes = Record<string, never>;

/** Throws an InputError that names the first label outside 0 … classes − 1. */
function expectLabels(labels: ArrayLike<number>, classes: number): void {
  for (let n = 0; n < labels.length; n++) {
    if (!Number.isInteger(labels[n]) || labels[n] < 0 || labels[n] >= classes) {
      throw new InputError(
        `label ${labels[n]} of sample ${n} is out of range: expected an integer from 0 to ${classes - 1}`,
      );
    }
  }
}

function expectTypes(op: string, logits: TensorType, labels: TensorType): void {
  expectRank(op, 'logits', logits, 2);
  expectRank(op, 'labels', labels, 1, 'i32');
  if (labels.shape[0] !== logits.shape[0]) {
    throw new GraphError(
      `${op}: labels ${formatShape(labels.shape)} must have one entry for each row of logits ${formatShape(logits.shape)}`,
    );
  }
}

/** logits [N, K], labels i32 [N] → [1]. */
export const crossEntropy = defineOp<CrossEntropyAttributes>({
  name: 'crossEntropy',
  family: 'crossEntropy',
  attributes: () => ({}),

  infer(_, inputs) {
    expectInputs('crossEntropy', inputs, 2);
    expectTypes('crossEntropy', inputs[0], inputs[1]);
    return [f32(1)];
  },

  /** Per logit: comparison, difference, exponential (as one), sum; per sample: logarithm, two differences, sum. */
  cost: (_, inputs, outputs) => ({
    macs: 0,
    flops: 4 * elements(inputs[0].shape) + 4 * inputs[0].shape[0],
    bytes: bytesTouched(inputs, outputs),
  }),

  /**
   * Per sample: the relative error of the sum is the absolute one of its logarithm, which adds its own; then the distance
   * and the difference are rounded. Sums over the batch as `sumConstant` says, and a division by N.
   */
  reference(_, [logits, labels], accuracy) {
    const [batch, classes] = logits.shape;
    expectLabels(labels.data, classes);
    const total = new Sums(1);
    let sampleErrors = 0;
    for (let n = 0; n < batch; n++) {
      const { maximum, sum, sumError } = softmaxRow(logits, n, accuracy);
      const distance = logits.data[n * classes + labels.data[n]] - maximum;
      const loss = Math.log(sum) - distance;
      total.addValue(0, loss);
      sampleErrors += sumError + accuracy.log * Math.log(sum) + Math.abs(distance) + Math.abs(loss);
    }
    const { data, bound } = total.judged();
    const mean = data[0] / batch;
    const roundings = propagationConstant * unitRoundoff * (sampleErrors / batch + accuracy.divide * Math.abs(mean));
    return [{ data: Float64Array.of(mean), bound: Float64Array.of(bound[0] / batch + roundings) }];
  },

  gradient({ inputs: [logits, labels], outputGradients: [dloss], wanted, emit }) {
    return [dloss && wanted[0] ? emit(crossEntropyGradient, [dloss, logits, labels], {})[0] : undefined, undefined];
  },
});

/** ∂loss/∂logits [N, K] from dloss [1], logits [N, K] and labels i32 [N]: dloss/N · (softmax(logits) − onehot(labels)). */
export const crossEntropyGradient = defineOp<CrossEntropyAttributes>({
  name: 'crossEntropyGradient',
  family: 'crossEntropy',
  inPlace: [[0, 1]],
  attributes: () => ({}),

  infer(_, inputs) {
    expectInputs('crossEntropyGradient', inputs, 3);
    const [dloss, logits, labels] = inputs;
    expectShape('crossEntropyGradient', 'dloss', dloss, [1]);
    expectTypes('crossEntropyGradient', logits, labels);
    return [f32(...logits.shape)];
  },

  /** Softmax, and one product for each logit. */
  cost: (_, inputs, outputs) => ({
    macs: 0,
    flops: 6 * elements(inputs[1].shape),
    bytes: bytesTouched(inputs, outputs),
  }),

  /** The error of softmax, then one rounding each for the difference and the product, and a division for dloss/N. */
  reference(_, [dloss, logits, labels], accuracy) {
    const [batch, classes] = logits.shape;
    expectLabels(labels.data, classes);
    const probability = softmaxJudged(logits, accuracy);
    const factor = dloss.data[0] / batch;
    const data = new Float64Array(logits.data.length);
    const bound = new Float64Array(logits.data.length);
    for (let i = 0; i < data.length; i++) {
      const target = i % classes === labels.data[Math.floor(i / classes)] ? 1 : 0;
      const difference = probability.data[i] - target;
      data[i] = factor * difference;
      const roundings = propagationConstant * unitRoundoff * (2 + accuracy.divide) * Math.abs(difference);
      bound[i] = Math.abs(factor) * (probability.bound[i] + roundings) + underflow;
    }
    return [{ data, bound }];
  },
});
