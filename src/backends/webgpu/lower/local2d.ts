import { elements } from '../../../ops/define.js';
import {
  type Local2dAttributes,
  type Local2dDataGradientAttributes,
  type Local2dGeometry,
  type Local2dWeightGradientAttributes,
  local2dGeometry,
} from '../../../ops/local2d.js';
import { grid, type LowerContext, type Step } from './program.js';

/** Invocations of a workgroup: few, for there are few results. */
const workgroup = 64;
/** Images (or output channels) whose sums an invocation keeps, at most. */
const mostSums = 8;

/** A power of two, so that there are few variants of a kernel. */
function sumsOf(count: number): number {
  return Math.min(mostSums, 2 ** Math.ceil(Math.log2(count)));
}

/** What a step over `units` has of its own: each invocation computes one of a unit's `results`, for `sums` units. */
function pieces(
  context: LowerContext,
  g: Local2dGeometry,
  units: number,
  results: number,
  sums: number,
): Pick<Step, 'units' | 'params' | 'workgroups'> {
  const invocations = (count: number): number => Math.ceil(count / sums) * results;
  return {
    units,
    params: (count, first) => [
      invocations(count),
      count,
      first,
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
    ],
    workgroups: (count) => grid(Math.ceil(invocations(count) / workgroup), context.limits),
  };
}

/** Values of an image on either side of the layer. */
function imageSizes(g: Local2dGeometry): { readonly x: number; readonly y: number } {
  return { x: g.inChannels * g.inHeight * g.inWidth, y: g.outChannels * g.outHeight * g.outWidth };
}

/** Units: images. */
export function lowerLocal2d(context: LowerContext): void {
  const { node } = context;
  const [x, w] = node.inputs.map((id) => context.shape(id));
  const g = local2dGeometry(node.op.name, node.attributes as Local2dAttributes, x, w);
  const bias = node.inputs.length > 2;
  const sums = sumsOf(g.batch);
  const image = imageSizes(g);
  context.step({
    kernel: 'local2d',
    constants: { IMAGES: sums, BIAS: bias },
    bindings: [
      { buffer: context.input(0), access: 'read', unitBytes: image.x * 4 },
      { buffer: context.input(1), access: 'read', unitBytes: 0 },
      { buffer: context.output(0), access: 'write', unitBytes: image.y * 4 },
      ...(bias ? [{ buffer: context.input(2), access: 'read' as const, unitBytes: 0 }] : []),
    ],
    ...pieces(context, g, g.batch, image.y, sums),
  });
}

/** Units: images. */
export function lowerLocal2dDataGradient(context: LowerContext): void {
  const { node } = context;
  const given = node.attributes as Local2dDataGradientAttributes;
  const [dy, w] = node.inputs.map((id) => context.shape(id));
  const g = local2dGeometry(node.op.name, given, [dy[0], w[3], ...given.inputSize], w);
  const sums = sumsOf(g.batch);
  const image = imageSizes(g);
  context.step({
    kernel: 'local2dDataGradient',
    constants: { IMAGES: sums },
    bindings: [
      { buffer: context.input(0), access: 'read', unitBytes: image.y * 4 },
      { buffer: context.input(1), access: 'read', unitBytes: 0 },
      { buffer: context.output(0), access: 'write', unitBytes: image.x * 4 },
    ],
    ...pieces(context, g, g.batch, image.x, sums),
  });
}

/** Units: output channels, which see all images. */
export function lowerLocal2dWeightGradient(context: LowerContext): void {
  const { node } = context;
  const given = node.attributes as Local2dWeightGradientAttributes;
  const [dy, x] = node.inputs.map((id) => context.shape(id));
  const g = local2dGeometry(node.op.name, given, x, [...dy.slice(1), x[1], ...given.kernelSize]);
  const sums = sumsOf(g.outChannels);
  const weights = g.outHeight * g.outWidth * g.inChannels * g.kernelHeight * g.kernelWidth;
  context.step({
    kernel: 'local2dWeightGradient',
    constants: { OUTPUTS: sums },
    bindings: [
      { buffer: context.input(0), access: 'read', unitBytes: 0 },
      { buffer: context.input(1), access: 'read', unitBytes: 0 },
      { buffer: context.output(0), access: 'write', unitBytes: weights * 4 },
    ],
    ...pieces(context, g, g.outChannels, weights, sums),
  });
}

export function lowerLocal2dBiasGradient(context: LowerContext): void {
  const [batch, ...size] = context.shape(context.node.inputs[0]);
  const features = elements(size);
  context.step({
    kernel: 'local2dBiasGradient',
    units: 1,
    bindings: [
      { buffer: context.input(0), access: 'read', unitBytes: 0 },
      { buffer: context.output(0), access: 'write', unitBytes: 0 },
    ],
    params: () => [batch, features],
    workgroups: () => grid(Math.ceil(features / workgroup), context.limits),
  });
}
