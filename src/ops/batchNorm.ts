/**
 * Batch normalisation in its inference form (Ioffe and Szegedy 2015, algorithm 2), with statistics that are given:
 *
 *   y = scale_c · (x − mean_c) / √(variance_c + ε) + bias_c     for each channel c, axis 1 of x
 *
 * The statistics are constants: they have no gradient.
 */
import { GraphError } from '../errors.js';
import { conv2dBiasGradient } from './conv2d.js';
import {
  type Accuracy,
  bytesTouched,
  defineOp,
  elements,
  expectInputs,
  expectShape,
  f32,
  formatShape,
  numberAttribute,
  type TensorType,
  unitRoundoff,
} from './define.js';
import { propagationConstant, Sums, underflow } from './lib/sums.js';
import { linearBiasGradient } from './linear.js';

export type BatchNormAttributes = {
  /** Added to the variance. */
  readonly epsilon: number;
};

function attributes(op: string, given: Partial<BatchNormAttributes>): BatchNormAttributes {
  return { epsilon: numberAttribute(op, 'epsilon', given.epsilon ?? 1e-5, 0) };
}

/** Throws unless x is [N, C, H, W] or [N, K] and each of the others has one number for each channel. */
function expectTypes(op: string, what: string, x: TensorType, perChannel: Readonly<Record<string, TensorType>>): void {
  if (x.dtype !== 'f32' || (x.shape.length !== 4 && x.shape.length !== 2)) {
    throw new GraphError(
      `${op}: ${what} must be a f32 tensor [N, C, H, W] or [N, K], got ${x.dtype} ${formatShape(x.shape)}`,
    );
  }
  for (const [name, type] of Object.entries(perChannel)) expectShape(op, name, type, [x.shape[1]]);
}

/** Channel of element i. */
function channels({ shape }: TensorType): (i: number) => number {
  const plane = elements(shape.slice(2));
  return (i) => Math.floor(i / plane) % shape[1];
}

/** Relative error of 1/√(variance + ε) in units of u: the roundings of ε and of the sum, halved by the root, then root and division. */
function inverseError(accuracy: Accuracy): number {
  return 1 + accuracy.sqrt + accuracy.divide;
}

/** x [N, C, H, W] or [N, C], scale, bias, mean and variance [C] → x's shape. */
export const batchNorm = defineOp<BatchNormAttributes>({
  name: 'batchNorm',
  family: 'batchNorm',
  inPlace: [[0, 0]],
  attributes: (given) => attributes('batchNorm', given),

  infer(_, inputs) {
    expectInputs('batchNorm', inputs, 5);
    const [x, scale, bias, mean, variance] = inputs;
    expectTypes('batchNorm', 'x', x, { scale, bias, mean, variance });
    return [f32(...x.shape)];
  },

  /** Difference, product and sum for each element; sum, root, division and product for each channel. */
  cost: (_, inputs, outputs) => ({
    macs: 0,
    flops: 3 * elements(inputs[0].shape) + 4 * inputs[0].shape[1],
    bytes: bytesTouched(inputs, outputs),
  }),

  /** scale/√(variance + ε) has one product more than the inverse root; difference, product and sum are rounded. */
  reference({ epsilon }, [x, scale, bias, mean, variance], accuracy) {
    const channelOf = channels(x);
    const data = new Float64Array(x.data.length);
    const bound = new Float64Array(x.data.length);
    for (let i = 0; i < data.length; i++) {
      const c = channelOf(i);
      const product = (scale.data[c] * (x.data[i] - mean.data[c])) / Math.sqrt(variance.data[c] + epsilon);
      data[i] = product + bias.data[c];
      const error = (inverseError(accuracy) + 3) * Math.abs(product) + Math.abs(data[i]);
      bound[i] = propagationConstant * unitRoundoff * error + underflow;
    }
    return [{ data, bound }];
  },

  gradient({ attributes: given, inputs: [x, scale, , mean, variance], outputGradients: [dy], wanted, emit }) {
    if (!dy) return [undefined, undefined, undefined, undefined, undefined];
    return [
      wanted[0] ? emit(batchNormDataGradient, [dy, scale, variance], given)[0] : undefined,
      wanted[1] ? emit(batchNormScaleGradient, [dy, x, mean, variance], given)[0] : undefined,
      wanted[2] ? emit(x.shape.length === 4 ? conv2dBiasGradient : linearBiasGradient, [dy], {})[0] : undefined,
      undefined,
      undefined,
    ];
  },
});

