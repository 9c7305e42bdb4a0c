/**
 * Transposed convolution: the data gradient of `conv2d`, as a layer of its own. Every input cell adds its multiple of the kernel to
 * the output:
 *
 *   y[n, o, i·s + u·d − top, j·s + v·d − left] += w[c, o, u, v] · x[n, c, i, j]      (+ b[o])
 *
 * for c and o of one group. An output has (H − 1)·s + d·(kh − 1) + 1 − top − bottom + outputPadding rows: as many as the convolution's
 * input had, where `outputPadding` (ONNX's and torch's name) tells the sizes apart that a stride makes possible.
 *
 * It needs no gradient ops of its own: ∂loss/∂x is a `conv2d` of dy with w, ∂loss/∂w is `conv2dWeightGradient` with x and dy in each
 * other's place, and ∂loss/∂b is `conv2dBiasGradient`.
 */
import { GraphError } from '../errors.js';
import {
  type Conv2dAttributes,
  type Conv2dGeometry,
  conv2d,
  conv2dBiasGradient,
  conv2dGeometry,
  conv2dWeightGradient,
  forEachProduct,
} from './conv2d.js';
import {
  bytesTouched,
  defineOp,
  expectInputs,
  expectRank,
  expectShape,
  f32,
  formatShape,
  integerAttribute,
  paddingAttribute,
  pairAttribute,
} from './define.js';
import { Sums } from './lib/sums.js';

export type ConvTranspose2dAttributes = {
  /** [vertical, horizontal] distance between the kernels of neighbouring input cells. */
  readonly stride: number | readonly number[];
  /** [top, left, bottom, right] cells cut off the output. */
  readonly padding: number | readonly number[];
  /** [vertical, horizontal] rows and columns added at the bottom and the right, each less than the stride. */
  readonly outputPadding: number | readonly number[];
  /** [vertical, horizontal] distance between kernel taps. */
  readonly dilation: number | readonly number[];
  readonly groups: number;
};

/** The attributes of the convolution whose data gradient this is. */
function convolution({ stride, padding, dilation, groups }: ConvTranspose2dAttributes): Conv2dAttributes {
  return { stride, padding, dilation, groups, activation: 'none' };
}

/**
 * Sizes of the convolution whose data gradient this is (its input is our output), from the shapes of x [N, C, H, W] and
 * w [C, O/G, kh, kw]; throws a GraphError when they do not fit.
 */
export function convTranspose2dGeometry(
  given: ConvTranspose2dAttributes,
  x: readonly number[],
  w: readonly number[],
): Conv2dGeometry {
  const op = 'convTranspose2d';
  const [stride, extra, dilation] = [
    given.stride,
    given.outputPadding,
    given.dilation,
  ] as readonly (readonly number[])[];
  const padding = given.padding as readonly number[];
  const shapes = `x ${formatShape(x)}, weight ${formatShape(w)}, groups ${given.groups}`;
  if (x[1] !== w[0]) throw new GraphError(`${op}: the weight expects ${w[0]} input channels (${shapes})`);
  const outSize = [0, 1].map(
    (axis) =>
      (x[2 + axis] - 1) * stride[axis] +
      dilation[axis] * (w[2 + axis] - 1) +
      1 -
      padding[axis] -
      padding[2 + axis] +
      extra[axis],
  );
  if (outSize.some((extent) => extent < 1)) {
    throw new GraphError(`${op}: padding [${padding.join(', ')}] leaves no output (${shapes})`);
  }
  return conv2dGeometry(op, convolution(given), [x[0], w[1] * given.groups, ...outSize], w);
}

/** x [N, C, H, W], weight [C, O/G, kh, kw], bias [O] (optional) → [N, O, OH, OW]. */
export const convTranspose2d = defineOp<ConvTranspose2dAttributes>({
  name: 'convTranspose2d',
  family: 'convTranspose2d',

  attributes(given) {
    const op = 'convTranspose2d';
    const stride = pairAttribute(op, 'stride', given.stride ?? 1, 1);
    const outputPadding = pairAttribute(op, 'outputPadding', given.outputPadding ?? 0, 0);
    outputPadding.forEach((extra, axis) => {
      if (extra >= stride[axis]) {
        throw new GraphError(
          `${op}: outputPadding [${outputPadding.join(', ')}] must be less than the stride [${stride.join(', ')}]`,
        );
      }
    });
    return {
      stride,
      padding: paddingAttribute(op, given.padding ?? 0),
      outputPadding,
      dilation: pairAttribute(op, 'dilation', given.dilation ?? 1, 1),
      groups: integerAttribute(op, 'groups', given.groups ?? 1, 1),
    };
  },

  infer(given, inputs) {
    expectInputs('convTranspose2d', inputs, 2, 3);
    const [x, w, b] = inputs;
    expectRank('convTranspose2d', 'x', x, 4);
    expectRank('convTranspose2d', 'weight', w, 4);
    const g = convTranspose2dGeometry(given, x.shape, w.shape);
    if (b) expectShape('convTranspose2d', 'bias', b, [g.inChannels]);
    return [f32(g.batch, g.inChannels, g.inHeight, g.inWidth)];
  },

  /** Every input value meets the kernels of all output channels of its group: N·C·H·W·O/G·kh·kw multiply-adds. */
  cost(given, inputs, outputs) {
    const g = convTranspose2dGeometry(given, inputs[0].shape, inputs[1].shape);
    const kernels = (g.inChannels / g.groups) * g.kernelHeight * g.kernelWidth;
    const macs = g.batch * g.outChannels * g.outHeight * g.outWidth * kernels;
    return { macs, flops: 2 * macs, bytes: bytesTouched(inputs, outputs) };
  },

  reference(given, [x, w, b]) {
    const g = convTranspose2dGeometry(given, x.shape, w.shape);
    const plane = g.inHeight * g.inWidth;
    const sums = new Sums(g.batch * g.inChannels * plane);
    forEachProduct(g, (yi, xi, wi) => sums.addProduct(xi, x.data[yi] * w.data[wi]));
    if (b) for (let i = 0; i < sums.data.length; i++) sums.addValue(i, b.data[Math.floor(i / plane) % g.inChannels]);
    return [sums.judged()];
  },

  gradient({ attributes: given, inputs: [x, w, b], outputGradients: [dy], wanted, emit }) {
    if (!dy) return [undefined, undefined, undefined];
    const plain = convolution(given);
    return [
      wanted[0] ? emit(conv2d, [dy, w], plain)[0] : undefined,
      wanted[1] ? emit(conv2dWeightGradient, [x, dy], { ...plain, kernelSize: w.shape.slice(2) })[0] : undefined,
      b && wanted[2] ? emit(conv2dBiasGradient, [dy], {})[0] : undefined,
    ];
  },
});
