/** Convolution as im2col, written out in memory, and a matrix product. */
import { type Conv2dAttributes, conv2dGeometry } from '../../../ops/conv2d.js';
import { multiplyImages } from './multiplyImages.js';
import { grid, type Limits, type LowerContext, workgroupSize } from './program.js';
import type { Shapes } from './rules.js';

function geometry({ node, shape }: Pick<Shapes, 'node' | 'shape'>) {
  return conv2dGeometry('conv2d', node.attributes as Conv2dAttributes, shape(node.inputs[0]), shape(node.inputs[1]));
}

/** Elements of the columns of an image. */
function columnElements(g: ReturnType<typeof geometry>): number {
  return g.inChannels * g.kernelHeight * g.kernelWidth * g.outHeight * g.outWidth;
}

/** Whether a tensor of `batch` images of so many elements can be held, and bound image by image. */
export function imagesFit(batch: number, imageElements: number, limits: Limits): boolean {
  return (
    batch * imageElements * 4 <= limits.maxBufferSize &&
    Math.min(batch, 64) * imageElements * 4 <= limits.maxStorageBufferBindingSize
  );
}

export function im2colApplies(shapes: Shapes): boolean {
  const g = geometry(shapes);
  return imagesFit(g.batch, columnElements(g), shapes.limits);
}

export function lowerIm2col(context: LowerContext): void {
  const { node, limits } = context;
  const g = geometry(context);
  const perImage = columnElements(g);
  const taps = g.kernelHeight * g.kernelWidth;
  const positions = g.outHeight * g.outWidth;
  const columns = context.temporary('columns', g.batch * perImage * 4);
  context.preparation({
    kernel: 'im2col',
    units: g.batch,
    bindings: [
      { buffer: context.input(0), access: 'read', unitBytes: g.inChannels * g.inHeight * g.inWidth * 4 },
      { buffer: columns, access: 'write', unitBytes: perImage * 4 },
    ],
    params: (count) => [
      count * perImage,
      g.inHeight,
      g.inWidth,
      g.outWidth,
      positions,
      taps,
      g.kernelWidth,
      g.strideY,
      g.strideX,
      g.dilationY,
      g.dilationX,
      g.top,
      g.left,
    ],
    workgroups: (count) => grid(Math.ceil((count * perImage) / workgroupSize), limits),
  });
  const step = multiplyImages(context, {
    left: context.input(1),
    right: columns,
    product: context.output(0),
    bias: node.inputs.length > 2 ? context.input(2) : undefined,
    relu: node.attributes.activation === 'relu',
    batch: g.batch,
    copies: g.groups,
    rows: g.outChannels / g.groups,
    depth: (g.inChannels / g.groups) * taps,
    width: positions,
  });
  context.step(step);
}
