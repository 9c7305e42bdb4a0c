/** Sum of two tensors of the same shape. */
import { bytesTouched, defineOp, elements, expectInputs, expectShape, f32 } from './define.js';
import { roundingError } from './lib/sums.js';

export type AddAttributes = Record<string, never>;

export const add = defineOp<AddAttributes>({
  name: 'add',
  family: 'add',
  inPlace: [
    [0, 0],
    [0, 1],
  ],
  attributes: () => ({}),

  infer(_, inputs) {
    expectInputs('add', inputs, 2);
    const [a, b] = inputs;
    expectShape('add', 'a', a, a.shape);
    expectShape('add', 'b', b, a.shape);
    return [f32(...a.shape)];
  },

  cost: (_, inputs, outputs) => ({ macs: 0, flops: elements(inputs[0].shape), bytes: bytesTouched(inputs, outputs) }),

  /** One rounding. */
  reference(_, [a, b]) {
    const data = a.data.map((value, i) => value + b.data[i]);
    return [{ data, bound: data.map(roundingError) }];
  },

  gradient: ({ outputGradients: [dy], wanted }) => [wanted[0] ? dy : undefined, wanted[1] ? dy : undefined],
});
