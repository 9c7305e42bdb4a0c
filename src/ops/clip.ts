/**
 * Limits to an interval, y = min(max(x, min), max); NaN stays NaN. The gradient passes where min ≤ x ≤ max, both ends
 * included (torch's clamp). ReLU6 is min 0, max 6. Without limits every finite float32 passes, and an infinity becomes the largest
 * one of its sign (ONNX's Clip).
 */
import { GraphError } from '../errors.js';
import { bytesTouched, defineOp, elements, expectInputs, expectShape, f32, numberAttribute } from './define.js';
import { exact } from './lib/sums.js';

export type ClipAttributes = {
  /** Rounded to float32, and so is max: the result must be exact. */
  readonly min: number;
  readonly max: number;
};

/** The largest finite float32. */
const largest = (2 - 2 ** -23) * 2 ** 127;

function attributes(op: string, given: Partial<ClipAttributes>): ClipAttributes {
  const min = Math.fround(numberAttribute(op, 'min', given.min ?? -largest, -largest, largest));
  const max = Math.fround(numberAttribute(op, 'max', given.max ?? largest, -largest, largest));
  if (min > max) throw new GraphError(`${op}: min must not be greater than max, got min ${min} and max ${max}`);
  return { min, max };
}

/** x of any shape → the same shape. */
export const clip = defineOp<ClipAttributes>({
  name: 'clip',
  family: 'clip',
  inPlace: [[0, 0]],
  attributes: (given) => attributes('clip', given),

  infer(_, inputs) {
    expectInputs('clip', inputs, 1);
    expectShape('clip', 'x', inputs[0], inputs[0].shape);
    return [f32(...inputs[0].shape)];
  },

  /** Two comparisons. */
  cost: (_, inputs, outputs) => ({
    macs: 0,
    flops: 2 * elements(inputs[0].shape),
    bytes: bytesTouched(inputs, outputs),
  }),

  reference: ({ min, max }, [x]) => [exact(x.data.map((value) => Math.min(Math.max(value, min), max)))],

  gradient({ attributes: given, inputs: [x], outputGradients: [dy], wanted, emit }) {
    return [dy && wanted[0] ? emit(clipGradient, [dy, x], given)[0] : undefined];
  },
});

/** ∂loss/∂x from dy and x, both of one shape: dy where min ≤ x ≤ max, else 0. */
export const clipGradient = defineOp<ClipAttributes>({
  name: 'clipGradient',
  family: 'clip',
  inPlace: [[0, 0]],
  attributes: (given) => attributes('clipGradient', given),

  infer(_, inputs) {
    expectInputs('clipGradient', inputs, 2);
    const [dy, x] = inputs;
    expectShape('clipGradient', 'x', x, x.shape);
    expectShape('clipGradient', 'dy', dy, x.shape);
    return [f32(...x.shape)];
  },

  cost: (_, inputs, outputs) => ({
    macs: 0,
    flops: 2 * elements(inputs[0].shape),
    bytes: bytesTouched(inputs, outputs),
  }),

  reference: ({ min, max }, [dy, x]) => [
    exact(dy.data.map((value, i) => (x.data[i] >= min && x.data[i] <= max ? value : 0))),
  ],
});
