/**
 * Mean cross-entropy of softmax(logits) against class indices, in nats:
 *
 *   loss = 1/N · Σ_n (log Σ_k exp(x[n, k] − m_n) − (x[n, label_n] − m_n)),   m_n the maximum of row n
 *
 * or against probabilities t, of which an index stands for a row with a single 1:
 *
 *   loss = 1/N · Σ_n Σ_i t[n, i] · (log Σ_k exp(x[n, k] − m_n) − (x[n, i] − m_n))
 *
 * The maximum must be subtracted before anything else: the error bounds hold for that form only.
 */
import { GraphError, InputError } from '../errors.js';
import {
  type Accuracy,
  bytesTouched,
  defineOp,
  elements,
  expectInputs,
  expectRank,
  expectShape,
  f32,
  formatShape,
  type Judged,
  type Tensor64,
  type TensorType,
  unitRoundoff,
} from './define.js';
import { exact, propagationConstant, Sums, underflow } from './lib/sums.js';
import { type SoftmaxRow, softmaxJudged, softmaxRow } from './softmax.js';

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

/** Whether the targets are probabilities; else they are class indices. */
export function hasProbabilities(target: TensorType): boolean {
  return target.dtype === 'f32' && target.shape.length === 2;
}

function expectTypes(op: string, logits: TensorType, target: TensorType): void {
  expectRank(op, 'logits', logits, 2);
  if (hasProbabilities(target)) {
    expectShape(op, 'probabilities', target, logits.shape);
    return;
  }
  expectRank(op, 'labels', target, 1, 'i32');
  if (target.shape[0] !== logits.shape[0]) {
    throw new GraphError(
      `${op}: labels ${formatShape(target.shape)} must have one entry for each row of logits ${formatShape(logits.shape)}`,
    );
  }
}

/** −log softmax of one logit, and its error in units of u: those of the sum's logarithm, of the distance, of the difference. */
function surprise(
  { sum, sumError }: SoftmaxRow,
  distance: number,
  accuracy: Accuracy,
): { value: number; error: number } {
  const logarithm = Math.log(sum);
  const value = logarithm - distance;
  return { value, error: sumError + accuracy.log * logarithm + Math.abs(distance) + Math.abs(value) };
}

/** logits [N, K] and labels i32 [N] or probabilities [N, K] → [1]. */
export const crossEntropy = defineOp<CrossEntropyAttributes>({
  name: 'crossEntropy',
  family: 'crossEntropy',
  attributes: () => ({}),

  infer(_, inputs) {
    expectInputs('crossEntropy', inputs, 2);
    expectTypes('crossEntropy', inputs[0], inputs[1]);
    return [f32(1)];
  },

  /**
   * Per logit: comparison, difference, exponential (as one), sum; per sample: logarithm, two differences, sum. Probabilities
   * take two differences, a product and a sum for each logit instead.
   */
  cost: (_, inputs, outputs) => ({
    macs: 0,
    flops: hasProbabilities(inputs[1])
      ? 8 * elements(inputs[0].shape) + inputs[0].shape[0]
      : 4 * elements(inputs[0].shape) + 4 * inputs[0].shape[0],
    bytes: bytesTouched(inputs, outputs),
  }),

  /** The terms have the errors of `surprise`; they are summed up as `sumConstant` says, and there is a division by N. */
  reference(_, [logits, target], accuracy) {
    const [batch, classes] = logits.shape;
    const soft = hasProbabilities(target);
    if (!soft) expectLabels(target.data, classes);
    const total = new Sums(1);
    let termErrors = 0;
    for (let n = 0; n < batch; n++) {
      const row = softmaxRow(logits, n, accuracy);
      const start = n * classes;
      for (let i = start; soft && i < start + classes; i++) {
        const { value, error } = surprise(row, logits.data[i] - row.maximum, accuracy);
        total.addProduct(0, target.data[i] * value);
        termErrors += Math.abs(target.data[i]) * error;
      }
      if (!soft) {
        const { value, error } = surprise(row, logits.data[start + target.data[n]] - row.maximum, accuracy);
        total.addValue(0, value);
        termErrors += error;
      }
    }
    const { data, bound } = total.judged();
    const mean = data[0] / batch;
    const roundings = propagationConstant * unitRoundoff * (termErrors / batch + accuracy.divide * Math.abs(mean));
    return [{ data: Float64Array.of(mean), bound: Float64Array.of(bound[0] / batch + roundings) }];
  },

  gradient({ inputs: [logits, target], outputGradients: [dloss], wanted, emit }) {
    return [
      dloss && wanted[0] ? emit(crossEntropyGradient, [dloss, logits, target], {})[0] : undefined,
      dloss && wanted[1] ? emit(crossEntropyTargetGradient, [dloss, logits], {})[0] : undefined,
    ];
  },
});

