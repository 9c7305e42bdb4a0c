import {
  type Conv2dAttributes,
  type Conv2dDataGradientAttributes,
  type Conv2dGeometry,
  type Conv2dWeightGradientAttributes,
  conv2dGeometry,
} from '../../../ops/conv2d.js';
import { elements } from '../../../ops/define.js';
import type { LowerContext, Word } from './program.js';

/**
 * Depth of a block. Both operands of a tile are linear streams that the second-level cache feeds as fast as they are used, so a
 * tile is finished in one go where that is possible: starting and storing it costs more than the first-level cache would save.
 */
const blockDepth = 2560;
/** Bytes of packed panels of a block: with a tile of weights well within a second-level cache of 512 KiB. */
const panelBytes = 128 * 1024;
/** Scratch of `convolve` before its panels. */
const convolveHeader = 384;
/** im2col columns that the weight gradient packs at a time, an even number. */
const columnBlock = 32;
/** Positions of a stretch of the weight gradient: six rows of them stay in the first-level cache. */
const stretchPositions = 512;

/** How one product of the implicit matrix product finds its operands along one axis. */
interface Axis {
  readonly taps: number;
  /** First tap of the kernel, and the distance to the next. */
  readonly first: number;
  readonly tapStep: number;
  /** Source coordinate = grid·stride + base + tap·step. */
  readonly stride: number;
  readonly base: number;
  readonly step: number;
  /** Destination coordinate = grid·outStep + out. */
  readonly grid: number;
  readonly outStep: number;
  readonly out: number;
}

interface Convolution {
  /** Name that the kernel has on the tape. */
  readonly step: 'convolve' | 'convTranspose2d';
  readonly source: Word;
  readonly weight: { readonly index: number; readonly key: string };
  readonly bias: Word;
  readonly relu: boolean;
  readonly batch: number;
  readonly groups: number;
  /** Channels of a group of the source. */
  readonly channels: number;
  readonly sourceSize: readonly [number, number];
  /** Channels of a group of the destination. */
  readonly rows: number;
  readonly destinationSize: readonly [number, number];
  /** Strides of a weight in elements: of a group, a row, a channel; taps lie [kernel height][kernel width]. */
  readonly weightStrides: readonly [number, number, number];
  readonly kernelWidth: number;
  readonly y: Axis;
  readonly x: Axis;
}

function emit(context: LowerContext, c: Convolution): void {
  const taps = c.y.taps * c.x.taps;
  const depth = c.channels * taps;
  const blocks = Math.max(1, Math.ceil(depth / blockDepth));
  const blockChannels = Math.max(1, Math.ceil(c.channels / blocks));
  const panel = Math.max(1, blockChannels * taps) * 32;
  const panels = Math.max(1, Math.floor(panelBytes / panel));
  const [groupStride, rowStride, channelStride] = c.weightStrides;
  const packed = context.packed(
    c.weight.index,
    c.weight.key,
    Math.max(1, c.groups * c.rows * depth) * 4,
    'packWeights',
    (from, to) => [
      from,
      to,
      c.groups,
      c.rows,
      c.channels,
      c.y.taps,
      c.x.taps,
      groupStride,
      rowStride,
      channelStride,
      c.y.tapStep * c.kernelWidth,
      c.x.tapStep,
      c.y.first * c.kernelWidth + c.x.first,
    ],
  );
  context.step(c.step, [
    c.source,
    packed,
    c.bias,
    context.output(0),
    ...context.scratch(convolveHeader + panels * panel),
    c.batch,
    c.groups,
    c.channels,
    ...c.sourceSize,
    c.rows,
    ...c.destinationSize,
    c.y.grid,
    c.x.grid,
    c.y.taps,
    c.x.taps,
    c.y.stride,
    c.x.stride,
    c.y.base,
    c.x.base,
    c.y.step,
    c.x.step,
    c.y.outStep,
    c.x.outStep,
    c.y.out,
    c.x.out,
    Number(c.relu),
    blockChannels,
    panels,
  ]);
}

export function lowerConv2d(context: LowerContext): void {
  const { node } = context;
  const given = node.attributes as Conv2dAttributes;
  const g = conv2dGeometry('conv2d', given, context.shape(node.inputs[0]), context.shape(node.inputs[1]));
  const axis = (taps: number, stride: number, dilation: number, before: number, grid: number): Axis => ({
    taps,
    first: 0,
    tapStep: 1,
    stride,
    base: -before,
    step: dilation,
    grid,
    outStep: 1,
    out: 0,
  });
  const kernel = g.kernelHeight * g.kernelWidth;
  const channels = g.inChannels / g.groups;
  const rows = g.outChannels / g.groups;
  emit(context, {
    step: 'convolve',
    source: context.input(0),
    weight: { index: 1, key: 'forward panels' },
    bias: context.optionalInput(2),
    relu: given.activation === 'relu',
    batch: g.batch,
    groups: g.groups,
    channels,
    rows,
    sourceSize: [g.inHeight, g.inWidth],
    destinationSize: [g.outHeight, g.outWidth],
    weightStrides: [rows * channels * kernel, channels * kernel, kernel],
    kernelWidth: g.kernelWidth,
    y: axis(g.kernelHeight, g.strideY, g.dilationY, g.top, g.outHeight),
    x: axis(g.kernelWidth, g.strideX, g.dilationX, g.left, g.outWidth),
  });
}

