/**
 * Fully connected layer, with its three gradients, and the update of its weight at once with the weight's gradient.
 *
 *   y[n, o] = b[o] + Σ_k w[o, k] · x[n, k]
 *
 * For inference the weight may be int16, with a factor for each row:
 *
 *   y[n, o] = b[o] + scale[o] · Σ_k w[o, k] · x[n, k]
 */
import { GraphError } from '../errors.js';
import {
  bytesTouched,
  type Cost,
  type DType,
  defineOp,
  elements,
  expectInputs,
  expectRank,
  expectShape,
  f32,
  formatShape,
  type TensorType,
  wordAttribute,
} from './define.js';
import { Sums } from './lib/sums.js';
import { reluGradient } from './relu.js';
import { type SgdAttributes, sgd } from './sgd.js';

export type LinearAttributes = {
  /** Applied to the sum; set by the fusion pass. */
  readonly activation: 'none' | 'relu';
};

export type LinearGradientAttributes = Record<string, never>;

/** Checks that two matrices agree in the given dimension of each. */
function expectCommon(
  op: string,
  a: string,
  b: string,
  left: TensorType,
  right: TensorType,
  axes: readonly [number, number],
  dtype: DType = 'f32',
): void {
  expectRank(op, a, left, 2);
  expectRank(op, b, right, 2, dtype);
  if (left.shape[axes[0]] !== right.shape[axes[1]]) {
    throw new GraphError(
      `${op}: dimension ${axes[0]} of ${a} ${formatShape(left.shape)} and dimension ${axes[1]} of ${b} ` +
        `${formatShape(right.shape)} must be equal`,
    );
  }
}

/** N·O·K multiply-adds: the same for all three passes. */
function cost(macs: number, inputs: readonly TensorType[], outputs: readonly TensorType[]): Cost {
  return { macs, flops: 2 * macs, bytes: bytesTouched(inputs, outputs) };
}

/** Calls `visit(outputIndex, inputIndex, weightIndex)` for every product; all three passes sum over exactly these. */
function forEachProduct(
  batch: number,
  outFeatures: number,
  inFeatures: number,
  visit: (y: number, x: number, w: number) => void,
): void {
  for (let n = 0; n < batch; n++) {
    for (let o = 0; o < outFeatures; o++) {
      for (let k = 0; k < inFeatures; k++) visit(n * outFeatures + o, n * inFeatures + k, o * inFeatures + k);
    }
  }
}

/** Whether the weight of a layer is int16: its inputs then are x, weight, scale, and the bias if there is one. */
export function isInt16(weight: TensorType): boolean {
  return weight.dtype === 'i16';
}

/** x [N, K], weight [O, K], scale [O] (of an int16 weight), bias [O] (optional) → [N, O]. */
export const linear = defineOp<LinearAttributes>({
  name: 'linear',
  family: 'linear',
  attributes: (given) => ({
    activation: wordAttribute('linear', 'activation', given.activation ?? 'none', ['none', 'relu']),
  }),

  infer(_, inputs) {
    const int16 = inputs.length > 1 && isInt16(inputs[1]);
    expectInputs('linear', inputs, int16 ? 3 : 2, int16 ? 4 : 3);
    const [x, w] = inputs;
    expectCommon('linear', 'x', 'weight', x, w, [1, 1], int16 ? 'i16' : 'f32');
    if (int16) expectShape('linear', 'scale', inputs[2], [w.shape[0]]);
    const b = inputs[int16 ? 3 : 2];
    if (b) expectShape('linear', 'bias', b, [w.shape[0]]);
    return [f32(x.shape[0], w.shape[0])];
  },

  cost: (_, inputs, outputs) => cost(elements(inputs[0].shape) * inputs[1].shape[0], inputs, outputs),

  reference({ activation }, [x, w, ...rest]) {
    const [outFeatures, inFeatures] = w.shape;
    const [scale, b] = isInt16(w) ? rest : [undefined, ...rest];
    const sums = new Sums(x.shape[0] * outFeatures);
    forEachProduct(x.shape[0], outFeatures, inFeatures, (yi, xi, wi) => sums.addProduct(yi, x.data[xi] * w.data[wi]));
    if (scale) for (let i = 0; i < sums.data.length; i++) sums.multiply(i, scale.data[i % outFeatures]);
    if (b) for (let i = 0; i < sums.data.length; i++) sums.addValue(i, b.data[i % outFeatures]);
    const { data, bound } = sums.judged();
    // ReLU moves no two values further apart, so the bound of the sum stands.
    return [{ data: activation === 'relu' ? data.map((value) => Math.max(value, 0)) : data, bound }];
  },

  gradient({ attributes: { activation }, inputs: [x, w, b], outputs: [y], outputGradients: [incoming], wanted, emit }) {
    if (!incoming) return [undefined, undefined, undefined];
    if (isInt16(w)) throw new GraphError('linear: an int16 weight is for inference: a gradient needs a float32 weight');
    const [dy] = activation === 'relu' ? emit(reluGradient, [incoming, y], {}) : [incoming];
    return [
      wanted[0] ? emit(linearDataGradient, [dy, w], {})[0] : undefined,
      wanted[1] ? emit(linearWeightGradient, [dy, x], {})[0] : undefined,
      b && wanted[2] ? emit(linearBiasGradient, [dy], {})[0] : undefined,
    ];
  },
});