/**
 * ∂loss/∂logits [N, K] from dloss [1], logits [N, K] and the target: dloss/N · (softmax(logits) − onehot(labels)), or with
 * probabilities t dloss/N · (softmax(logits) · Σ t − t).
 */
export const crossEntropyGradient = defineOp<CrossEntropyAttributes>({
  name: 'crossEntropyGradient',
  family: 'crossEntropy',
  inPlace: [[0, 1]],
  attributes: () => ({}),

  infer(_, inputs) {
    expectInputs('crossEntropyGradient', inputs, 3);
    const [dloss, logits, target] = inputs;
    expectShape('crossEntropyGradient', 'dloss', dloss, [1]);
    expectTypes('crossEntropyGradient', logits, target);
    return [f32(...logits.shape)];
  },

  /** Softmax, and one product for each logit; with probabilities a sum, a product and a difference more. */
  cost: (_, inputs, outputs) => ({
    macs: 0,
    flops: (hasProbabilities(inputs[2]) ? 9 : 6) * elements(inputs[1].shape),
    bytes: bytesTouched(inputs, outputs),
  }),

  /**
   * The error of softmax, then one rounding each for the difference and the product, and a division for dloss/N. Probabilities
   * have a weight Σ t with the error of a sum, and one more product.
   */
  reference(_, [dloss, logits, target], accuracy) {
    const [batch, classes] = logits.shape;
    const probability = softmaxJudged(logits, accuracy);
    const { weight, targetAt } = hasProbabilities(target) ? soft(target) : hard(target, classes);
    const factor = dloss.data[0] / batch;
    const data = new Float64Array(logits.data.length);
    const bound = new Float64Array(logits.data.length);
    for (let i = 0; i < data.length; i++) {
      const n = Math.floor(i / classes);
      const share = weight.data[n] * probability.data[i];
      const difference = share - targetAt(i);
      data[i] = factor * difference;
      const shareError =
        Math.abs(weight.data[n]) * probability.bound[i] +
        weight.bound[n] * probability.data[i] +
        (hasProbabilities(target) ? propagationConstant * unitRoundoff * Math.abs(share) : 0);
      const roundings = propagationConstant * unitRoundoff * (2 + accuracy.divide) * Math.abs(difference);
      bound[i] = Math.abs(factor) * (shareError + roundings) + underflow;
    }
    return [{ data, bound }];
  },
});

/** What a target says of the logits: the weight of each row, and the target of each logit. */
interface Target {
  readonly weight: Judged;
  readonly targetAt: (i: number) => number;
}

function hard(labels: Tensor64, classes: number): Target {
  expectLabels(labels.data, classes);
  return {
    weight: exact(new Float64Array(labels.data.length).fill(1)),
    targetAt: (i) => (i % classes === labels.data[Math.floor(i / classes)] ? 1 : 0),
  };
}

function soft({ shape: [batch, classes], data }: Tensor64): Target {
  const weight = new Sums(batch);
  data.forEach((value, i) => weight.addValue(Math.floor(i / classes), value));
  return { weight: weight.judged(), targetAt: (i) => data[i] };
}

/** ∂loss/∂probabilities [N, K] from dloss [1] and logits [N, K]: −dloss/N · log softmax(logits). */
export const crossEntropyTargetGradient = defineOp<CrossEntropyAttributes>({
  name: 'crossEntropyTargetGradient',
  family: 'crossEntropy',
  inPlace: [[0, 1]],
  attributes: () => ({}),

  infer(_, inputs) {
    expectInputs('crossEntropyTargetGradient', inputs, 2);
    const [dloss, logits] = inputs;
    expectShape('crossEntropyTargetGradient', 'dloss', dloss, [1]);
    expectRank('crossEntropyTargetGradient', 'logits', logits, 2);
    return [f32(...logits.shape)];
  },

  /** Per logit: comparison, difference, exponential (as one), sum, difference, product. */
  cost: (_, inputs, outputs) => ({
    macs: 0,
    flops: 6 * elements(inputs[1].shape),
    bytes: bytesTouched(inputs, outputs),
  }),

  /** The errors of `surprise`, a product, and a division for dloss/N. */
  reference(_, [dloss, logits], accuracy) {
    const [batch, classes] = logits.shape;
    const factor = dloss.data[0] / batch;
    const data = new Float64Array(logits.data.length);
    const bound = new Float64Array(logits.data.length);
    for (let n = 0; n < batch; n++) {
      const row = softmaxRow(logits, n, accuracy);
      for (let i = n * classes; i < (n + 1) * classes; i++) {
        const { value, error } = surprise(row, logits.data[i] - row.maximum, accuracy);
        data[i] = factor * value;
        const roundings = error + (1 + accuracy.divide) * Math.abs(value);
        bound[i] = propagationConstant * unitRoundoff * Math.abs(factor) * roundings + underflow;
      }
    }
    return [{ data, bound }];
  },
});
