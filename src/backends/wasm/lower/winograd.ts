/** Winograd convolution: which nodes it can do and which it does best, and the steps it takes (see assembly/lib/winograd.ts). */
import {
  type Conv2dAttributes,
  type Conv2dDataGradientAttributes,
  type Conv2dGeometry,
  type Conv2dWeightGradientAttributes,
  conv2dGeometry,
} from '../../../ops/conv2d.js';
import { fitsWinograd, type WinogradName, winograds } from '../../../ops/lib/winograd.js';
import type { LowerContext, Word } from './program.js';

/** Bytes of a block's transformed tiles and products: what stays in a third-level cache. */
const blockBytes = 8 * 1024 * 1024;
/** Output channels of a panel of filters: columns of the microkernel of the build, which fuses multiply and add or does not. */
function panelChannels(fused: boolean): number {
  return fused ? 12 : 8;
}

/** Tiles that are transformed back at a time, in the first-level cache. */
const outputTiles = 32;

type Shapes = Pick<LowerContext, 'node' | 'shape'>;

/** A convolution as the kernels see it: of the forward pass, of the data gradient, or that whose weights have a gradient. */
interface Convolution {
  readonly batch: number;
  readonly groups: number;
  /** Of a group. */
  readonly channels: number;
  readonly size: readonly [number, number];
  readonly kernel: readonly [number, number];
  readonly stride: number;
  /** Rows and columns of zeros before the source; negative where its first ones are not read. */
  readonly top: number;
  readonly left: number;
  /** Output channels of a group. */
  readonly rows: number;
  readonly outSize: readonly [number, number];
}

/** Geometry of the convolution that a node computes or is the gradient of; undefined for another op. */
function geometryOf({ node, shape }: Shapes): Conv2dGeometry | undefined {
  const [first, second] = node.inputs.map(shape);
  switch (node.op.name) {
    case 'conv2d':
      return conv2dGeometry('conv2d', node.attributes as Conv2dAttributes, first, second);
    case 'conv2dDataGradient': {
      const given = node.attributes as Conv2dDataGradientAttributes;
      return conv2dGeometry(node.op.name, given, [first[0], second[1] * given.groups, ...given.inputSize], second);
    }
    case 'conv2dWeightGradient': {
      const given = node.attributes as Conv2dWeightGradientAttributes;
      const w = [first[1], second[1] / given.groups, ...given.kernelSize];
      return conv2dGeometry(node.op.name, given, second, w);
    }
    default:
      return undefined;
  }
}

/** The data gradient, of stride 1, is the convolution of dy with turned filters, padded by what the forward pass left of r − 1. */
function convolutionOf(shapes: Shapes): Convolution {
  const g = geometryOf(shapes) as Conv2dGeometry;
  const inChannels = g.inChannels / g.groups;
  const outChannels = g.outChannels / g.groups;
  const inSize = [g.inHeight, g.inWidth] as const;
  const outSize = [g.outHeight, g.outWidth] as const;
  const kernel = [g.kernelHeight, g.kernelWidth] as const;
  const { batch, groups, strideX: stride, top, left } = g;
  const common = { batch, groups, kernel, stride };
  if (shapes.node.op.name !== 'conv2dDataGradient') {
    return { ...common, channels: inChannels, size: inSize, top, left, rows: outChannels, outSize };
  }
  const before = { top: g.kernelHeight - 1 - top, left: g.kernelWidth - 1 - left };
  return { ...common, ...before, channels: outChannels, size: outSize, rows: inChannels, outSize: inSize };
}

function sizes(c: Convolution, name: WinogradName) {
  const { outputs: m, taps: r, size: n } = winograds[name];
  const index = Object.keys(winograds).indexOf(name);
  const depth = Math.ceil((c.channels * c.stride ** 2) / 4) * 4;
  const octets = Math.ceil(c.rows / 8);
  const lines = Math.ceil(c.outSize[0] / m);
  const tiles = Math.ceil(c.outSize[1] / m);
  return { m, r, n, index, positions: n * n, depth, octets, lines, tiles };
}

/** Bytes between positions: whole cache lines, and an odd number of them, so that positions do not fall on the same cache sets. */
function pitch(bytes: number): number {
  return (Math.ceil(bytes / 64) | 1) * 64;
}

/** Whether `name` can do the node. */
export function winogradApplies(name: WinogradName) {
  return (shapes: Shapes): boolean => {
    const g = geometryOf(shapes);
    if (!g || !fitsWinograd(name, g)) return false;
    return shapes.node.op.name !== 'conv2dDataGradient' || g.strideX === 1;
  };
}

