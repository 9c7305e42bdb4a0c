/** Rectified linear unit, y = max(x, 0); NaN stays NaN. */
import { bytesTouched, defineOp, elements, expectInputs, expectShape, f32 } from './define.js';
import { exact } from './lib/sums.js';

export type ReluAttributes = Record<string, never>;

export const relu = defineOp<ReluAttributes>({
  name: 'relu',
  family: 'relu',
  inPlace: [[0, 0]],
  attributes: () => ({}),

  infer(_, inputs) {
    expectInputs('relu', inputs, 1);
    expectShape('relu', 'x', inputs[0], inputs[0].shape);
    return [f32(...inputs[0].shape)];
  },

  cost: (_, inputs, outputs) => ({ macs: 0, flops: elements(inputs[0].shape), bytes: bytesTouched(inputs, outputs) }),

  reference: (_, [x]) => [exact(x.data.map((value) => Math.max(value, 0)))],

  gradient({ outputs: [y], outputGradients: [dy], wanted, emit }) {
    return [dy && wanted[0] ? emit(reluGradient, [dy, y], {})[0] : undefined];
  },
});

/** ∂loss/∂x from dy and the output y, both of x's shape: dy where y > 0, else 0 (so ReLU'(0) = 0). */
export const reluGradient = defineOp<ReluAttributes>({
  name: 'reluGradient',
  family: 'relu',
  inPlace: [[0, 0]],
  attributes: () => ({}),

  infer(_, inputs) {
    expectInputs('reluGradient', inputs, 2);
    const [dy, y] = inputs;
    expectShape('reluGradient', 'y', y, y.shape);
    expectShape('reluGradient', 'dy', dy, y.shape);
    return [f32(...y.shape)];
  },

  cost: (_, inputs, outputs) => ({ macs: 0, flops: elements(inputs[0].shape), bytes: bytesTouched(inputs, outputs) }),

  reference: (_, [dy, y]) => [exact(dy.data.map((value, i) => (y.data[i] > 0 ? value : 0)))],
});
