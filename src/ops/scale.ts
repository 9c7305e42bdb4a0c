/**
 * Product with a constant, y = factor·x. Dropout that is not scaled while training (Hinton et al. 2012) needs it at test,
 * with the probability of being kept as factor.
 */
import {
  bytesTouched,
  defineOp,
  elements,
  expectInputs,
  expectShape,
  f32,
  numberAttribute,
  type Op,
} from './define.js';
import { propagationConstant, roundingError } from './lib/sums.js';

export type ScaleAttributes = {
  readonly factor: number;
};

/** x of any shape → the same shape. */
export const scale: Op<ScaleAttributes> = defineOp<ScaleAttributes>({
  name: 'scale',
  family: 'scale',
  inPlace: [[0, 0]],
  attributes: (given) => ({ factor: numberAttribute('scale', 'factor', given.factor ?? 1) }),

  infer(_, inputs) {
    expectInputs('scale', inputs, 1);
    expectShape('scale', 'x', inputs[0], inputs[0].shape);
    return [f32(...inputs[0].shape)];
  },

  cost: (_, inputs, outputs) => ({ macs: 0, flops: elements(inputs[0].shape), bytes: bytesTouched(inputs, outputs) }),

  /** The product is rounded, unless it is 0, and so is the factor if it is not float32. */
  reference({ factor }, [x]) {
    const roundings = Math.fround(factor) === factor ? 1 : 2 * propagationConstant;
    const data = x.data.map((value) => factor * value);
    return [{ data, bound: data.map((value) => (value === 0 ? 0 : roundings * roundingError(value))) }];
  },

  gradient({ attributes: given, outputGradients: [dy], wanted, emit }) {
    return [dy && wanted[0] ? emit(scale, [dy], given)[0] : undefined];
  },
});