/** ∂loss/∂x from dy, scale [C] and variance [C]: dy · scale_c/√(variance_c + ε). */
export const batchNormDataGradient = defineOp<BatchNormAttributes>({
  name: 'batchNormDataGradient',
  family: 'batchNorm',
  inPlace: [[0, 0]],
  attributes: (given) => attributes('batchNormDataGradient', given),

  infer(_, inputs) {
    expectInputs('batchNormDataGradient', inputs, 3);
    const [dy, scale, variance] = inputs;
    expectTypes('batchNormDataGradient', 'dy', dy, { scale, variance });
    return [f32(...dy.shape)];
  },

  cost: (_, inputs, outputs) => ({
    macs: 0,
    flops: elements(inputs[0].shape) + 4 * inputs[0].shape[1],
    bytes: bytesTouched(inputs, outputs),
  }),

  /** The inverse root and two products. */
  reference({ epsilon }, [dy, scale, variance], accuracy) {
    const channelOf = channels(dy);
    const data = dy.data.map((value, i) => {
      const c = channelOf(i);
      return (value * scale.data[c]) / Math.sqrt(variance.data[c] + epsilon);
    });
    const relative = propagationConstant * unitRoundoff * (inverseError(accuracy) + 2);
    return [{ data, bound: data.map((value) => relative * Math.abs(value) + underflow) }];
  },
});

/** ∂loss/∂scale [C] from dy, x (one shape), mean [C] and variance [C]: Σ dy·(x − mean_c) / √(variance_c + ε) over all but channels. */
export const batchNormScaleGradient = defineOp<BatchNormAttributes>({
  name: 'batchNormScaleGradient',
  family: 'batchNorm',
  attributes: (given) => attributes('batchNormScaleGradient', given),

  infer(_, inputs) {
    expectInputs('batchNormScaleGradient', inputs, 4);
    const [dy, x, mean, variance] = inputs;
    expectTypes('batchNormScaleGradient', 'x', x, { mean, variance });
    expectShape('batchNormScaleGradient', 'dy', dy, x.shape);
    return [f32(x.shape[1])];
  },

  /** Difference, product and sum for each element. */
  cost: (_, inputs, outputs) => ({
    macs: 0,
    flops: 3 * elements(inputs[0].shape) + 4 * inputs[1].shape[1],
    bytes: bytesTouched(inputs, outputs),
  }),

  /**
   * A sum of products whose factors x − mean are themselves rounded, by as much as the products are: with the partial sums at
   * most doubling the squares, √2 times the sum's bound holds both. Then the inverse root and a product.
   */
  reference({ epsilon }, [dy, x, mean, variance], accuracy) {
    const channelOf = channels(x);
    const sums = new Sums(mean.data.length);
    for (let i = 0; i < x.data.length; i++) {
      const c = channelOf(i);
      sums.addProduct(c, dy.data[i] * (x.data[i] - mean.data[c]));
    }
    const judged = sums.judged();
    const data = new Float64Array(judged.data.length);
    const bound = new Float64Array(judged.data.length);
    for (let c = 0; c < data.length; c++) {
      const inverse = 1 / Math.sqrt(variance.data[c] + epsilon);
      data[c] = judged.data[c] * inverse;
      const roundings = (inverseError(accuracy) + 1) * Math.abs(data[c]);
      bound[c] = Math.SQRT2 * judged.bound[c] * inverse + propagationConstant * unitRoundoff * roundings + underflow;
    }
    return [{ data, bound }];
  },
});
