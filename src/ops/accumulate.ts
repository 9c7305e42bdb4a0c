/**
 * A running sum: sum + x while `keep` is 1, x alone where it is 0, whatever the sum holds then (gradients of a batch that passes in
 * parts: the first part begins anew).
 */
import { bytesTouched, defineOp, elements, expectInputs, expectShape, f32 } from './define.js';
import { roundingError } from './lib/sums.js';

export type AccumulateAttributes = Record<string, never>;

/** sum and x of one shape, keep f32 [1] → the new sum. */
export const accumulate = defineOp<AccumulateAttributes>({
  name: 'accumulate',
  family: 'accumulate',
  inPlace: [[0, 0]],
  attributes: () => ({}),

  infer(_, inputs) {
    expectInputs('accumulate', inputs, 3);
    const [sum, x, keep] = inputs;
    expectShape('accumulate', 'sum', sum, sum.shape);
    expectShape('accumulate', 'x', x, sum.shape);
    expectShape('accumulate', 'keep', keep, [1]);
    return [f32(...sum.shape)];
  },

  cost: (_, inputs, outputs) => ({ macs: 0, flops: elements(inputs[0].shape), bytes: bytesTouched(inputs, outputs) }),

  /** One rounding, or none. */
  reference(_, [sum, x, keep]) {
    const adds = keep.data[0] !== 0;
    const data = x.data.map((value, i) => (adds ? sum.data[i] + value : value));
    return [{ data, bound: data.map((value) => (adds ? roundingError(value) : 0)) }];
  },
});
