/** Convolution as an implicit matrix product, forward and back to the data (see kernels/lib/convolve.wgsl). */
import {
  type Conv2dAttributes,
  type Conv2dDataGradientAttributes,
  type Conv2dGeometry,
  conv2dGeometry,
} from '../../../ops/conv2d.js';
import { type ConvTranspose2dAttributes, convTranspose2dGeometry } from '../../../ops/convTranspose2d.js';
import { type BufferIndex, float, grid, type LowerContext, leastValue, type Step, workgroupSize } from './program.js';
import { sumSlices } from './sumSlices.js';
import { chooseTiling, mostSlices, tileConstants } from './tiles.js';

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
  /** Grids that make up the destination, each with weights [group][row][channel, tap] of its own. */
  readonly phases: readonly Phase[];
}

interface Phase {
  readonly weight: BufferIndex;
  readonly y: Axis;
  readonly x: Axis;
}

/** Input 0 is the source, input 2 the bias, if there is one. */
function convolve(context: LowerContext, c: Convolution): void {
  const { node } = context;
  const bias = node.inputs.length > 2 ? context.input(2) : undefined;
  const slices = slicesOf(context, c);
  const [height, width] = c.destinationSize;
  const elements = c.batch * c.groups * c.rows * height * width;
  const target = slices === 1 ? context.output(0) : context.temporary('partial sums', slices * elements * 4);
  const within = slices === 1 ? { bias, relu: c.relu } : { relu: false };
  for (const [i, phase] of c.phases.entries()) {
    const step = stepOf(context, c, phase, { target, slices, ...within });
    if (i === 0) context.step(step);
    else context.preparation(step);
  }
  if (slices === 1) return;
  const affine = { bias, relu: c.relu };
  context.preparation(sumSlices(context, target, slices, elements, [c.groups * c.rows, height * width], affine));
}

/** Sizes of the matrix product of a phase. */
function productOf(c: Convolution, { y, x }: Phase) {
  const positions = y.grid * x.grid;
  const taps = y.taps * x.taps;
  const size = { rows: c.rows, columns: c.batch * positions, depth: c.channels * taps, copies: c.groups };
  return { positions, taps, size };
}

/** Slices of the depth, as many for each phase: where one image has few tiles. Only where no binding need be cut. */
function slicesOf({ limits, shape, node, tile }: LowerContext, c: Convolution): number {
  const [height, width] = c.destinationSize;
  const elements = c.batch * c.groups * c.rows * height * width;
  const limit = limits.maxStorageBufferBindingSize;
  const sourceBytes = shape(node.inputs[0]).reduce((product, extent) => product * extent, 4);
  if (Math.max(sourceBytes, elements * 4) > limit) return 1;
  const slices = c.phases.map((phase) => {
    const { size } = productOf(c, phase);
    return chooseTiling(size, mostSlices(size.depth, elements, limit), tile).slices;
  });
  return Math.max(...slices);
}

/** Where the sums of a step go, and what is done to them. */
interface Target {
  readonly target: BufferIndex;
  readonly slices: number;
  readonly bias?: BufferIndex;
  readonly relu: boolean;
}

function stepOf(context: LowerContext, c: Convolution, phase: Phase, to: Target): Step {
  const { limits } = context;
  const { weight, y, x } = phase;
  const { rows, groups } = c;
  const { positions, taps, size } = productOf(c, phase);
  const { tile } = chooseTiling({ ...size, copies: groups * to.slices }, 1, context.tile);
  const tilesOf = (count: number) => [Math.ceil(rows / tile.rows), Math.ceil((count * positions) / tile.columns)];
  const bytes = (channels: number, [height, width]: readonly [number, number]) =>
    groups * channels * height * width * 4;
  const resultBytes = bytes(rows, c.destinationSize);
  // Slices begin where vectors do.
  const sliceDepth = Math.ceil(size.depth / to.slices / 4) * 4;
  const constants = tileConstants(tile, { alongK: true, wide: size.depth % 4 === 0 }, { alongK: false, wide: false });
  return {
    kernel: c.kernel,
    constants: { ...constants, BIAS: to.bias !== undefined },
    units: c.batch,
    bindings: [
      { buffer: context.input(0), access: 'read', unitBytes: bytes(c.channels, c.sourceSize) },
      { buffer: weight, access: 'read', unitBytes: 0 },
      { buffer: to.target, access: 'write', unitBytes: to.slices === 1 ? resultBytes : 0 },
      ...(to.bias === undefined ? [] : [{ buffer: to.bias, access: 'read' as const, unitBytes: 0 }]),
    ],
    params: (count) => [
      rows,
      count * positions,
      size.depth,
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
      to.slices,
      sliceDepth,
      (c.batch * resultBytes) / 4,
      leastValue(to.relu),
    ],
    workgroups: (count) => {
      const [down, across] = tilesOf(count);
      return grid(down * across * groups * to.slices, limits);
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
  convolve(context, {
    kernel: 'conv2d',
    relu: given.activation === 'relu',
    batch: g.batch,
    groups: g.groups,
    channels: g.inChannels / g.groups,
    rows: g.outChannels / g.groups,
    sourceSize: [g.inHeight, g.inWidth],
    destinationSize: [g.outHeight, g.outWidth],
    phases: [
      {
        weight: context.input(1),
        y: axis(g.kernelHeight, g.strideY, g.dilationY, g.top, g.outHeight),
        x: axis(g.kernelWidth, g.strideX, g.dilationX, g.left, g.outWidth),
      },
    ],
  });
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
  const across = phases(g.inWidth, g.kernelWidth, g.strideX, g.dilationX, g.left);
  const all = phases(g.inHeight, g.kernelHeight, g.strideY, g.dilationY, g.top).flatMap((y) =>
    across.map((x) => ({ weight: phaseFilters(context, g, y, x), y, x })),
  );
  convolve(context, {
    kernel,
    relu: false,
    batch: g.batch,
    groups: g.groups,
    channels: g.outChannels / g.groups,
    sourceSize: [g.outHeight, g.outWidth],
    rows: g.inChannels / g.groups,
    destinationSize: [g.inHeight, g.inWidth],
    phases: all,
  });
}

/** The transposed weights of a phase, whose depth is one piece of memory; kept from run to run where the weights do not change. */
function phaseFilters(context: LowerContext, g: Conv2dGeometry, y: Axis, x: Axis): BufferIndex {
  const taps = y.taps * x.taps;
  // A phase that no tap reaches is zero: it multiplies nothing.
  if (taps === 0) return context.input(1);
  const rows = g.inChannels / g.groups;
  const channels = g.outChannels / g.groups;
  const count = g.inChannels * channels * taps;
  const key = `taps ${y.first}, ${x.first} of ${y.tapStep} × ${x.tapStep} phases, ${g.groups} groups`;
  return context.packed(1, key, count * 4, (from, to) => ({
    kernel: 'phaseFilters',
    units: 1,
    bindings: [
      { buffer: from, access: 'read', unitBytes: 0 },
      { buffer: to, access: 'write', unitBytes: 0 },
    ],
    params: () => [
      count,
      rows,
      channels,
      y.taps,
      x.taps,
      g.kernelHeight,
      g.kernelWidth,
      y.first,
      x.first,
      y.tapStep,
      x.tapStep,
    ],
    workgroups: () => grid(Math.ceil(count / workgroupSize), context.limits),
  }));
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