/** Channels, on either side, from which on the algorithm is worth its transforms. */
const fewestChannels = 32;
/** What transforming one element costs, in multiply-adds of the products. */
const transformCost = 12;
/** What a multiply-add costs without Winograd, unrolling the image included. */
const directCost = 1.15;

/** Cost of the node in multiply-adds of the products of Winograd's algorithm; Infinity where it does not apply. */
export function winogradCost(name: WinogradName, shapes: Shapes): number {
  if (!winogradApplies(name)(shapes)) return Number.POSITIVE_INFINITY;
  const c = convolutionOf(shapes);
  // With few channels there is little to multiply between the transforms.
  if (Math.min(c.channels * c.stride ** 2, c.rows) < fewestChannels) return Number.POSITIVE_INFINITY;
  const { positions, depth, lines, tiles } = sizes(c, name);
  // Microkernels take three tiles or four at a time.
  const all = Math.ceil((c.batch * lines * tiles) / 3) * 3;
  // A panel of filters that few output channels fill costs as much as a full one.
  const rows = Math.ceil(c.rows / panelChannels(true)) * panelChannels(true);
  return c.groups * positions * all * (depth * rows + transformCost * (depth + rows));
}

/** Cost of the same node by im2col. */
export function directConvolutionCost(shapes: Shapes): number {
  const c = convolutionOf(shapes);
  const taps = c.kernel[0] * c.kernel[1];
  return directCost * c.batch * c.groups * c.outSize[0] * c.outSize[1] * taps * c.channels * c.rows;
}

/** Arguments that all stages share; see the head of assembly/lib/winograd.ts. */
interface Stage {
  readonly source: Word;
  readonly filters: Word;
  readonly bias: Word;
  readonly destination: Word;
  readonly scratch: readonly [Word, number];
  readonly v: Word;
  readonly m: Word;
  /** Bytes between positions. */
  readonly vPitch: number;
  readonly mPitch: number;
  readonly filterPitch: number;
  readonly relu: boolean;
  /** Lines [first, last) of all images. */
  readonly first: number;
  readonly last: number;
}

function stageWords(c: Convolution, name: WinogradName, stage: Stage, depth = sizes(c, name).depth): readonly Word[] {
  const s = sizes(c, name);
  return [
    stage.source,
    stage.filters,
    stage.bias,
    stage.destination,
    ...stage.scratch,
    stage.v,
    stage.m,
    c.groups,
    c.channels,
    ...c.size,
    c.stride,
    c.top,
    c.left,
    s.lines,
    s.tiles,
    s.m,
    s.n,
    s.index,
    depth,
    c.rows,
    ...c.outSize,
    stage.vPitch,
    stage.mPitch,
    stage.filterPitch,
    outputLines(s.tiles),
    Number(stage.relu),
    stage.first,
    stage.last,
  ];
}

function outputLines(tiles: number): number {
  return Math.max(1, Math.floor(outputTiles / tiles));
}

/** Bytes of a thread's scratch: a line of tiles transformed one way, or some lines of products transformed back. */
function stageBytes(c: Convolution, name: WinogradName): number {
  const { m, r, n, tiles } = sizes(c, name);
  return Math.max(2 * n * (tiles * m + r - 1), m * outputLines(tiles) * tiles * (n + m)) * 16;
}

/** Lines of a block: all are about the same, so that no product is left with a few tiles. */
function blockLines(c: Convolution, name: WinogradName): number {
  const { positions, depth, octets, lines, tiles } = sizes(c, name);
  const perLine = c.groups * positions * tiles * (depth + octets * 8) * 4;
  const all = c.batch * lines;
  const blocks = Math.ceil(all / Math.max(1, Math.floor(blockBytes / perLine)));
  return Math.ceil(all / blocks);
}

/** The words of `winogradFilter` and `winogradFilterGradient` from the fifth on. */
function filterWords(
  c: Convolution,
  name: WinogradName,
  strides: readonly [number, number, number],
  backwards: boolean,
  filterPitch: number,
  quads: number,
): readonly Word[] {
  const s = sizes(c, name);
  return [
    c.groups,
    c.rows,
    c.channels,
    ...c.kernel,
    c.stride,
    s.r,
    s.n,
    s.index,
    s.depth,
    ...strides,
    Number(backwards),
    filterPitch,
    quads,
  ];
}

/** Scratch of the filter transforms: a panel of filters, and a quad of them turned. */
function filterScratch(r: number, n: number, quads: number): number {
  return Math.ceil(((quads * r * r + n * r) * 16) / 64) * 64;
}

