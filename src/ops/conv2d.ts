/**
 * Two-dimensional convolution (cross-correlation, as everywhere in this field), with its three gradients.
 *
 *   y[n, o, i, j] = b[o] + Σ_{c, u, v} w[o, c, u, v] · x[n, g·C/G + c, i·s + u·d − top, j·s + v·d − left]
 *
 * with g = ⌊o / (O/G)⌋ the group of output channel o; cells outside the image read as zero.
 */
import { GraphError } from '../errors.js';
import {
  bytesTouched,
  type Cost,
  defineOp,
  elements,
  expectInputs,
  expectRank,
  expectShape,
  f32,
  formatShape,
  integerAttribute,
  paddingAttribute,
  pairAttribute,
  type TensorType,
  wordAttribute,
} from './define.js';
import { Sums } from './lib/sums.js';
import { fitsWinograd } from './lib/winograd.js';
import { winogradBound, winogradDataGradientBound, winogradWeightGradientBound } from './lib/winogradBound.js';
import { reluGradient } from './relu.js';

export type Conv2dAttributes = {
  /** [vertical, horizontal] step. */
  readonly stride: number | readonly number[];
  /** [top, left, bottom, right] zero cells around the image. */
  readonly padding: number | readonly number[];
  /** [vertical, horizontal] distance between kernel taps. */
  readonly dilation: number | readonly number[];
  readonly groups: number;
  /** Applied to the sum; set by the fusion pass. */
  readonly activation: 'none' | 'relu';
};

/** The sizes of a convolution, unpacked once for reference, cost and lowering. */
export interface Conv2dGeometry {
  readonly batch: number;
  readonly groups: number;
  readonly inChannels: number;
  readonly inHeight: number;
  readonly inWidth: number;
  readonly outChannels: number;
  readonly outHeight: number;
  readonly outWidth: number;
  readonly kernelHeight: number;
  readonly kernelWidth: number;
  readonly strideY: number;
  readonly strideX: number;
  readonly dilationY: number;
  readonly dilationX: number;
  readonly top: number;
  readonly left: number;
}

function attributes(op: string, given: Partial<Conv2dAttributes>): Conv2dAttributes {
  return {
    stride: pairAttribute(op, 'stride', given.stride ?? 1, 1),
    padding: paddingAttribute(op, given.padding ?? 0),
    dilation: pairAttribute(op, 'dilation', given.dilation ?? 1, 1),
    groups: integerAttribute(op, 'groups', given.groups ?? 1, 1),
    activation: wordAttribute(op, 'activation', given.activation ?? 'none', ['none', 'relu']),
  };
}

/** Sizes from the shapes of x [N, C, H, W] and w [O, C/G, kh, kw]; throws a GraphError when they do not fit. */
export function conv2dGeometry(
  op: string,
  given: Conv2dAttributes,
  x: readonly number[],
  w: readonly number[],
): Conv2dGeometry {
  const [strideY, strideX] = given.stride as readonly number[];
  const [dilationY, dilationX] = given.dilation as readonly number[];
  const [top, left, bottom, right] = given.padding as readonly number[];
  const [batch, inChannels, inHeight, inWidth] = x;
  const [outChannels, groupChannels, kernelHeight, kernelWidth] = w;
  const shapes = `x ${formatShape(x)}, weight ${formatShape(w)}, groups ${given.groups}`;
  if (inChannels !== groupChannels * given.groups) {
    throw new GraphError(`${op}: the weight expects ${groupChannels * given.groups} input channels (${shapes})`);
  }
  if (outChannels % given.groups !== 0) {
    throw new GraphError(`${op}: ${outChannels} output channels do not divide into groups (${shapes})`);
  }
  const outHeight = Math.floor((inHeight + top + bottom - dilationY * (kernelHeight - 1) - 1) / strideY) + 1;
  const outWidth = Math.floor((inWidth + left + right - dilationX * (kernelWidth - 1) - 1) / strideX) + 1;
  if (outHeight < 1 || outWidth < 1)
    throw new GraphError(`${op}: the kernel is larger than the padded image (${shapes})`);
  return {
    batch,
    groups: given.groups,
    inChannels,
    inHeight,
    inWidth,
    outChannels,
    outHeight,
    outWidth,
    kernelHeight,
    kernelWidth,
    strideY,
    strideX,
    dilationY,
    dilationX,
    top,
    left,
  };
}

/** Multiply-adds of one pass (forward or either gradient): N·O·OH·OW·C/G·kh·kw. */
function macs(g: Conv2dGeometry): number {
  const perOutput = (g.inChannels / g.groups) * g.kernelHeight * g.kernelWidth;
  return g.batch * g.outChannels * g.outHeight * g.outWidth * perOutput;
}

function cost(g: Conv2dGeometry, inputs: readonly TensorType[], outputs: readonly TensorType[]): Cost {
  return { macs: macs(g), flops: 2 * macs(g), bytes: bytesTouched(inputs, outputs) };
}

