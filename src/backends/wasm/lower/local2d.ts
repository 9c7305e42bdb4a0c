import { elements } from '../../../ops/define.js';
import {
  type Local2dAttributes,
  type Local2dDataGradientAttributes,
  type Local2dGeometry,
  type Local2dWeightGradientAttributes,
  local2dGeometry,
} from '../../../ops/local2d.js';
import type { LowerContext } from './program.js';

/** Bytes of packed operands that stay in a second-level cache of 512 KiB. */
const cachedBytes = 128 * 1024;
/** Images of a block at most. */
const mostImages = 64;
/** Partial sums of a tile of rows. */
const dotTileBytes = 128;
/** Column offsets and staging of the kernels that write tiles. */
const tileHeader = 64 + 128;

function sizes(g: Local2dGeometry): readonly number[] {
  return [
    g.batch,
    g.inChannels,
    g.inHeight,
    g.inWidth,
    g.outChannels,
    g.outHeight,
    g.outWidth,
    g.kernelHeight,
    g.kernelWidth,
    g.strideY,
    g.strideX,
    g.top,
    g.left,
  ];
}

function taps(g: Local2dGeometry): number {
  return g.kernelHeight * g.kernelWidth;
}

/** Images whose patches, `bytes` each, stay in cache: an even number. */
function imagesOfBlock(g: Local2dGeometry, bytes: number): number {
  const fitting = Math.min(mostImages, Math.max(8, Math.floor(cachedBytes / bytes)));
  return Math.ceil(Math.min(g.batch, fitting) / 2) * 2;
}

export function lowerLocal2d(context: LowerContext): void {
  const { node } = context;
  const [x, w] = node.inputs.map((id) => context.shape(id));
  const g = local2dGeometry(node.op.name, node.attributes as Local2dAttributes, x, w);
  const row = Math.ceil((g.inChannels * taps(g)) / 4) * 16;
  const images = imagesOfBlock(g, row);
  context.step('local2d', [
    context.input(0),
    context.input(1),
    context.optionalInput(2),
    context.output(0),
    ...context.scratch(dotTileBytes + (2 + 4 + images) * row),
    ...sizes(g),
    images,
  ]);
}

export function lowerLocal2dDataGradient(context: LowerContext): void {
  const { node } = context;
  const given = node.attributes as Local2dDataGradientAttributes;
  const [dy, w] = node.inputs.map((id) => context.shape(id));
  const g = local2dGeometry(node.op.name, given, [dy[0], w[3], ...given.inputSize], w);
  const images = Math.min(g.batch, mostImages);
  const channels = Math.min(
    g.inChannels,
    Math.max(1, Math.floor(cachedBytes / (4 * taps(g) * (g.outChannels + images)))),
  );
  const panels = Math.ceil((channels * taps(g)) / 8);
  context.step('local2dDataGradient', [
    context.input(0),
    context.input(1),
    context.output(0),
    0,
    ...context.scratch(tileHeader + panels * 32 * (g.outChannels + images) + images * g.outChannels * 4),
    ...sizes(g),
    images,
    channels,
  ]);
}

export function lowerLocal2dWeightGradient(context: LowerContext): void {
  const { node } = context;
  const given = node.attributes as Local2dWeightGradientAttributes;
  const [dy, x] = node.inputs.map((id) => context.shape(id));
  const g = local2dGeometry(node.op.name, given, x, [...dy.slice(1), x[1], ...given.kernelSize]);
  const panels = Math.ceil((g.inChannels * taps(g)) / 8);
  const images = imagesOfBlock(g, panels * 32);
  context.step('local2dWeightGradient', [
    context.input(0),
    context.input(1),
    context.output(0),
    0,
    ...context.scratch(tileHeader + panels * 32 * (1 + images) + images * g.outChannels * 4),
    ...sizes(g),
    images,
  ]);
}

/** One sum over the batch for each output channel and position: the kernel of fully connected layers. */
export function lowerLocal2dBiasGradient(context: LowerContext): void {
  const [batch, ...features] = context.shape(context.node.inputs[0]);
  context.step('linearBiasGradient', [context.input(0), context.output(0), batch, elements(features)]);
}