export function lowerWinograd(name: WinogradName) {
  return (context: LowerContext): void => {
    const c = convolutionOf(context);
    const kernel = c.kernel[0] * c.kernel[1];
    const turned = context.node.op.name === 'conv2dDataGradient';
    // Weights are [O][I][kernel]: the data gradient's output channels are I.
    const strides: readonly [number, number, number] = turned
      ? [c.channels * c.rows * kernel, kernel, c.rows * kernel]
      : [c.rows * c.channels * kernel, c.channels * kernel, kernel];
    const { r, n, positions, depth, lines, tiles } = sizes(c, name);
    const width = panelChannels(context.fused);
    const panels = Math.ceil(c.rows / width);
    const filterPitch = pitch(panels * depth * width * 4);
    const filterBytes = filterScratch(r, n, width / 4);
    const bytes = c.groups * positions * filterPitch;
    const filters = context.packed(
      1,
      `${name} filters, ${turned ? 'data gradient' : `stride ${c.stride}`}`,
      bytes + context.threads * filterBytes,
      'winogradFilter',
      (from, to) => [
        from,
        to,
        { ...(to as { buffer: number }), offset: bytes },
        filterBytes,
        ...filterWords(c, name, strides, turned, filterPitch, width / 4),
      ],
    );
    const all = c.batch * lines;
    const block = blockLines(c, name);
    const vPitch = pitch(block * tiles * depth * 4);
    const mPitch = pitch(block * tiles * panels * width * 4);
    const stage = {
      source: context.input(0),
      filters,
      bias: turned ? 0 : context.optionalInput(2),
      destination: context.output(0),
      scratch: context.scratch(stageBytes(c, name)),
      v: context.temporary('transformed input', c.groups * positions * vPitch),
      m: context.temporary('products', c.groups * positions * mPitch),
      vPitch,
      mPitch,
      filterPitch,
      relu: context.node.attributes.activation === 'relu',
    };
    for (let first = 0; first < all; first += block) {
      const words = stageWords(c, name, { ...stage, first, last: Math.min(all, first + block) });
      context.preparation('winogradInput', words);
      if (first === 0) context.step('winogradMultiply', words);
      else context.preparation('winogradMultiply', words);
      context.preparation('winogradOutput', words);
    }
  };
}

export function lowerWinogradWeightGradient(name: WinogradName) {
  return (context: LowerContext): void => {
    const c = convolutionOf(context);
    const { r, n, positions, depth, octets, lines, tiles } = sizes(c, name);
    const sumsPitch = pitch(octets * depth * 32);
    const all = c.batch * lines;
    const block = blockLines(c, name);
    const vPitch = pitch(block * tiles * depth * 4);
    const dyPitch = pitch(block * tiles * octets * 32);
    const [dy, x] = [context.input(0), context.input(1)];
    const scratch = context.scratch(stageBytes(c, name));
    const v = context.temporary('transformed input', c.groups * positions * vPitch);
    const d = context.temporary('transformed gradient', c.groups * positions * dyPitch);
    const sums = context.temporary('sums', c.groups * positions * sumsPitch);
    const common = { filters: 0, bias: 0, scratch, filterPitch: sumsPitch, relu: false };
    // The tiles of dy are cells of the output: a source of its own, without padding.
    const gradient: Convolution = { ...c, channels: c.rows, size: c.outSize, stride: 1, top: 0, left: 0 };
    for (let first = 0; first < all; first += block) {
      const stage = { ...common, first, last: Math.min(all, first + block) };
      context.preparation(
        'winogradGradientInput',
        stageWords(c, name, { ...stage, source: x, destination: 0, v, m: 0, vPitch, mPitch: 0 }),
      );
      context.preparation(
        'winogradGradientOutput',
        stageWords(
          gradient,
          name,
          { ...stage, source: dy, destination: 0, v: d, m: 0, vPitch: dyPitch, mPitch: 0 },
          octets * 8,
        ),
      );
      const words = stageWords(c, name, { ...stage, source: 0, destination: sums, v, m: d, vPitch, mPitch: dyPitch });
      if (first === 0) context.step('winogradWeightGradient', words);
      else context.preparation('winogradWeightGradient', words);
    }
    const kernel = c.kernel[0] * c.kernel[1];
    const strides = [c.rows * c.channels * kernel, c.channels * kernel, kernel] as const;
    context.preparation('winogradFilterGradient', [
      context.output(0),
      sums,
      ...context.scratch(filterScratch(r, n, 2)),
      ...filterWords(c, name, strides, false, sumsPitch, 2),
    ]);
  };
}
