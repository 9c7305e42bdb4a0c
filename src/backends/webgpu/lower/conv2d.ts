/** Convolution as an implicit matrix product, forward and back to the data (see kernels/lib/convolve.wgsl). */
import {
  type Conv2dAttributes,
  type Conv2dDataGradientAttributes,
  type Conv2dGeometry,
  conv2dGeometry,
} from '../../../ops/conv2d.js';
import { type ConvTranspose2dAttributes, convTranspose2dGeometry } from '../../../ops/convTranspose2d.js';
import { float, grid, type LowerContext, leastValue, type Step, type StepBinding } from './program.js';
import { chooseTile } from './tiles.js';

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
  readonly kernel: 'conv2d' | 'convTranspose2d';
  readonly relu: boolean;
  readonly batch: number;
  readonly groups: number;
  /** Channels of a group of the source. */
  readonly channels: number;
  readonly sourceSize: readonly [number, number];
  /** Channels of a group of the destination. */
  readonly rows: number;
  readonly destinationSize: readonly [number, number];
  /** Elements of the weight from one group, row and channel to the next; taps lie [kernel height][kernel width]. */
  readonly weightStrides: readonly [number, number, number];
  readonly kernelWidth: number;
  readonly y: Axis;
  readonly x: Axis;
}

/** Input 0 is the source, input 1 the weight, input 2 the bias, if there is one. */
function stepOf(context: LowerContext, c: Convolution): Step {
  const { node, limits } = context;
  const { rows, groups, y, x } = c;
  const bias = node.inputs.length > 2;
  const positions = y.grid * x.grid;
  const taps = y.taps * x.taps;
  const tile = chooseTile(rows, c.batch * positions, c.channels * taps, groups);
  const tilesOf = (count: number) => [Math.ceil(rows / tile.rows), Math.ceil((count * positions) / tile.columns)];
  const bytes = (channels: number, [height, width]: readonly [number, number]) =>
    groups * channels * height * width * 4;
  const bindings: StepBinding[] = [
    { buffer: context.input(0), access: 'read', unitBytes: bytes(c.channels, c.sourceSize) },
    { buffer: context.input(1), access: 'read', unitBytes: 0 },
    { buffer: context.output(0), access: 'write', unitBytes: bytes(rows, c.destinationSize) },
  ];
  if (bias) bindings.push({ buffer: context.input(2), access: 'read', unitBytes: 0 });
  const [weightGroup, weightRow, weightChannel] = c.weightStrides;
  return {
    kernel: c.kernel,
    constants: { ...tile.constants, BIAS: bias },
    units: c.batch,
    bindings,
    params: (count) => [
      rows,
      count * positions,
      c.channels * taps,
      ...tilesOf(count),
      groups,
      c.channels,
      ...c.sourceSize,
      ...c.destinationSize,
      y.grid,
      x.grid,
      taps,
      float(1 / Math.max(1, taps)),
      x.taps,
      float(1 / Math.max(1, x.taps)),
      y.stride,
      x.stride,
      y.base,
      x.base,
      y.step,
      x.step,
      y.outStep,
      x.outStep,
      y.out,
      x.out,
      weightGroup,
      weightRow,
      weightChannel,
      y.tapStep * c.kernelWidth,
      x.tapStep,
      y.first * c.kernelWidth + x.first,
      leastValue(c.relu),
    ],
    workgroups: (count) => {
      const [down, across] = tilesOf(count);
      return grid(down * across * groups, limits);
    },
  };
}

export function lowerConv2d(context: LowerContext): void {
  const { node } = context;
  const given = node.attributes as Conv2dAttributes;
  const g = conv2dGeometry('conv2d', given, context.shape(node.inputs[0]), context.shape(node.inputs[1]));
  const axis = (taps: number, stride: number, dilation: number, before: number, extent: number): Axis => ({
    taps,
    first: 0,
    tapStep: 1,
    stride,
    base: -before,
    step: dilation,
    grid: extent,
    outStep: 1,
    out: 0,
  });
  const taps = g.kernelHeight * g.kernelWidth;
  const channels = g.inChannels / g.groups;
  const rows = g.outChannels / g.groups;
  const step = stepOf(context, {
    kernel: 'conv2d',
    relu: given.activation === 'relu',
    batch: g.batch,
    groups: g.groups,
    channels,
    rows,
    sourceSize: [g.inHeight, g.inWidth],
    destinationSize: [g.outHeight, g.outWidth],
    weightStrides: [rows * channels * taps, channels * taps, taps],
    kernelWidth: g.kernelWidth,
    y: axis(g.kernelHeight, g.strideY, g.dilationY, g.top, g.outHeight),
    x: axis(g.kernelWidth, g.strideX, g.dilationX, g.left, g.outWidth),
  });
  context.step(step);
}

export function lowerConv2dDataGradient(context: LowerContext): void {
  const { node } = context;
  const given = node.attributes as Conv2dDataGradientAttributes;
  const [dy, w] = node.inputs.map((id) => context.shape(id));
  const x = [dy[0], w[1] * given.groups, ...given.inputSize];
  lowerPhases(context, conv2dGeometry(node.op.name, given, x, w), 'conv2d');
}

export function lowerConvTranspose2d(context: LowerContext): void {
  const { node } = context;
  const [x, w] = node.inputs.map((id) => context.shape(id));
  const g = convTranspose2dGeometry(node.attributes as ConvTranspose2dAttributes, x, w);
  lowerPhases(context, g, 'convTranspose2d');
}

/**
 * The data gradient is a convolution of dy with the transposed, turned weights. With a stride, input positions fall into
 * stride² phases, each reached by its own taps only: each phase is a convolution of stride 1. Input 0 is what the convolution
 * `g` would put out.
 */
function lowerPhases(context: LowerContext, g: Conv2dGeometry, kernel: Convolution['kernel']): void {
  const taps = g.kernelHeight * g.kernelWidth;
  const rows = g.inChannels / g.groups;
  const channels = g.outChannels / g.groups;
  const steps = phases(g.inHeight, g.kernelHeight, g.strideY, g.dilationY, g.top).flatMap((y) =>
    phases(g.inWidth, g.kernelWidth, g.strideX, g.dilationX, g.left).map((x) =>
      stepOf(context, {
        kernel,
        relu: false,
        batch: g.batch,
        groups: g.groups,
        channels,
        rows,
        sourceSize: [g.outHeight, g.outWidth],
        destinationSize: [g.inHeight, g.inWidth],
        weightStrides: [channels * rows * taps, taps, rows * taps],
        kernelWidth: g.kernelWidth,
        y,
        x,
      }),
    ),
  );
  for (const [i, step] of steps.entries()) {
    if (i === 0) context.step(step);
    else context.preparation(step);
  }
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
