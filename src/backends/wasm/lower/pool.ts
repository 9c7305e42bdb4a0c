import type { AvgPoolAttributes, AvgPoolGradientAttributes } from '../../../ops/avgPool.js';
import { type PoolAttributes, type PoolGeometry, poolGeometry } from '../../../ops/lib/pooling.js';
import type { MaxPoolAttributes } from '../../../ops/maxPool.js';
import type { LowerContext } from './program.js';

/** Bytes of a line of an image in scratch, to the end of its last vector. */
function lineBytes(width: number): number {
  return Math.ceil(width / 4) * 16;
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

export function lowerMaxPool(context: LowerContext): void {
  const g = geometryOf(context, context.shape(context.node.inputs[0]));
  const scratch = context.scratch(lineBytes(g.inWidth));
  context.step('maxPool', [context.input(0), context.output(0), ...scratch, ...poolWords(g)]);
}

export function lowerMaxPoolGradient(context: LowerContext): void {
  const { ties } = context.node.attributes as MaxPoolAttributes;
  const g = geometryOf(context, context.shape(context.node.inputs[1]));
  context.step('maxPoolGradient', [
    context.input(0),
    context.input(1),
    context.output(0),
    Number(ties === 'all'),
    ...poolWords(g),
  ]);
}

/** The kernels of average pooling: input and output, a line of scratch, sizes, and the padding that counts. */
function averageStep(context: LowerContext, kernel: string, x: readonly number[]): void {
  const { count } = context.node.attributes as AvgPoolAttributes;
  const g = geometryOf(context, x);
  const counted = count === 'all' ? [g.top, g.left, g.bottom, g.right] : [0, 0, 0, 0];
  const scratch = context.scratch(lineBytes(g.inWidth));
  context.step(kernel, [context.input(0), context.output(0), ...scratch, ...poolWords(g), ...counted]);
}

export function lowerAvgPool(context: LowerContext): void {
  averageStep(context, 'avgPool', context.shape(context.node.inputs[0]));
}

export function lowerAvgPoolGradient(context: LowerContext): void {
  const { inputSize } = context.node.attributes as AvgPoolGradientAttributes;
  averageStep(context, 'avgPoolGradient', [...context.shape(context.node.inputs[0]).slice(0, 2), ...inputSize]);
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
