/** Winograd convolution F(4×4, 3×3) of stride 1: transforms of filters and tiles, a product for each of 36 positions, and back. */
import {
  type Conv2dAttributes,
  type Conv2dDataGradientAttributes,
  type Conv2dGeometry,
  conv2dGeometry,
} from '../../../ops/conv2d.js';
import { winograds } from '../../../ops/lib/winograd.js';
import { imagesFit } from './im2col.js';
import { multiplyImages } from './multiplyImages.js';
import { grid, type LowerContext, leastValue } from './program.js';
import type { Shapes } from './rules.js';
import { chooseTiling, mostSlices, timeOfPass } from './tiles.js';

const { outputs: tileOutputs, size, output } = winograds.winograd43;
const positions = size * size;
/** The points ±a and ±b, as they stand in the row of first powers. */
const constants = { POINT_A: output[1][1], POINT_B: output[1][3] };

interface Convolution {
  readonly batch: number;
  readonly groups: number;
  /** Of a group, of source and destination. */
  readonly channels: number;
  readonly rows: number;
  readonly sourceSize: readonly [number, number];
  readonly destinationSize: readonly [number, number];
  readonly top: number;
  readonly left: number;
  /** Elements of the weight from one group, row and channel to the next. */
  readonly weightStrides: readonly [number, number, number];
  readonly turned: boolean;
}

/** The convolution of a node, or undefined where it is not one of 3×3 dense taps and stride 1. */
function convolutionOf({ node, shape }: Pick<Shapes, 'node' | 'shape'>): Convolution | undefined {
  const [first, w] = node.inputs.map(shape);
  if (node.op.name === 'conv2d') {
    const g = conv2dGeometry('conv2d', node.attributes as Conv2dAttributes, first, w);
    return fits(g) ? forward(g) : undefined;
  }
  const given = node.attributes as Conv2dDataGradientAttributes;
  const g = conv2dGeometry(node.op.name, given, [first[0], w[1] * given.groups, ...given.inputSize], w);
  // Turned filters are padded by what the forward pass left of their two outer taps.
  return fits(g) && g.top <= 2 && g.left <= 2 ? backward(g) : undefined;
}

function fits(g: Conv2dGeometry): boolean {
  return (
    [g.strideY, g.strideX, g.dilationY, g.dilationX].every((n) => n === 1) &&
    g.kernelHeight === 3 &&
    g.kernelWidth === 3
  );
}

function forward(g: Conv2dGeometry): Convolution {
  const { batch, groups, top, left } = g;
  const [channels, rows] = [g.inChannels / groups, g.outChannels / groups];
  return {
    batch,
    groups,
    channels,
    rows,
    sourceSize: [g.inHeight, g.inWidth],
    destinationSize: [g.outHeight, g.outWidth],
    top,
    left,
    weightStrides: [rows * channels * 9, channels * 9, 9],
    turned: false,
  };
}

/** The data gradient is the convolution of dy with transposed filters, turned by 180°. */
function backward(g: Conv2dGeometry): Convolution {
  const same = forward(g);
  const { channels: rows, rows: channels } = same;
  return {
    ...same,
    channels,
    rows,
    sourceSize: same.destinationSize,
    destinationSize: same.sourceSize,
    top: 2 - g.top,
    left: 2 - g.left,
    weightStrides: [channels * rows * 9, 9, rows * 9],
    turned: true,
  };
}

function tilesOf({ destinationSize: [height, width] }: Convolution) {
  const lineTiles = Math.ceil(width / tileOutputs);
  // As many as can be read by fours: tiles below the last line give nothing.
  return { lineTiles, planeTiles: Math.ceil((Math.ceil(height / tileOutputs) * lineTiles) / 4) * 4 };
}

export function winogradApplies(shapes: Shapes): boolean {
  const c = convolutionOf(shapes);
  if (!c) return false;
  const elements = positions * c.groups * tilesOf(c).planeTiles;
  const filterBytes = positions * c.groups * c.rows * c.channels * 4;
  return (
    imagesFit(c.batch, elements * Math.max(c.channels, c.rows), shapes.limits) &&
    filterBytes <= shapes.limits.maxStorageBufferBindingSize
  );
}