/**
 * Calls `visit(outputIndex, inputIndex, weightIndex)` for every product of the convolution, output by output.
 * All three passes are sums over exactly these products; only what is summed over differs.
 */
export function forEachProduct(g: Conv2dGeometry, visit: (y: number, x: number, w: number) => void): void {
  const groupIn = g.inChannels / g.groups;
  const groupOut = g.outChannels / g.groups;
  for (let n = 0; n < g.batch; n++) {
    for (let o = 0; o < g.outChannels; o++) {
      const firstChannel = Math.floor(o / groupOut) * groupIn;
      for (let i = 0; i < g.outHeight; i++) {
        for (let j = 0; j < g.outWidth; j++) {
          const y = ((n * g.outChannels + o) * g.outHeight + i) * g.outWidth + j;
          for (let c = 0; c < groupIn; c++) {
            for (let u = 0; u < g.kernelHeight; u++) {
              const row = i * g.strideY + u * g.dilationY - g.top;
              if (row < 0 || row >= g.inHeight) continue;
              for (let v = 0; v < g.kernelWidth; v++) {
                const column = j * g.strideX + v * g.dilationX - g.left;
                if (column < 0 || column >= g.inWidth) continue;
                const x = ((n * g.inChannels + firstChannel + c) * g.inHeight + row) * g.inWidth + column;
                visit(y, x, ((o * groupIn + c) * g.kernelHeight + u) * g.kernelWidth + v);
              }
            }
          }
        }
      }
    }
  }
}

export const conv2d = defineOp<Conv2dAttributes>({
  name: 'conv2d',
  family: 'conv2d',
  attributes: (given) => attributes('conv2d', given),

  infer(given, inputs) {
    expectInputs('conv2d', inputs, 2, 3);
    const [x, w, b] = inputs;
    expectRank('conv2d', 'x', x, 4);
    expectRank('conv2d', 'weight', w, 4);
    const g = conv2dGeometry('conv2d', given, x.shape, w.shape);
    if (b) expectShape('conv2d', 'bias', b, [g.outChannels]);
    return [f32(g.batch, g.outChannels, g.outHeight, g.outWidth)];
  },

  cost: (given, inputs, outputs) =>
    cost(conv2dGeometry('conv2d', given, inputs[0].shape, inputs[1].shape), inputs, outputs),

  reference(given, [x, w, b]) {
    const g = conv2dGeometry('conv2d', given, x.shape, w.shape);
    const plane = g.outHeight * g.outWidth;
    const sums = new Sums(g.batch * g.outChannels * plane);
    forEachProduct(g, (yi, xi, wi) => sums.addProduct(yi, x.data[xi] * w.data[wi]));
    if (b) for (let i = 0; i < sums.data.length; i++) sums.addValue(i, b.data[Math.floor(i / plane) % g.outChannels]);
    const { data, bound } = sums.judged();
    // ReLU moves no two values further apart, so the bound of the sum stands.
    return [{ data: given.activation === 'relu' ? data.map((value) => Math.max(value, 0)) : data, bound }];
  },

  bounds(algorithm, given, [x, w, b]) {
    const g = conv2dGeometry('conv2d', given, x.shape, w.shape);
    return fitsWinograd(algorithm, g) ? [winogradBound(algorithm, g, x.data, w.data, b?.data)] : undefined;
  },

  gradient({ attributes: given, inputs: [x, w, b], outputs: [y], outputGradients: [incoming], wanted, emit }) {
    if (!incoming) return [undefined, undefined, undefined];
    const [dy] = given.activation === 'relu' ? emit(reluGradient, [incoming, y], {}) : [incoming];
    const plain = { ...given, activation: 'none' } as const;
    return [
      wanted[0] ? emit(conv2dDataGradient, [dy, w], { ...plain, inputSize: x.shape.slice(2) })[0] : undefined,
      wanted[1] ? emit(conv2dWeightGradient, [dy, x], { ...plain, kernelSize: w.shape.slice(2) })[0] : undefined,
      b && wanted[2] ? emit(conv2dBiasGradient, [dy], {})[0] : undefined,
    ];
  },
});

export type Conv2dDataGradientAttributes = Conv2dAttributes & {
  /** [H, W] of the forward input (a stride can make several sizes possible). */
  readonly inputSize: readonly number[];
};

function dataGradientGeometry(given: Conv2dDataGradientAttributes, dy: TensorType, w: TensorType): Conv2dGeometry {
  const x = [dy.shape[0], w.shape[1] * given.groups, ...given.inputSize];
  return conv2dGeometry('conv2dDataGradient', given, x, w.shape);
}