/** ∂loss/∂x [N, K] from dy [N, O] and w [O, K]. */
export const linearDataGradient = defineOp<LinearGradientAttributes>({
  name: 'linearDataGradient',
  family: 'linear',
  attributes: () => ({}),

  infer(_, inputs) {
    expectInputs('linearDataGradient', inputs, 2);
    const [dy, w] = inputs;
    expectCommon('linearDataGradient', 'dy', 'weight', dy, w, [1, 0]);
    return [f32(dy.shape[0], w.shape[1])];
  },

  cost: (_, inputs, outputs) => cost(elements(inputs[0].shape) * inputs[1].shape[1], inputs, outputs),

  reference(_, [dy, w]) {
    const [outFeatures, inFeatures] = w.shape;
    const sums = new Sums(dy.shape[0] * inFeatures);
    forEachProduct(dy.shape[0], outFeatures, inFeatures, (yi, xi, wi) => sums.addProduct(xi, dy.data[yi] * w.data[wi]));
    return [sums.judged()];
  },
});

/** ∂loss/∂w [O, K] from dy [N, O] and x [N, K]: for each weight a sum over the batch. */
export const linearWeightGradient = defineOp<LinearGradientAttributes>({
  name: 'linearWeightGradient',
  family: 'linear',
  attributes: () => ({}),

  infer(_, inputs) {
    expectInputs('linearWeightGradient', inputs, 2);
    const [dy, x] = inputs;
    expectCommon('linearWeightGradient', 'dy', 'x', dy, x, [0, 0]);
    return [f32(dy.shape[1], x.shape[1])];
  },

  cost: (_, inputs, outputs) => cost(elements(inputs[0].shape) * inputs[1].shape[1], inputs, outputs),

  reference(_, [dy, x]) {
    const [batch, outFeatures] = dy.shape;
    const inFeatures = x.shape[1];
    const sums = new Sums(outFeatures * inFeatures);
    forEachProduct(batch, outFeatures, inFeatures, (yi, xi, wi) => sums.addProduct(wi, dy.data[yi] * x.data[xi]));
    return [sums.judged()];
  },
});

/** ∂loss/∂b [O] from dy [N, O]: for each output the sum over the batch. */
export const linearBiasGradient = defineOp<LinearGradientAttributes>({
  name: 'linearBiasGradient',
  family: 'linear',
  attributes: () => ({}),

  infer(_, inputs) {
    expectInputs('linearBiasGradient', inputs, 1);
    expectRank('linearBiasGradient', 'dy', inputs[0], 2);
    return [f32(inputs[0].shape[1])];
  },

  cost: (_, inputs, outputs) => ({ macs: 0, flops: elements(inputs[0].shape), bytes: bytesTouched(inputs, outputs) }),

  reference(_, [dy]) {
    const sums = new Sums(dy.shape[1]);
    dy.data.forEach((value, i) => sums.addValue(i % dy.shape[1], value));
    return [sums.judged()];
  },
});

/**
 * `sgd` with the gradient that `linearWeightGradient` gives, which is never stored: weight w [O, K], dy [N, O], x [N, K], velocity v
 * [O, K] and learning rate f32 [1] → [w', v'].
 */
export const linearSgd = defineOp<SgdAttributes>({
  name: 'linearSgd',
  family: 'linear',
  inPlace: [
    [0, 0],
    [1, 3],
  ],
  attributes: sgd.attributes,

  infer(attributes, inputs) {
    expectInputs('linearSgd', inputs, 5);
    const [w, dy, x, v, learningRate] = inputs;
    return sgd.infer(attributes, [w, ...linearWeightGradient.infer({}, [dy, x]), v, learningRate]);
  },

  cost(attributes, inputs, outputs) {
    const [w, dy, x, v, learningRate] = inputs;
    const gradient = linearWeightGradient.cost({}, [dy, x], [w]);
    const update = sgd.cost(attributes, [w, w, v, learningRate], outputs);
    return { macs: gradient.macs, flops: gradient.flops + update.flops, bytes: bytesTouched(inputs, outputs) };
  },

  reference(attributes, [w, dy, x, v, learningRate], accuracy) {
    const [gradient] = linearWeightGradient.reference({}, [dy, x], accuracy);
    const [weight, velocity] = sgd.reference(attributes, [w, { ...w, data: gradient.data }, v, learningRate], accuracy);
    // The error of the gradient enters the weight times ε, and the velocity as the gradient itself does.
    const rate = learningRate.data[0] * attributes.learningRateMultiplier;
    const inner = attributes.rule === 'torch' ? 1 : rate;
    const moreBy = (factor: number) => (bound: number, i: number) => bound + Math.abs(factor) * gradient.bound[i];
    return [
      { ...weight, bound: weight.bound.map(moreBy(rate)) },
      { ...velocity, bound: velocity.bound.map(moreBy(inner)) },
    ];
  },
});