/** Channels, on either side, from which on the algorithm is worth its transforms, and its larger rounding errors. */
const fewestChannels = 32;

/**
 * Whether that should be faster than the implicit product, transforms of tiles and products counted. Filters are transformed once for
 * many runs, or for a training step, where the batch makes that little.
 */
export function winogradPreferred(shapes: Shapes): boolean {
  const c = convolutionOf(shapes);
  if (!c) return false;
  const { batch, groups, channels, rows } = c;
  if (Math.min(channels, rows) < fewestChannels) return false;
  const [height, width] = c.destinationSize;
  const { planeTiles } = tilesOf(c);
  const plain = { rows, columns: batch * height * width, depth: 9 * channels, copies: groups };
  const most = mostSlices(plain.depth, groups * rows * plain.columns, shapes.limits.maxStorageBufferBindingSize);
  const product = chooseTiling({ rows, columns: batch * planeTiles, depth: channels, copies: positions * groups });
  const transformed = positions * groups * batch * planeTiles;
  const time = timeOfPass(transformed * channels) + product.time + timeOfPass(transformed * rows);
  return time < chooseTiling(plain, most).time;
}

export function lowerWinograd(context: LowerContext): void {
  const { node, limits } = context;
  const c = convolutionOf(context) as Convolution;
  const { batch, groups, channels, rows } = c;
  const { lineTiles, planeTiles } = tilesOf(c);
  const filters = transformedFilters(context, c);
  const imageBytes = (all: number, [height, width]: readonly [number, number]) => groups * all * height * width * 4;
  const tileBytes = (all: number) => positions * groups * all * planeTiles * 4;
  const transformed = context.temporary('transformed input', batch * tileBytes(channels));
  const products = context.temporary('products', batch * tileBytes(rows));

  context.preparation({
    kernel: 'winogradInput',
    constants,
    units: batch,
    bindings: [
      { buffer: context.input(0), access: 'read', unitBytes: imageBytes(channels, c.sourceSize) },
      { buffer: transformed, access: 'write', unitBytes: tileBytes(channels) },
    ],
    params: (count) => [
      count * groups * channels * planeTiles,
      groups * channels,
      planeTiles,
      lineTiles,
      ...c.sourceSize,
      c.top,
      c.left,
    ],
    workgroups: (count) => grid(Math.ceil((count * groups * channels * planeTiles) / 64), limits),
  });

  const multiply = multiplyImages(context, {
    left: filters,
    leftTransposed: false,
    right: transformed,
    product: products,
    relu: false,
    batch,
    copies: positions * groups,
    rows,
    depth: channels,
    width: planeTiles,
  });
  context.step(multiply);

  const bias = node.inputs.length > 2;
  context.preparation({
    kernel: 'winogradOutput',
    constants: { ...constants, BIAS: bias },
    units: batch,
    bindings: [
      { buffer: products, access: 'read', unitBytes: tileBytes(rows) },
      { buffer: context.output(0), access: 'write', unitBytes: imageBytes(rows, c.destinationSize) },
      ...(bias ? [{ buffer: context.input(2), access: 'read' as const, unitBytes: 0 }] : []),
    ],
    params: (count) => [
      count * groups * rows * planeTiles,
      groups * rows,
      planeTiles,
      lineTiles,
      ...c.destinationSize,
      leastValue(node.attributes.activation === 'relu'),
    ],
    workgroups: (count) => grid(Math.ceil((count * groups * rows * planeTiles) / 64), limits),
  });
}

/** [positions][group][row][channel], kept from run to run for weights that do not change. */
function transformedFilters(context: LowerContext, c: Convolution) {
  const count = c.groups * c.rows * c.channels;
  const key = `winograd43 filters${c.turned ? ', turned' : ''}`;
  return context.packed(1, key, positions * count * 4, (from, to) => ({
    kernel: 'winogradFilter',
    constants,
    units: 1,
    bindings: [
      { buffer: from, access: 'read', unitBytes: 0 },
      { buffer: to, access: 'write', unitBytes: 0 },
    ],
    params: () => [count, c.rows, c.channels, ...c.weightStrides, Number(c.turned)],
    workgroups: () => grid(Math.ceil(count / 64), context.limits),
  }));
}
