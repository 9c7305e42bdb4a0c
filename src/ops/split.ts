/** Cuts a tensor along an axis: channels of [N, C, H, W] or features of [N, K] with axis 1. */
import { GraphError } from '../errors.js';
import { concat } from './concat.js';
import {
  bytesTouched,
  defineOp,
  expectInputs,
  expectShape,
  f32,
  formatShape,
  integerAttribute,
  type Op,
  type Ref,
} from './define.js';
import { cut, expectAxis, join, rowsOf } from './lib/pieces.js';
import { exact } from './lib/sums.js';

export type SplitAttributes = {
  /** Counted from 0; 1 by default. */
  readonly axis: number;
  /** Extent of each piece along the axis. */
  readonly sizes: readonly number[];
};

export type SplitGradientAttributes = SplitAttributes & {
  /** For each piece 1 when its gradient is an input, 0 when it is zero. */
  readonly present: readonly number[];
};

function attributes(op: string, given: Partial<SplitAttributes>): SplitAttributes {
  if (!given.sizes || given.sizes.length === 0) {
    throw new GraphError(`${op}: sizes is missing; expected the extent of each piece along the axis`);
  }
  return {
    axis: integerAttribute(op, 'axis', given.axis ?? 1, 0),
    sizes: given.sizes.map((size) => integerAttribute(op, 'each of sizes', size, 1)),
  };
}

function sum(sizes: readonly number[]): number {
  return sizes.reduce((total, size) => total + size, 0);
}

/** The shape with another extent along the axis. */
function resized(shape: readonly number[], axis: number, size: number): readonly number[] {
  return shape.map((extent, i) => (i === axis ? size : extent));
}

/** x → its pieces in order; the sizes add up to its extent along the axis. */
export const split: Op<SplitAttributes> = defineOp<SplitAttributes>({
  name: 'split',
  family: 'split',
  attributes: (given) => attributes('split', given),

  infer({ axis, sizes }, inputs) {
    expectInputs('split', inputs, 1);
    const [x] = inputs;
    expectAxis('split', 'x', x, axis);
    if (sum(sizes) !== x.shape[axis]) {
      throw new GraphError(
        `split: sizes [${sizes.join(', ')}] add up to ${sum(sizes)}, x ${formatShape(x.shape)} has ${x.shape[axis]} along axis ${axis}`,
      );
    }
    return sizes.map((size) => f32(...resized(x.shape, axis, size)));
  },

  cost: (_, inputs, outputs) => ({ macs: 0, flops: 0, bytes: bytesTouched(inputs, outputs) }),

  reference: ({ axis, sizes }, [x]) => cut(rowsOf(x.shape, axis, sizes), x.data).map(exact),

  /** `concat` of the gradients; where the loss does not depend on some of the pieces, those are zero. */
  gradient({ attributes: { axis, sizes }, outputGradients, wanted, emit }) {
    const given = outputGradients.filter((dy): dy is Ref => dy !== undefined);
    if (given.length === 0 || !wanted[0]) return [undefined];
    if (given.length === sizes.length) return [emit(concat, given, { axis })[0]];
    const present = outputGradients.map((dy) => (dy ? 1 : 0));
    return [emit(splitGradient, given, { axis, sizes, present })[0]];
  },
});

/** ∂loss/∂x from the gradients of the pieces that are present, in order; zero for the others. */
export const splitGradient = defineOp<SplitGradientAttributes>({
  name: 'splitGradient',
  family: 'split',

  attributes(given) {
    const { axis, sizes } = attributes('splitGradient', given);
    const present = (given.present ?? sizes.map(() => 1)).map((flag) =>
      integerAttribute('splitGradient', 'each of present', flag, 0, 1),
    );
    if (present.length !== sizes.length || sum(present) === 0) {
      throw new GraphError(
        `splitGradient: present must have one flag for each of sizes [${sizes.join(', ')}], at least one of them 1, got [${present.join(', ')}]`,
      );
    }
    return { axis, sizes, present };
  },

  infer({ axis, sizes, present }, inputs) {
    expectInputs('splitGradient', inputs, sum(present));
    expectAxis('splitGradient', 'dy', inputs[0], axis);
    const given = sizes.filter((_, i) => present[i]);
    inputs.forEach((dy, i) => {
      expectShape('splitGradient', `dy ${i}`, dy, resized(inputs[0].shape, axis, given[i]));
    });
    return [f32(...resized(inputs[0].shape, axis, sum(sizes)))];
  },

  cost: (_, inputs, outputs) => ({ macs: 0, flops: 0, bytes: bytesTouched(inputs, outputs) }),

  reference({ axis, sizes, present }, inputs) {
    const whole = resized(inputs[0].shape, axis, sum(sizes));
    let next = 0;
    const pieces = present.map((flag) => (flag ? inputs[next++].data : undefined));
    return [exact(join(rowsOf(whole, axis, sizes), pieces))];
  },
});
