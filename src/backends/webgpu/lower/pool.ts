/** Poolings: one element of the result an invocation, maps as units of work. */
import type { AvgPoolAttributes } from '../../../ops/avgPool.js';
import { type PoolAttributes, poolGeometry } from '../../../ops/lib/pooling.js';
import type { MaxPoolAttributes } from '../../../ops/maxPool.js';
import type { Constants } from '../source.js';
import { grid, type LowerContext, type LowerRule, workgroupSize } from './program.js';

/** All inputs [N, C, …, …], then the output, cut between maps; the parameters are the number of elements of the result, then `words`. */
function mapwise(context: LowerContext, kernel: string, constants: Constants, words: readonly number[]): void {
  const { node, limits } = context;
  const [batch, channels, height, width] = context.shape(node.outputs[0]);
  const mapBytes = (id: number): number => {
    const [, , rows, columns] = context.shape(id);
    return rows * columns * 4;
  };
  context.step({
    kernel,
    constants,
    units: batch * channels,
    bindings: [
      ...node.inputs.map((id, i) => ({
        buffer: context.input(i),
        access: 'read' as const,
        unitBytes: mapBytes(id),
      })),
      { buffer: context.output(0), access: 'write', unitBytes: mapBytes(node.outputs[0]) },
    ],
    params: (units) => [units * height * width, ...words],
    workgroups: (units) => grid(Math.ceil((units * height * width) / workgroupSize), limits),
  });
}

/** The sizes as kernels/lib/pooling.wgsl has them; `x` is the shape of the forward input. */
function poolWords(context: LowerContext, x: readonly number[], count: 'inside' | 'all'): readonly number[] {
  const { node } = context;
  const g = poolGeometry(node.op.name, node.attributes as PoolAttributes, x);
  return [
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
    ...(count === 'all' ? [g.top, g.left, g.bottom, g.right] : [0, 0, 0, 0]),
  ];
}

export const lowerMaxPool: LowerRule = (context) => {
  const x = context.shape(context.node.inputs[0]);
  mapwise(context, 'maxPool', { GRADIENT: false, ALL: false }, poolWords(context, x, 'inside'));
};

export const lowerMaxPoolGradient: LowerRule = (context) => {
  const { ties } = context.node.attributes as MaxPoolAttributes;
  const x = context.shape(context.node.inputs[1]);
  mapwise(context, 'maxPool', { GRADIENT: true, ALL: ties === 'all' }, poolWords(context, x, 'inside'));
};

export function lowerAvgPool(gradient: boolean): LowerRule {
  return (context) => {
    const { node } = context;
    const { count } = node.attributes as AvgPoolAttributes;
    const x = context.shape(gradient ? node.outputs[0] : node.inputs[0]);
    mapwise(context, 'avgPool', { GRADIENT: gradient }, poolWords(context, x, count));
  };
}

export function lowerAdaptiveAvgPool(gradient: boolean): LowerRule {
  return (context) => {
    const { node } = context;
    const [input, output] = [context.shape(node.inputs[0]).slice(2), context.shape(node.outputs[0]).slice(2)];
    const words = gradient ? [...output, ...input] : [...input, ...output];
    mapwise(context, 'adaptiveAvgPool', { GRADIENT: gradient }, words);
  };
}
