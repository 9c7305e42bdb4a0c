/** Gradients of a convolution's weight and bias: sums over the whole batch, in slices that a second pass adds up. */
import { type Conv2dGeometry, type Conv2dWeightGradientAttributes, conv2dGeometry } from '../../../ops/conv2d.js';
import { elements } from '../../../ops/define.js';
import { type BufferIndex, float, grid, type LowerContext, type LowerRule } from './program.js';
import { sumSlices } from './sumSlices.js';
import { chooseTiling, mostSlices, tileConstants } from './tiles.js';

/** Blocks of whole images that the sum is cut into, and equal pieces of a block; either has one image or one piece. */
interface Slicing {
  readonly images: number;
  readonly pieces: number;
}

/**
 * About `wanted` slices, and no block of more than half of `limit`, so that bindings can be cut between blocks. Powers of two, so
 * that few blocks later one begins at an aligned address.
 */
function slicingOf(batch: number, wanted: number, imageBytes: number, limit: number): Slicing {
  const fits = batch * imageBytes <= limit;
  if (wanted === 1 && fits) return { images: batch, pieces: 1 };
  let images = 2 ** Math.floor(Math.log2(Math.max(1, batch / wanted)));
  while (!fits && images > 1 && images * imageBytes > limit / 2) images /= 2;
  return { images, pieces: Math.max(1, Math.floor(wanted / batch)) };
}

export function lowerConv2dWeightGradient(context: LowerContext): void {
  const { node } = context;
  const given = node.attributes as Conv2dWeightGradientAttributes;
  const [dy, x] = node.inputs.map((id) => context.shape(id));
  const g = conv2dGeometry(node.op.name, given, x, [dy[1], x[1] / given.groups, ...given.kernelSize]);
  sumOverPositions(context, context.input(1), g);
}

/** The weight gradient of convolution `g` from dy, input 0, and its input `x`. */
export function sumOverPositions(context: LowerContext, x: BufferIndex, g: Conv2dGeometry): void {
  const { limits } = context;
  const { batch, groups } = g;
  const plane = g.outHeight * g.outWidth;
  const taps = g.kernelHeight * g.kernelWidth;
  const channels = g.inChannels / groups;
  const rows = g.outChannels / groups;
  const columns = channels * taps;
  const weightBytes = groups * rows * columns * 4;
  const size = { rows, columns, depth: batch * plane, copies: groups };
  const limit = limits.maxStorageBufferBindingSize;
  const most = mostSlices(size.depth, weightBytes / 4, limit / 2);
  const { tile, slices: wanted } = chooseTiling(size, most, context.tile);
  const tiles = [Math.ceil(rows / tile.rows), Math.ceil(columns / tile.columns)] as const;
  const dyBytes = g.outChannels * plane * 4;
  const xBytes = g.inChannels * g.inHeight * g.inWidth * 4;
  const { images, pieces } = slicingOf(batch, wanted, Math.max(dyBytes, xBytes), limit);
  const blocks = Math.ceil(batch / images);
  const slices = blocks * pieces;
  const target = slices === 1 ? context.output(0) : context.temporary('partial sums', slices * weightBytes);
  context.step({
    kernel: 'conv2dWeightGradient',
    constants: tileConstants(tile, { alongK: true, wide: false }, { alongK: true, wide: false }),
    units: blocks,
    bindings: [
      { buffer: context.input(0), access: 'read', unitBytes: images * dyBytes },
      { buffer: x, access: 'read', unitBytes: images * xBytes },
      { buffer: target, access: 'write', unitBytes: 0 },
    ],
    params: (count, first) => [
      rows,
      columns,
      Math.min(count * images, batch - first * images) * plane,
      ...tiles,
      groups,
      first * pieces,
      count * pieces,
      pieces,
      images * plane,
      Math.ceil((images * plane) / pieces),
      channels,
      g.inHeight,
      g.inWidth,
      plane,
      float(1 / plane),
      g.outWidth,
      float(1 / g.outWidth),
      taps,
      g.kernelWidth,
      g.strideY,
      g.strideX,
      g.dilationY,
      g.dilationX,
      g.top,
      g.left,
    ],
    workgroups: (count) => grid(tiles[0] * tiles[1] * groups * count * pieces, limits),
  });
  if (slices > 1) context.preparation(sumSlices(context, target, slices, weightBytes / 4));
}

export function lowerConv2dBiasGradient(subgroups: boolean): LowerRule {
  return (context) => {
    const [batch, channels, ...size] = context.shape(context.node.inputs[0]);
    const plane = elements(size);
    const target = batch === 1 ? context.output(0) : context.temporary('sums of planes', batch * channels * 4);
    context.step({
      kernel: 'conv2dBiasGradient',
      constants: { SUBGROUPS: subgroups },
      units: batch,
      bindings: [
        { buffer: context.input(0), access: 'read', unitBytes: channels * plane * 4 },
        { buffer: target, access: 'write', unitBytes: channels * 4 },
      ],
      params: (count) => [count * channels, plane],
      workgroups: (count) => grid(count * channels, context.limits),
    });
    if (batch > 1) context.preparation(sumSlices(context, target, batch, channels));
  };
}
