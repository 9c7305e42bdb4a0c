/**
 * Hyperbolic tangent with two factors, y = a·tanh(b·x): Krizhevsky's neuron `tanh[a,b]` (LeCun's recommendation is
 * a = 1.7159, b = 2/3); a = b = 1 is tanh itself. With y at hand the slope is a·b·(1 − tanh²(b·x)) = b/a·(a − y)·(a + y), a form
 * in which nothing cancels: it is exactly 0 where y is ±a.
 */
import { GraphError } from '../errors.js';
import {
  bytesTouched,
  defineOp,
  elements,
  expectInputs,
  expectShape,
  f32,
  numberAttribute,
  unitRoundoff,
} from './define.js';
import { propagationConstant, underflow } from './lib/sums.js';

export type TanhAttributes = {
  /** The limit of y for large x, not 0. Rounded to float32, and so is b: they are the numbers that kernels compute with. */
  readonly a: number;
  readonly b: number;
};

/** The largest finite float32. */
const largest = (2 - 2 ** -23) * 2 ** 127;

function attributes(op: string, given: Partial<TanhAttributes>): TanhAttributes {
  const a = Math.fround(numberAttribute(op, 'a', given.a ?? 1, -largest, largest));
  if (a === 0) throw new GraphError(`${op}: a must not be 0, got ${given.a}`);
  return { a, b: Math.fround(numberAttribute(op, 'b', given.b ?? 1, -largest, largest)) };
}

/** The relative error of tanh z for one of z: z·tanh′(z)/tanh(z) = 2z/sinh(2z), from 1 at 0 down to 0. */
function conditioning(z: number): number {
  if (z === 0) return 1;
  return Math.abs(z) > 300 ? 0 : (2 * z) / Math.sinh(2 * z);
}

/** x of any shape → the same shape. */
export const tanh = defineOp<TanhAttributes>({
  name: 'tanh',
  family: 'tanh',
  inPlace: [[0, 0]],
  attributes: (given) => attributes('tanh', given),

  infer(_, inputs) {
    expectInputs('tanh', inputs, 1);
    expectShape('tanh', 'x', inputs[0], inputs[0].shape);
    return [f32(...inputs[0].shape)];
  },

  /** Two products and the function (as one). */
  cost: (_, inputs, outputs) => ({
    macs: 0,
    flops: 3 * elements(inputs[0].shape),
    bytes: bytesTouched(inputs, outputs),
  }),

  /** The rounding of b·x, as tanh passes it on, tanh's own error, and the product with a. */
  reference({ a, b }, [x], accuracy) {
    const data = x.data.map((value) => a * Math.tanh(b * value));
    const bound = data.map((value, i) => {
      const relative = conditioning(b * x.data[i]) + accuracy.tanh + 1;
      return propagationConstant * unitRoundoff * relative * Math.abs(value) + underflow;
    });
    return [{ data, bound }];
  },

  gradient({ attributes: given, outputs: [y], outputGradients: [dy], wanted, emit }) {
    return [dy && wanted[0] ? emit(tanhGradient, [dy, y], given)[0] : undefined];
  },
});

/** ∂loss/∂x from dy and the output y, both of x's shape: dy·(b/a·((a − y)·(a + y))). */
export const tanhGradient = defineOp<TanhAttributes>({
  name: 'tanhGradient',
  family: 'tanh',
  inPlace: [[0, 0]],
  attributes: (given) => attributes('tanhGradient', given),

  infer(_, inputs) {
    expectInputs('tanhGradient', inputs, 2);
    const [dy, y] = inputs;
    expectShape('tanhGradient', 'y', y, y.shape);
    expectShape('tanhGradient', 'dy', dy, y.shape);
    return [f32(...y.shape)];
  },

  /** Difference, sum and three products. */
  cost: (_, inputs, outputs) => ({
    macs: 0,
    flops: 5 * elements(inputs[0].shape),
    bytes: bytesTouched(inputs, outputs),
  }),

  /** Difference, sum, coefficient, and three products. */
  reference({ a, b }, [dy, y]) {
    const data = dy.data.map((value, i) => value * ((b / a) * ((a - y.data[i]) * (a + y.data[i]))));
    const bound = data.map((value) => propagationConstant * unitRoundoff * 6 * Math.abs(value) + underflow);
    return [{ data, bound }];
  },
});
