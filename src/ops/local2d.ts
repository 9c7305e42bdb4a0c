/**
 * Locally connected layer (cuda-convnet): a convolution whose kernels and biases are not shared, one bank of them for each output
 * position, with its three gradients.
 *
 *   y[n, o, i, j] = b[o, i, j] + Σ_{c, u, v} w[o, i, j, c, u, v] · x[n, c, i·s + u − top, j·s + v − left]
 *
 * Cells outside the image read as zero.
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
  paddingAttribute,
  pairAttribute,
  type TensorType,
} from './define.js';
import { Sums } from './lib/sums.js';

export type Local2dAttributes = {
  /** [vertical, horizontal] step. */
  readonly stride: number | readonly number[];
  /** [top, left, bottom, right] zero cells around the image. */
  readonly padding: number | readonly number[];
};

/** The sizes of a locally connected layer, unpacked once for reference, cost and lowering. */
export interface Local2dGeometry {
  readonly batch: number;
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
  readonly top: number;
  readonly left: number;
}

function attributes(op: string, given: Partial<Local2dAttributes>): Local2dAttributes {
  return {
    stride: pairAttribute(op, 'stride', given.stride ?? 1, 1),
    padding: paddingAttribute(op, given.padding ?? 0),
  };
}

/** Sizes from the shapes of x [N, C, H, W] and w [O, OH, OW, C, kh, kw]; throws a GraphError when they do not fit. */
export function local2dGeometry(
  op: string,
  given: Local2dAttributes,
  x: readonly number[],
  w: readonly number[],
): Local2dGeometry {
  const [strideY, strideX] = given.stride as readonly number[];
  const [top, left, bottom, right] = given.padding as readonly number[];
  const [batch, inChannels, inHeight, inWidth] = x;
  const [outChannels, outHeight, outWidth, weightChannels, kernelHeight, kernelWidth] = w;
  const shapes = `x ${formatShape(x)}, weight ${formatShape(w)}`;
  if (inChannels !== weightChannels) {
    throw new GraphError(`${op}: the weight expects ${weightChannels} input channels (${shapes})`);
  }
  const rows = Math.floor((inHeight + top + bottom - kernelHeight) / strideY) + 1;
  const columns = Math.floor((inWidth + left + right - kernelWidth) / strideX) + 1;
  if (rows < 1 || columns < 1) throw new GraphError(`${op}: the kernel is larger than the padded image (${shapes})`);
  if (outHeight !== rows || outWidth !== columns) {
    throw new GraphError(
      `${op}: there are ${rows}×${columns} output positions, the weight has kernels for ${outHeight}×${outWidth} (${shapes})`,
    );
  }
  return {
    batch,
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
    top,
    left,
  };
}

/** Multiply-adds of one pass (forward or either gradient): N·O·OH·OW·C·kh·kw. */
function cost(g: Local2dGeometry, inputs: readonly TensorType[], outputs: readonly TensorType[]): Cost {
  const perOutput = g.inChannels * g.kernelHeight * g.kernelWidth;
  const macs = g.batch * g.outChannels * g.outHeight * g.outWidth * perOutput;
  return { macs, flops: 2 * macs, bytes: bytesTouched(inputs, outputs) };
}

/** Calls `visit(outputIndex, inputIndex, weightIndex)` for every product; all three passes are sums over exactly these. */
function forEachProduct(g: Local2dGeometry, visit: (y: number, x: number, w: number) => void): void {
  const positions = g.outHeight * g.outWidth;
  for (let n = 0; n < g.batch; n++) {
    for (let o = 0; o < g.outChannels; o++) {
      for (let position = 0; position < positions; position++) {
        const y = (n * g.outChannels + o) * positions + position;
        const firstRow = Math.floor(position / g.outWidth) * g.strideY - g.top;
        const firstColumn = (position % g.outWidth) * g.strideX - g.left;
        for (let c = 0; c < g.inChannels; c++) {
          const bank = (o * positions + position) * g.inChannels + c;
          for (let u = 0; u < g.kernelHeight; u++) {
            const row = firstRow + u;
            if (row < 0 || row >= g.inHeight) continue;
            for (let v = 0; v < g.kernelWidth; v++) {
              const column = firstColumn + v;
              if (column < 0 || column >= g.inWidth) continue;
              const x = ((n * g.inChannels + c) * g.inHeight + row) * g.inWidth + column;
              visit(y, x, (bank * g.kernelHeight + u) * g.kernelWidth + v);
            }
          }
        }
      }
    }
  }
}

/** x [N, C, H, W], weight [O, OH, OW, C, kh, kw], bias [O, OH, OW] (optional) → [N, O, OH, OW]. */
export const local2d = defineOp<Local2dAttributes>({
  name: 'local2d',
  family: 'local2d',
  attributes: (given) => attributes('local2d', given),

  infer(given, inputs) {
    expectInputs('local2d', inputs, 2, 3);
    const [x, w, b] = inputs;
    expectRank('local2d', 'x', x, 4);
    expectRank('local2d', 'weight', w, 6);
    const g = local2dGeometry('local2d', given, x.shape, w.shape);
    if (b) expectShape('local2d', 'bias', b, w.shape.slice(0, 3));
    return [f32(g.batch, g.outChannels, g.outHeight, g.outWidth)];
  },

  cost: (given, inputs, outputs) =>
    cost(local2dGeometry('local2d', given, inputs[0].shape, inputs[1].shape), inputs, outputs),

  reference(given, [x, w, b]) {
    const g = local2dGeometry('local2d', given, x.shape, w.shape);
    const features = g.outChannels * g.outHeight * g.outWidth;
    const sums = new Sums(g.batch * features);
    forEachProduct(g, (yi, xi, wi) => sums.addProduct(yi, x.data[xi] * w.data[wi]));
    if (b) for (let i = 0; i < sums.data.length; i++) sums.addValue(i, b.data[i % features]);
    return [sums.judged()];
  },

  gradient({ attributes: given, inputs: [x, w, b], outputGradients: [dy], wanted, emit }) {
    if (!dy) return [undefined, undefined, undefined];
    const inputSize = x.shape.slice(2);
    const kernelSize = w.shape.slice(4);
    return [
      wanted[0] ? emit(local2dDataGradient, [dy, w], { ...given, inputSize })[0] : undefined,
      wanted[1] ? emit(local2dWeightGradient, [dy, x], { ...given, kernelSize })[0] : undefined,
      b && wanted[2] ? emit(local2dBiasGradient, [dy], {})[0] : undefined,
    ];
  },
});