/** ∂loss/∂x from dy [N, O, OH, OW] and w [O, C/G, kh, kw]. */
export const conv2dDataGradient = defineOp<Conv2dDataGradientAttributes>({
  name: 'conv2dDataGradient',
  family: 'conv2d',
  attributes: (given) => ({
    ...attributes('conv2dDataGradient', given),
    inputSize: pairAttribute('conv2dDataGradient', 'inputSize', given.inputSize ?? [], 1),
  }),

  infer(given, inputs) {
    expectInputs('conv2dDataGradient', inputs, 2);
    const [dy, w] = inputs;
    expectRank('conv2dDataGradient', 'dy', dy, 4);
    expectRank('conv2dDataGradient', 'weight', w, 4);
    const g = dataGradientGeometry(given, dy, w);
    expectShape('conv2dDataGradient', 'dy', dy, [g.batch, g.outChannels, g.outHeight, g.outWidth]);
    return [f32(g.batch, g.inChannels, g.inHeight, g.inWidth)];
  },

  cost: (given, inputs, outputs) => cost(dataGradientGeometry(given, inputs[0], inputs[1]), inputs, outputs),

  reference(given, [dy, w]) {
    const g = dataGradientGeometry(given, dy, w);
    const sums = new Sums(g.batch * g.inChannels * g.inHeight * g.inWidth);
    forEachProduct(g, (yi, xi, wi) => sums.addProduct(xi, dy.data[yi] * w.data[wi]));
    return [sums.judged()];
  },

  bounds(algorithm, given, [dy, w]) {
    const g = dataGradientGeometry(given, dy, w);
    return g.strideY === 1 && fitsWinograd(algorithm, g)
      ? [winogradDataGradientBound(algorithm, g, dy.data, w.data)]
      : undefined;
  },
});

export type Conv2dWeightGradientAttributes = Conv2dAttributes & {
  /** [kh, kw] of the forward weight. */
  readonly kernelSize: readonly number[];
};

function weightGradientGeometry(given: Conv2dWeightGradientAttributes, dy: TensorType, x: TensorType): Conv2dGeometry {
  const w = [dy.shape[1], x.shape[1] / given.groups, ...given.kernelSize];
  return conv2dGeometry('conv2dWeightGradient', given, x.shape, w);
}

/** ∂loss/∂w from dy [N, O, OH, OW] and x [N, C, H, W]: for each weight a sum over the batch and all positions. */
export const conv2dWeightGradient = defineOp<Conv2dWeightGradientAttributes>({
  name: 'conv2dWeightGradient',
  family: 'conv2d',
  attributes: (given) => ({
    ...attributes('conv2dWeightGradient', given),
    kernelSize: pairAttribute('conv2dWeightGradient', 'kernelSize', given.kernelSize ?? [], 1),
  }),

  infer(given, inputs) {
    expectInputs('conv2dWeightGradient', inputs, 2);
    const [dy, x] = inputs;
    expectRank('conv2dWeightGradient', 'dy', dy, 4);
    expectRank('conv2dWeightGradient', 'x', x, 4);
    const g = weightGradientGeometry(given, dy, x);
    expectShape('conv2dWeightGradient', 'dy', dy, [g.batch, g.outChannels, g.outHeight, g.outWidth]);
    return [f32(g.outChannels, g.inChannels / g.groups, g.kernelHeight, g.kernelWidth)];
  },

  cost: (given, inputs, outputs) => cost(weightGradientGeometry(given, inputs[0], inputs[1]), inputs, outputs),

  reference(given, [dy, x]) {
    const g = weightGradientGeometry(given, dy, x);
    const sums = new Sums(g.outChannels * (g.inChannels / g.groups) * g.kernelHeight * g.kernelWidth);
    forEachProduct(g, (yi, xi, wi) => sums.addProduct(wi, dy.data[yi] * x.data[xi]));
    return [sums.judged()];
  },

  bounds(algorithm, given, [dy, x]) {
    const g = weightGradientGeometry(given, dy, x);
    return fitsWinograd(algorithm, g) ? [winogradWeightGradientBound(algorithm, g, dy.data, x.data)] : undefined;
  },
});

/** ∂loss/∂b from dy [N, O, OH, OW]: for each channel the sum over the batch and all positions. */
export const conv2dBiasGradient = defineOp<Record<string, never>>({
  name: 'conv2dBiasGradient',
  family: 'conv2d',
  attributes: () => ({}),

  infer(_, inputs) {
    expectInputs('conv2dBiasGradient', inputs, 1);
    expectRank('conv2dBiasGradient', 'dy', inputs[0], 4);
    return [f32(inputs[0].shape[1])];
  },

  cost: (_, inputs, outputs) => ({
    macs: 0,
    flops: elements(inputs[0].shape),
    bytes: bytesTouched(inputs, outputs),
  }),

  reference(_, [dy]) {
    const [, channels, height, width] = dy.shape;
    const sums = new Sums(channels);
    dy.data.forEach((value, i) => sums.addValue(Math.floor(i / (height * width)) % channels, value));
    return [sums.judged()];
  },
});