export function lowerConv2dDataGradient(context: LowerContext): void {
  const { node } = context;
  const given = node.attributes as Conv2dDataGradientAttributes;
  const [dy, w] = node.inputs.map((id) => context.shape(id));
  const g = conv2dGeometry(node.op.name, given, [dy[0], w[1] * given.groups, ...given.inputSize], w);
  emitPhases(context, g, 'convolve');
}

/**
 * The data gradient is a convolution of dy with the transposed, flipped weights. With a stride, input positions fall into
 * stride² phases, each reached by its own taps only: each phase is a convolution of stride 1. Input 0 is what the convolution
 * `g` would put out, input 2 a bias, if there is one.
 */
export function emitPhases(context: LowerContext, g: Conv2dGeometry, step: Convolution['step']): void {
  const kernel = g.kernelHeight * g.kernelWidth;
  const rows = g.inChannels / g.groups;
  const channels = g.outChannels / g.groups;
  for (const y of phases(g.inHeight, g.kernelHeight, g.strideY, g.dilationY, g.top)) {
    for (const x of phases(g.inWidth, g.kernelWidth, g.strideX, g.dilationX, g.left)) {
      emit(context, {
        step,
        source: context.input(0),
        weight: { index: 1, key: `data gradient panels, phase ${y.out} ${x.out} of ${phaseKey(g)}` },
        bias: context.optionalInput(2),
        relu: false,
        batch: g.batch,
        groups: g.groups,
        channels,
        rows,
        sourceSize: [g.outHeight, g.outWidth],
        destinationSize: [g.inHeight, g.inWidth],
        weightStrides: [channels * rows * kernel, kernel, rows * kernel],
        kernelWidth: g.kernelWidth,
        y,
        x,
      });
    }
  }
}

/** What decides the taps of a phase, beside the weight itself. */
function phaseKey(g: Conv2dGeometry): string {
  return [g.strideY, g.strideX, g.dilationY, g.dilationX, g.top, g.left].join(' ');
}

/**
 * The phases of one axis. Input position p = stride·q + phase is reached by tap u from output (p + before − u·dilation)/stride
 * where that is whole: for every period-th tap, each a whole number of outputs further back.
 */
function phases(extent: number, kernel: number, stride: number, dilation: number, before: number): Axis[] {
  const period = stride / greatestCommonDivisor(stride, dilation);
  const found: Axis[] = [];
  for (let phase = 0; phase < Math.min(stride, extent); phase++) {
    let first = 0;
    while (first < period && (phase + before - first * dilation) % stride !== 0) first++;
    const reached = first < period && first < kernel;
    found.push({
      taps: reached ? Math.ceil((kernel - first) / period) : 0,
      first: reached ? first : 0,
      tapStep: period,
      stride: 1,
      base: reached ? (phase + before - first * dilation) / stride : 0,
      step: -(period * dilation) / stride,
      grid: Math.ceil((extent - phase) / stride),
      outStep: stride,
      out: phase,
    });
  }
  return found;
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

export function lowerConv2dWeightGradient(context: LowerContext): void {
  const { node } = context;
  const given = node.attributes as Conv2dWeightGradientAttributes;
  const [dy, x] = node.inputs.map((id) => context.shape(id));
  const g = conv2dGeometry(node.op.name, given, x, [dy[1], x[1] / given.groups, ...given.kernelSize]);
  const rows = g.outChannels / g.groups;
  const outRows = Math.min(g.outHeight, Math.max(1, Math.floor(stretchPositions / g.outWidth)));
  const packedRow = Math.ceil((outRows * g.outWidth) / 4) * 16;
  const sums = Math.ceil(rows / 4) * (columnBlock / 2) * 128;
  context.step('convolveWeightGradient', [
    context.input(0),
    context.input(1),
    context.output(0),
    ...context.scratch(sums + (2 + 4 + columnBlock) * packedRow),
    g.batch,
    g.groups,
    g.inChannels / g.groups,
    g.inHeight,
    g.inWidth,
    rows,
    g.outHeight,
    g.outWidth,
    g.kernelHeight,
    g.kernelWidth,
    g.strideY,
    g.strideX,
    g.dilationY,
    g.dilationX,
    g.top,
    g.left,
    columnBlock,
    outRows,
  ]);
}

export function lowerConv2dBiasGradient(context: LowerContext): void {
  const [batch, channels, ...plane] = context.shape(context.node.inputs[0]);
  context.step('convolveBiasGradient', [context.input(0), context.output(0), batch, channels, elements(plane)]);
}
