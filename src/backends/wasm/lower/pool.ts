import type { AvgPoolAttributes, AvgPoolGradientAttributes } from '../../../ops/avgPool.js';
import { type PoolAttributes, type PoolGeometry, poolGeometry } from '../../../ops/lib/pooling.js';
import type { MaxPoolAttributes } from '../../../ops/maxPool.js';
import type { LowerContext } from './program.js';

/** As many elements, rounded up to whole vectors. */
function wholeVectors(count: number): number {
  return Math.ceil(count / 4) * 4;
}

/** Bytes of a line of an image in scratch, to the end of its last vector. */
function lineBytes(width: number): number {
  return wholeVectors(width) * 4;
}

function geometryOf(context: LowerContext, x: readonly number[]): PoolGeometry {
  return poolGeometry(context.node.op.name, context.node.attributes as PoolAttributes, x);
}

function poolWords(g: PoolGeometry): readonly number[] {
  return [
    g.batch * g.channels,
    g.inHeight,
    g.inWidth,
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

/**
 * Bytes of a line that holds an image row and its padding, so long that kernels may take four windows at a time, and load a vector
 * from where any of their cells is.
 */
function paddedLineBytes(g: PoolGeometry): number {
  const cells = g.left + wholeVectors(g.inWidth) + 4;
  const windows = (wholeVectors(g.outWidth) - 1) * g.strideX;
  return wholeVectors(Math.max(cells, windows) + g.kernelWidth + 4) * 4;
}

export function lowerMaxPool(context: LowerContext): void {
  const g = geometryOf(context, context.shape(context.node.inputs[0]));
  const line = paddedLineBytes(g);
  context.step('maxPool', [context.input(0), context.output(0), ...context.scratch(line), ...poolWords(g), line]);
}

export function lowerMaxPoolGradient(context: LowerContext): void {
  const { ties } = context.node.attributes as MaxPoolAttributes;
  const g = geometryOf(context, context.shape(context.node.inputs[1]));
  const line = paddedLineBytes(g);
  const all = ties === 'all';
  context.step(all ? 'maxPoolGradientAll' : 'maxPoolGradient', [
    context.input(0),
    context.input(1),
    context.output(0),
    ...context.scratch((all ? 1 + 2 * g.outHeight : 2) * line),
    ...poolWords(g),
    line,
  ]);
}

/** The kernels of average pooling: input and output, scratch, sizes, and the padding that counts. */
function averageStep(context: LowerContext, kernel: string, g: PoolGeometry, sumBytes: number): void {
  const { count } = context.node.attributes as AvgPoolAttributes;
  const counted = count === 'all' ? [g.top, g.left, g.bottom, g.right] : [0, 0, 0, 0];
  const line = paddedLineBytes(g);
  const scratch = context.scratch(2 * line + sumBytes);
  context.step(kernel, [context.input(0), context.output(0), ...scratch, ...poolWords(g), ...counted, line]);
}

export function lowerAvgPool(context: LowerContext): void {
  averageStep(context, 'avgPool', geometryOf(context, context.shape(context.node.inputs[0])), 0);
}

export function lowerAvgPoolGradient(context: LowerContext): void {
  const { inputSize } = context.node.attributes as AvgPoolGradientAttributes;
  const g = geometryOf(context, [...context.shape(context.node.inputs[0]).slice(0, 2), ...inputSize]);
  averageStep(context, 'avgPoolGradient', g, g.outHeight * lineBytes(g.inWidth));
}

function adaptiveStep(context: LowerContext, kernel: string, x: readonly number[], y: readonly number[]): void {
  const [batch, channels, height, width] = x;
  const scratch = context.scratch(lineBytes(width));
  context.step(kernel, [
    context.input(0),
    context.output(0),
    ...scratch,
    batch * channels,
    height,
    width,
    ...y.slice(2),
  ]);
}

export function lowerAdaptiveAvgPool(context: LowerContext): void {
  const { node } = context;
  adaptiveStep(context, 'adaptiveAvgPool', context.shape(node.inputs[0]), context.shape(node.outputs[0]));
}

export function lowerAdaptiveAvgPoolGradient(context: LowerContext): void {
  const { node } = context;
  adaptiveStep(context, 'adaptiveAvgPoolGradient', context.shape(node.outputs[0]), context.shape(node.inputs[0]));
}
