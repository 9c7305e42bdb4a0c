/** Mean of squared differences over all elements: loss = 1/M · Σ (x − target)², M their number (torch's MSELoss). */
import {
  bytesTouched,
  defineOp,
  elements,
  expectInputs,
  expectShape,
  f32,
  type TensorType,
  unitRoundoff,
} from './define.js';
import { propagationConstant, Sums, underflow } from './lib/sums.js';

export type MeanSquaredErrorAttributes = Record<string, never>;

function expectTypes(op: string, x: TensorType, target: TensorType): void {
  expectShape(op, 'x', x, x.shape);
  expectShape(op, 'target', target, x.shape);
}

/** x and target of one shape → [1]. */
export const meanSquaredError = defineOp<MeanSquaredErrorAttributes>({
  name: 'meanSquaredError',
  family: 'meanSquaredError',
  attributes: () => ({}),

  infer(_, inputs) {
    expectInputs('meanSquaredError', inputs, 2);
    expectTypes('meanSquaredError', inputs[0], inputs[1]);
    return [f32(1)];
  },

  /** Per element: difference, square, sum. */
  cost: (_, inputs, outputs) => ({
    macs: 0,
    flops: 3 * elements(inputs[0].shape),
    bytes: bytesTouched(inputs, outputs),
  }),

  /** A difference's rounding counts twice in its square; then a sum of products, and a division by M. */
  reference(_, [x, target], accuracy) {
    const total = new Sums(1);
    x.data.forEach((value, i) => total.addProduct(0, (value - target.data[i]) ** 2));
    const { data, bound } = total.judged();
    const mean = data[0] / x.data.length;
    const roundings = propagationConstant * unitRoundoff * (2 + accuracy.divide) * mean;
    return [{ data: Float64Array.of(mean), bound: Float64Array.of(bound[0] / x.data.length + roundings + underflow) }];
  },

  /** The loss is symmetric: the gradient for the target is that for x with both exchanged. */
  gradient({ inputs: [x, target], outputGradients: [dloss], wanted, emit }) {
    return [
      dloss && wanted[0] ? emit(meanSquaredErrorGradient, [dloss, x, target], {})[0] : undefined,
      dloss && wanted[1] ? emit(meanSquaredErrorGradient, [dloss, target, x], {})[0] : undefined,
    ];
  },
});

/** ∂loss/∂x from dloss [1], x and target of one shape: 2·dloss/M · (x − target). */
export const meanSquaredErrorGradient = defineOp<MeanSquaredErrorAttributes>({
  name: 'meanSquaredErrorGradient',
  family: 'meanSquaredError',
  inPlace: [
    [0, 1],
    [0, 2],
  ],
  attributes: () => ({}),

  infer(_, inputs) {
    expectInputs('meanSquaredErrorGradient', inputs, 3);
    const [dloss, x, target] = inputs;
    expectShape('meanSquaredErrorGradient', 'dloss', dloss, [1]);
    expectTypes('meanSquaredErrorGradient', x, target);
    return [f32(...x.shape)];
  },

  /** Per element: difference and product. */
  cost: (_, inputs, outputs) => ({
    macs: 0,
    flops: 2 * elements(inputs[1].shape),
    bytes: bytesTouched(inputs, outputs),
  }),

  /** Difference, factor (a division; doubling is exact) and product. */
  reference(_, [dloss, x, target], accuracy) {
    const factor = (2 * dloss.data[0]) / x.data.length;
    const data = x.data.map((value, i) => factor * (value - target.data[i]));
    const relative = propagationConstant * unitRoundoff * (2 + accuracy.divide);
    return [{ data, bound: data.map((value) => relative * Math.abs(value) + underflow) }];
  },
});
