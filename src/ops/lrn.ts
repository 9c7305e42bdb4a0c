/**
 * Local response normalisation across channels (Krizhevsky et al. 2012, §3.3):
 *
 *   s_i = k + a·Σ_{j ∈ W(i)} x_j²      y_i = x_i · s_i^(−β)
 *
 * W(i) = [i − ⌊size/2⌋, i + ⌊(size − 1)/2⌋] (torch's window for even sizes; ONNX's is its mirror image; odd ones are symmetric),
 * clipped to the channels of i's group; a = alpha or alpha/size, not renormalised where the window is clipped. With incoming
 * gradient g
 *
 *   dx_i = g_i·s_i^(−β) − 2·a·β·x_i · Σ_{j : i ∈ W(j)} g_j·y_j/s_j
 */
import { GraphError } from '../errors.js';
import {
  bytesTouched,
  defineOp,
  elements,
  expectInputs,
  expectRank,
  expectShape,
  f32,
  integerAttribute,
  type TensorType,
  wordAttribute,
} from './define.js';
import {
  coefficient,
  normalize,
  normalizeGradient,
  type ResponseNormAttributes,
  reach,
  responseNormAttributes,
  slidingSums,
  type Windows,
} from './lib/responseNorm.js';

export type LrnAttributes = ResponseNormAttributes & {
  /** Channels in the full window. */
  readonly size: number;
  /** Groups of channels that windows do not cross: 2 for the two towers of the 2012 network. */
  readonly groups: number;
  /** Which way a window of even size leans: 'torch' (also cuda-convnet) has one channel more before i than after, 'onnx' one more after. */
  readonly evenWindow: 'torch' | 'onnx';
};

/** Caffe's default size. */
function attributes(op: string, given: Partial<LrnAttributes>): LrnAttributes {
  return {
    size: integerAttribute(op, 'size', given.size ?? 5, 1),
    ...responseNormAttributes(op, given),
    groups: integerAttribute(op, 'groups', given.groups ?? 1, 1),
    evenWindow: wordAttribute(op, 'evenWindow', given.evenWindow ?? 'torch', ['torch', 'onnx']),
  };
}

/** The factor a on the sum of squares. */
export function lrnCoefficient(given: LrnAttributes): number {
  return coefficient(given, given.size);
}

/** Channels before and after i in W(i). The window of the gradient's sum, {j : i ∈ W(j)}, is its mirror image. */
export function lrnReach(given: LrnAttributes): { readonly before: number; readonly after: number } {
  return reach(given.size, given.evenWindow);
}

/** In NCHW the channels of a group lie together, so that a group is like an image of its own. */
function windows(given: LrnAttributes, [, channels, height, width]: readonly number[]): Windows {
  const { before, after } = lrnReach(given);
  const sums = (values: Float64Array, back: number, ahead: number): Float64Array =>
    slidingSums(values, channels / given.groups, height * width, back, ahead);
  return {
    cells: given.size,
    sums: (values) => sums(values, before, after),
    mirrored: (values) => sums(values, after, before),
  };
}

function expectGroups(op: string, { groups }: LrnAttributes, x: TensorType): void {
  expectRank(op, 'x', x, 4);
  if (x.shape[1] % groups !== 0) {
    throw new GraphError(`${op}: ${x.shape[1]} channels do not divide into ${groups} groups`);
  }
}

/** x [N, C, H, W] → the same shape. */
export const lrn = defineOp<LrnAttributes>({
  name: 'lrn',
  family: 'lrn',
  attributes: (given) => attributes('lrn', given),

  infer(given, inputs) {
    expectInputs('lrn', inputs, 1);
    expectGroups('lrn', given, inputs[0]);
    return [f32(...inputs[0].shape)];
  },

  /** Per element: the square, `size` additions, the factor a, the power (as one) and the product with x. */
  cost: ({ size }, inputs, outputs) => ({
    macs: 0,
    flops: elements(inputs[0].shape) * (size + 4),
    bytes: bytesTouched(inputs, outputs),
  }),

  reference: (given, [x], accuracy) => [normalize(given, windows(given, x.shape), x.data, accuracy)],

  gradient({ attributes: given, inputs: [x], outputGradients: [dy], wanted, emit }) {
    return [dy && wanted[0] ? emit(lrnGradient, [dy, x], given)[0] : undefined];
  },
});

/** ∂loss/∂x from dy and x, all [N, C, H, W]. */
export const lrnGradient = defineOp<LrnAttributes>({
  name: 'lrnGradient',
  family: 'lrn',
  attributes: (given) => attributes('lrnGradient', given),

  infer(given, inputs) {
    expectInputs('lrnGradient', inputs, 2);
    const [dy, x] = inputs;
    expectGroups('lrnGradient', given, x);
    expectShape('lrnGradient', 'dy', dy, x.shape);
    return [f32(...x.shape)];
  },

  /** Per element: s and its power as in the forward pass, g·y/s (3), its window sum, and the two terms (4). */
  cost: ({ size }, inputs, outputs) => ({
    macs: 0,
    flops: elements(inputs[0].shape) * (2 * size + 10),
    bytes: bytesTouched(inputs, outputs),
  }),

  reference: (given, [dy, x], accuracy) => [
    normalizeGradient(given, windows(given, x.shape), dy.data, x.data, accuracy),
  ],
});
