/** Convolution and its gradients as a matrix product with im2col's columns, written out in memory. */
import {
  type Conv2dAttributes,
  type Conv2dDataGradientAttributes,
  type Conv2dGeometry,
  type Conv2dWeightGradientAttributes,
  conv2dGeometry,
} from '../../../ops/conv2d.js';
import { type ConvTranspose2dAttributes, convTranspose2dGeometry } from '../../../ops/convTranspose2d.js';
import { sumOverPositions } from './conv2dParameters.js';
import { multiplyImages } from './multiplyImages.js';
import { type BufferIndex, float, grid, type Limits, type LowerContext, workgroupSize } from './program.js';
import type { Shapes } from './rules.js';

/** The convolution that a node is, or is a gradient of. */
function geometry({ node, shape }: Pick<Shapes, 'node' | 'shape'>): Conv2dGeometry {
  const { name } = node.op;
  const [first, second] = node.inputs.map(shape);
  if (name === 'convTranspose2d')
    return convTranspose2dGeometry(node.attributes as ConvTranspose2dAttributes, first, second);
  if (name === 'conv2dDataGradient') {
    const given = node.attributes as Conv2dDataGradientAttributes;
    return conv2dGeometry(name, given, [first[0], second[1] * given.groups, ...given.inputSize], second);
  }
  if (name === 'conv2dWeightGradient') {
    const given = node.attributes as Conv2dWeightGradientAttributes;
    return conv2dGeometry(name, given, second, [first[1], second[1] / given.groups, ...given.kernelSize]);
  }
  return conv2dGeometry(name, node.attributes as Conv2dAttributes, first, second);
}

/** Sizes of the columns: a row of `positions` for each of `rows` channels and taps of an image. */
function columnsOf(g: Conv2dGeometry) {
  return { rows: g.inChannels * g.kernelHeight * g.kernelWidth, positions: g.outHeight * g.outWidth };
}

/** Whether a tensor of `batch` images of so many elements can be held, and bound image by image. */
export function imagesFit(batch: number, imageElements: number, limits: Limits): boolean {
  return (
    batch * imageElements * 4 <= limits.maxBufferSize &&
    Math.min(batch, 64) * imageElements * 4 <= limits.maxStorageBufferBindingSize
  );
}

export function im2colApplies(shapes: Shapes): boolean {
  const g = geometry(shapes);
  const { rows, positions } = columnsOf(g);
  return imagesFit(g.batch, rows * Math.ceil(positions / 4) * 4, shapes.limits);
}

/** The columns [image][channel, tap][position] of input `index`, in rows of `pitch` elements: beyond the positions there are zeros. */
function writeColumns(
  { input, temporary, preparation, limits }: LowerContext,
  g: Conv2dGeometry,
  index: number,
  pitch: number,
): BufferIndex {
  const { rows, positions } = columnsOf(g);
  const perImage = rows * pitch;
  const columns = temporary('columns', g.batch * perImage * 4);
  preparation({
    kernel: 'im2col',
    units: g.batch,
    bindings: [
      { buffer: input(index), access: 'read', unitBytes: g.inChannels * g.inHeight * g.inWidth * 4 },
      { buffer: columns, access: 'write', unitBytes: perImage * 4 },
    ],
    params: (count) => [
      count * perImage,
      g.inHeight,
      g.inWidth,
      g.outWidth,
      positions,
      pitch,
      g.kernelHeight * g.kernelWidth,
      g.kernelWidth,
      g.strideY,
      g.strideX,
      g.dilationY,
      g.dilationX,
      g.top,
      g.left,
    ],
    workgroups: (count) => grid(Math.ceil((count * perImage) / workgroupSize), limits),
  });
  return columns;
}

export function lowerIm2col(context: LowerContext): void {
  const { node } = context;
  const g = geometry(context);
  const { rows, positions } = columnsOf(g);
  // In rows that can be read by fours.
  const pitch = Math.ceil(positions / 4) * 4;
  const columns = writeColumns(context, g, 0, pitch);
  const step = multiplyImages(context, {
    left: context.input(1),
    leftTransposed: false,
    right: columns,
    product: context.output(0),
    bias: node.inputs.length > 2 ? context.input(2) : undefined,
    relu: node.attributes.activation === 'relu',
    batch: g.batch,
    copies: g.groups,
    rows: g.outChannels / g.groups,
    depth: rows / g.groups,
    width: pitch,
    kept: positions,
  });
  context.step(step);
}

/** The data gradient, and the transposed convolution: columns of what reaches each tap, Wᵀ·dy, and their sums for each cell. */
export function lowerCol2im(context: LowerContext): void {
  const { node } = context;
  const g = geometry(context);
  const { rows, positions } = columnsOf(g);
  const columns = context.temporary('columns', g.batch * rows * positions * 4);
  const step = multiplyImages(context, {
    left: context.input(1),
    leftTransposed: true,
    right: context.input(0),
    product: columns,
    relu: false,
    batch: g.batch,
    copies: g.groups,
    rows: rows / g.groups,
    depth: g.outChannels / g.groups,
    width: positions,
  });
  context.step(step);
  addColumns(context, g, columns, node.inputs.length > 2 ? context.input(2) : undefined);
}

/** Output 0 as sums of the columns. */
function addColumns(
  { output, preparation, limits }: LowerContext,
  g: Conv2dGeometry,
  columns: BufferIndex,
  bias?: BufferIndex,
): void {
  const { rows, positions } = columnsOf(g);
  const perImage = g.inChannels * g.inHeight * g.inWidth;
  preparation({
    kernel: 'col2im',
    constants: { BIAS: bias !== undefined },
    units: g.batch,
    bindings: [
      { buffer: columns, access: 'read', unitBytes: rows * positions * 4 },
      { buffer: output(0), access: 'write', unitBytes: perImage * 4 },
      ...(bias === undefined ? [] : [{ buffer: bias, access: 'read' as const, unitBytes: 0 }]),
    ],
    params: (count) => [
      count * perImage,
      ...(bias === undefined ? [] : [g.inChannels]),
      g.inHeight,
      g.inWidth,
      g.outHeight,
      g.outWidth,
      g.kernelHeight,
      g.kernelWidth,
      g.strideY,
      float(1 / g.strideY),
      g.strideX,
      float(1 / g.strideX),
      g.dilationY,
      g.dilationX,
      g.top,
      g.left,
    ],
    workgroups: (count) => grid(Math.ceil((count * perImage) / workgroupSize), limits),
  });
}

/** To its columns the convolution is one of 1×1 taps. */
export function lowerIm2colWeightGradient(context: LowerContext): void {
  const g = geometry(context);
  sumOverPositions(context, writeColumns(context, g, 1, columnsOf(g).positions), {
    ...g,
    inChannels: columnsOf(g).rows,
    inHeight: g.outHeight,
    inWidth: g.outWidth,
    kernelHeight: 1,
    kernelWidth: 1,
    strideY: 1,
    strideX: 1,
    dilationY: 1,
    dilationX: 1,
    top: 0,
    left: 0,
  });
}
