/** Leaky rectified linear unit (Maas et al. 2013): y = x where x > 0, else slope·x. The derivative at 0 is the slope. */
import {
  bytesTouched,
  defineOp,
  elements,
  expectInputs,
  expectShape,
  f32,
  type Judged,
  numberAttribute,
} from './define.js';
import { propagationConstant, roundingError } from './lib/sums.js';

export type LeakyReluAttributes = {
  /** At least 0, so that y tells the sign of x. */
  readonly slope: number;
};

function attributes(op: string, given: Partial<LeakyReluAttributes>): LeakyReluAttributes {
  return { slope: numberAttribute(op, 'slope', given.slope ?? 0.01, 0) };
}

/** Values where the gate is positive, exactly; elsewhere times the slope, which is rounded to float32 before the product. */
function leak(slope: number, values: Float64Array, gate: Float64Array): Judged {
  const rounded = Math.fround(slope) === slope ? 1 : 2;
  const data = values.map((value, i) => (gate[i] > 0 ? value : slope * value));
  const bound = data.map((value, i) => (gate[i] > 0 ? 0 : propagationConstant * rounded * roundingError(value)));
  return { data, bound };
}

/** x of any shape → the same shape. */
export const leakyRelu = defineOp<LeakyReluAttributes>({
  name: 'leakyRelu',
  family: 'leakyRelu',
  inPlace: [[0, 0]],
  attributes: (given) => attributes('leakyRelu', given),

  infer(_, inputs) {
    expectInputs('leakyRelu', inputs, 1);
    expectShape('leakyRelu', 'x', inputs[0], inputs[0].shape);
    return [f32(...inputs[0].shape)];
  },

  /** Comparison and product. */
  cost: (_, inputs, outputs) => ({
    macs: 0,
    flops: 2 * elements(inputs[0].shape),
    bytes: bytesTouched(inputs, outputs),
  }),

  reference: ({ slope }, [x]) => [leak(slope, x.data, x.data)],

  gradient({ attributes: given, outputs: [y], outputGradients: [dy], wanted, emit }) {
    return [dy && wanted[0] ? emit(leakyReluGradient, [dy, y], given)[0] : undefined];
  },
});

/** ∂loss/∂x from dy and the output y, both of x's shape: dy where y > 0, else slope·dy. */
export const leakyReluGradient = defineOp<LeakyReluAttributes>({
  name: 'leakyReluGradient',
  family: 'leakyRelu',
  inPlace: [[0, 0]],
  attributes: (given) => attributes('leakyReluGradient', given),

  infer(_, inputs) {
    expectInputs('leakyReluGradient', inputs, 2);
    const [dy, y] = inputs;
    expectShape('leakyReluGradient', 'y', y, y.shape);
    expectShape('leakyReluGradient', 'dy', dy, y.shape);
    return [f32(...y.shape)];
  },

  cost: (_, inputs, outputs) => ({
    macs: 0,
    flops: 2 * elements(inputs[0].shape),
    bytes: bytesTouched(inputs, outputs),
  }),

  reference: ({ slope }, [dy, y]) => [leak(slope, dy.data, y.data)],
});
