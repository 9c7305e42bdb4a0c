/** The same elements in the same (row-major) order under another shape. */
import { GraphError } from '../errors.js';
import { defineOp, elements, expectInputs, formatShape, integerAttribute, type Op } from './define.js';
import { exact } from './lib/sums.js';

export type ReshapeAttributes = {
  /** Output shape, batch included. */
  readonly shape: readonly number[];
};

export const reshape: Op<ReshapeAttributes> = defineOp<ReshapeAttributes>({
  name: 'reshape',
  family: 'reshape',
  inPlace: [[0, 0]],
  alias: true,

  attributes(given) {
    if (!given.shape) throw new GraphError('reshape: shape is missing; expected the output shape, batch included');
    return { shape: given.shape.map((extent) => integerAttribute('reshape', 'each extent of shape', extent, 1)) };
  },

  infer({ shape }, inputs) {
    expectInputs('reshape', inputs, 1);
    const [x] = inputs;
    if (elements(shape) !== elements(x.shape)) {
      throw new GraphError(
        `reshape: ${formatShape(x.shape)} has ${elements(x.shape)} elements, ${formatShape(shape)} has ${elements(shape)}`,
      );
    }
    return [{ dtype: x.dtype, shape }];
  },

  cost: () => ({ macs: 0, flops: 0, bytes: 0 }),

  reference: (_, [x]) => [exact(x.data)],

  gradient({ inputs: [x], outputGradients: [dy], wanted, emit }) {
    return [dy && wanted[0] ? emit(reshape, [dy], { shape: x.shape })[0] : undefined];
  },
});
