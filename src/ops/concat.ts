/** Joins tensors along an axis: channels of [N, C, H, W] or features of [N, K] with axis 1. */
import { GraphError } from '../errors.js';
import { bytesTouched, defineOp, f32, formatShape, integerAttribute, type Op } from './define.js';
import { expectAxis, join, rowsOf } from './lib/pieces.js';
import { exact } from './lib/sums.js';
import { split } from './split.js';

export type ConcatAttributes = {
  /** Counted from 0; 1 by default. */
  readonly axis: number;
};

/** Any number of tensors whose shapes differ along the axis only → one, in their order. */
export const concat: Op<ConcatAttributes> = defineOp<ConcatAttributes>({
  name: 'concat',
  family: 'concat',
  attributes: (given) => ({ axis: integerAttribute('concat', 'axis', given.axis ?? 1, 0) }),

  infer({ axis }, inputs) {
    if (inputs.length === 0) throw new GraphError('concat: expected at least 1 input, got 0');
    const [first] = inputs;
    let extent = 0;
    for (const input of inputs) {
      expectAxis('concat', 'each input', input, axis);
      const { shape } = input;
      if (shape.length !== first.shape.length || shape.some((size, i) => i !== axis && size !== first.shape[i])) {
        throw new GraphError(
          `concat: shapes may differ along axis ${axis} only, got ${inputs.map((one) => formatShape(one.shape)).join(' and ')}`,
        );
      }
      extent += shape[axis];
    }
    return [f32(...first.shape.map((size, i) => (i === axis ? extent : size)))];
  },

  cost: (_, inputs, outputs) => ({ macs: 0, flops: 0, bytes: bytesTouched(inputs, outputs) }),

  reference({ axis }, inputs) {
    const sizes = inputs.map(({ shape }) => shape[axis]);
    const whole = inputs[0].shape.map((size, i) => (i === axis ? sizes.reduce((sum, one) => sum + one, 0) : size));
    return [
      exact(
        join(
          rowsOf(whole, axis, sizes),
          inputs.map(({ data }) => data),
        ),
      ),
    ];
  },

  gradient({ attributes: { axis }, inputs, outputGradients: [dy], wanted, emit }) {
    if (!dy || !wanted.some(Boolean)) return inputs.map(() => undefined);
    const pieces = emit(split, [dy], { axis, sizes: inputs.map(({ shape }) => shape[axis]) });
    return pieces.map((piece, i) => (wanted[i] ? piece : undefined));
  },
});