export type Local2dDataGradientAttributes = Local2dAttributes & {
  /** [H, W] of the forward input (a stride can make several sizes possible). */
  readonly inputSize: readonly number[];
};

function dataGradientGeometry(given: Local2dDataGradientAttributes, dy: TensorType, w: TensorType): Local2dGeometry {
  return local2dGeometry('local2dDataGradient', given, [dy.shape[0], w.shape[3], ...given.inputSize], w.shape);
}

/** ∂loss/∂x from dy [N, O, OH, OW] and w [O, OH, OW, C, kh, kw]. */
export const local2dDataGradient = defineOp<Local2dDataGradientAttributes>({
  name: 'local2dDataGradient',
  family: 'local2d',
  attributes: (given) => ({
    ...attributes('local2dDataGradient', given),
    inputSize: pairAttribute('local2dDataGradient', 'inputSize', given.inputSize ?? [], 1),
  }),

  infer(given, inputs) {
    expectInputs('local2dDataGradient', inputs, 2);
    const [dy, w] = inputs;
    expectRank('local2dDataGradient', 'dy', dy, 4);
    expectRank('local2dDataGradient', 'weight', w, 6);
    const g = dataGradientGeometry(given, dy, w);
    expectShape('local2dDataGradient', 'dy', dy, [g.batch, g.outChannels, g.outHeight, g.outWidth]);
    return [f32(g.batch, g.inChannels, g.inHeight, g.inWidth)];
  },

  cost: (given, inputs, outputs) => cost(dataGradientGeometry(given, inputs[0], inputs[1]), inputs, outputs),

  reference(given, [dy, w]) {
    const g = dataGradientGeometry(given, dy, w);
    const sums = new Sums(g.batch * g.inChannels * g.inHeight * g.inWidth);
    forEachProduct(g, (yi, xi, wi) => sums.addProduct(xi, dy.data[yi] * w.data[wi]));
    return [sums.judged()];
  },
});

export type Local2dWeightGradientAttributes = Local2dAttributes & {
  /** [kh, kw] of the forward weight. */
  readonly kernelSize: readonly number[];
};

function weightGradientGeometry(
  given: Local2dWeightGradientAttributes,
  dy: TensorType,
  x: TensorType,
): Local2dGeometry {
  return local2dGeometry('local2dWeightGradient', given, x.shape, [
    ...dy.shape.slice(1),
    x.shape[1],
    ...given.kernelSize,
  ]);
}

/** ∂loss/∂w from dy [N, O, OH, OW] and x [N, C, H, W]: for each weight a sum over the batch. */
export const local2dWeightGradient = defineOp<Local2dWeightGradientAttributes>({
  name: 'local2dWeightGradient',
  family: 'local2d',
  attributes: (given) => ({
    ...attributes('local2dWeightGradient', given),
    kernelSize: pairAttribute('local2dWeightGradient', 'kernelSize', given.kernelSize ?? [], 1),
  }),

  infer(given, inputs) {
    expectInputs('local2dWeightGradient', inputs, 2);
    const [dy, x] = inputs;
    expectRank('local2dWeightGradient', 'dy', dy, 4);
    expectRank('local2dWeightGradient', 'x', x, 4);
    const g = weightGradientGeometry(given, dy, x);
    expectShape('local2dWeightGradient', 'dy', dy, [g.batch, g.outChannels, g.outHeight, g.outWidth]);
    return [f32(g.outChannels, g.outHeight, g.outWidth, g.inChannels, g.kernelHeight, g.kernelWidth)];
  },

  cost: (given, inputs, outputs) => cost(weightGradientGeometry(given, inputs[0], inputs[1]), inputs, outputs),

  reference(given, [dy, x]) {
    const g = weightGradientGeometry(given, dy, x);
    const positions = g.outHeight * g.outWidth;
    const sums = new Sums(g.outChannels * positions * g.inChannels * g.kernelHeight * g.kernelWidth);
    forEachProduct(g, (yi, xi, wi) => sums.addProduct(wi, dy.data[yi] * x.data[xi]));
    return [sums.judged()];
  },
});

/** ∂loss/∂b [O, OH, OW] from dy [N, O, OH, OW]: the sum over the batch. */
export const local2dBiasGradient = defineOp<Record<string, never>>({
  name: 'local2dBiasGradient',
  family: 'local2d',
  attributes: () => ({}),

  infer(_, inputs) {
    expectInputs('local2dBiasGradient', inputs, 1);
    expectRank('local2dBiasGradient', 'dy', inputs[0], 4);
    return [f32(...inputs[0].shape.slice(1))];
  },

  cost: (_, inputs, outputs) => ({
    macs: 0,
    flops: elements(inputs[0].shape),
    bytes: bytesTouched(inputs, outputs),
  }),

  reference(_, [dy]) {
    const features = elements(dy.shape.slice(1));
    const sums = new Sums(features);
    dy.data.forEach((value, i) => sums.addValue(i % features, value));
    return [sums.judged()];
  },
});
