/** Fully connected layers: as matrix products, and for few images with kernels that read or write the weight once. */
import { elements } from '../../../ops/define.js';
import type { LinearAttributes } from '../../../ops/linear.js';
import { stepBySgd } from './optimizers.js';
import { multiply } from './product.js';
import { grid, type LowerContext, type LowerRule, leastValue } from './program.js';
import { type Affine, affineBindings, affineConstants, sumSlices } from './sumSlices.js';
import { busyWorkgroups } from './tiles.js';

/** Images that an invocation of the kernels for few images has sums for. */
const mostImages = 8;
/** Their invocations in a workgroup. */
const lanes = 64;

/** Whether there are few images: the rows of input 0, in all three passes. */
export function fewImages({ node, shape }: Pick<LowerContext, 'node' | 'shape'>): boolean {
  return shape(node.inputs[0])[0] <= mostImages;
}

/** Constants and sizes of rows read piece by piece. */
function pieces(images: number, depth: number) {
  const wide = depth % 4 === 0;
  return { constants: { BATCH: 2 ** Math.ceil(Math.log2(images)), WIDE: wide }, pieces: wide ? depth / 4 : depth };
}

/** Sizes of a layer, its weight, and what is done to its sums. */
function layer(context: LowerContext) {
  const { node } = context;
  const [images, depth] = context.shape(node.inputs[0]);
  const [features] = context.shape(node.inputs[1]);
  const int16 = context.dtype(node.inputs[1]) === 'i16';
  const biasAt = int16 ? 3 : 2;
  const affine: Affine = {
    ...(int16 && { scale: context.input(2) }),
    ...(node.inputs.length > biasAt && { bias: context.input(biasAt) }),
    relu: (node.attributes as LinearAttributes).activation === 'relu',
  };
  return { images, depth, features, elementBytes: int16 ? 2 : 4, affine };
}

export function lowerLinear(context: LowerContext): void {
  const { images, depth, features, elementBytes, affine } = layer(context);
  multiply(context, {
    kernel: 'linear',
    left: { buffer: context.input(0), transposed: false, elementBytes: 4 },
    right: { buffer: context.input(1), transposed: true, elementBytes },
    rows: images,
    depth,
    columns: features,
    affine,
  });
}

export function lowerLinearVectors(subgroups: boolean): LowerRule {
  return (context) => {
    const { images, depth, features, elementBytes, affine } = layer(context);
    const { constants, pieces: count } = pieces(images, depth);
    context.step({
      kernel: 'linearVectors',
      constants: { ...constants, INT16: elementBytes === 2, ...affineConstants(affine), SUBGROUPS: subgroups },
      units: features,
      bindings: [
        { buffer: context.input(0), access: 'read', unitBytes: 0 },
        { buffer: context.input(1), access: 'read', unitBytes: depth * elementBytes },
        { buffer: context.output(0), access: 'write', unitBytes: 0 },
        ...affineBindings(affine),
      ],
      params: (rows, first) => [rows, first, count, images, features, leastValue(affine.relu)],
      workgroups: (rows) => grid(Math.ceil(rows / 4), context.limits),
    });
  };
}

export function lowerLinearDataGradient(context: LowerContext): void {
  const { node } = context;
  const [images, features] = context.shape(node.inputs[0]);
  const [, depth] = context.shape(node.inputs[1]);
  multiply(context, {
    kernel: 'linear',
    left: { buffer: context.input(0), transposed: false, elementBytes: 4 },
    right: { buffer: context.input(1), transposed: false, elementBytes: 4 },
    rows: images,
    depth: features,
    columns: depth,
  });
}

/** Rows of the weight that are worth a slice of their own. */
const leastRows = 16;

export function lowerLinearDataGradientVectors(context: LowerContext): void {
  const { node } = context;
  const [images, features] = context.shape(node.inputs[0]);
  const [, depth] = context.shape(node.inputs[1]);
  const { constants, pieces: count } = pieces(images, depth);
  const blocks = Math.ceil(count / lanes);
  const slices = Math.min(Math.ceil(features / leastRows), Math.ceil((4 * busyWorkgroups) / blocks));
  const length = images * depth;
  const target = slices === 1 ? context.output(0) : context.temporary('partial sums', slices * length * 4);
  context.step({
    kernel: 'linearDataGradientVectors',
    constants,
    units: features,
    bindings: [
      { buffer: context.input(0), access: 'read', unitBytes: 0 },
      { buffer: context.input(1), access: 'read', unitBytes: depth * 4 },
      { buffer: target, access: 'write', unitBytes: 0 },
    ],
    params: (rows, first) => [rows, first, count, images, features, blocks, slices, Math.ceil(rows / slices)],
    workgroups: () => grid(blocks * slices, context.limits),
  });
  if (slices > 1) context.preparation(sumSlices(context, target, slices, length));
}

export function lowerLinearWeightGradient(context: LowerContext): void {
  const { node } = context;
  const [images, features] = context.shape(node.inputs[0]);
  const [, depth] = context.shape(node.inputs[1]);
  multiply(context, {
    kernel: 'linear',
    left: { buffer: context.input(0), transposed: true, elementBytes: 4 },
    right: { buffer: context.input(1), transposed: false, elementBytes: 4 },
    rows: features,
    depth: images,
    columns: depth,
  });
}

/** The gradient in memory of its own, then the step: an adapter has no use for a kernel that does both. */
export function lowerLinearSgd(context: LowerContext): void {
  const { node } = context;
  const gradient = context.temporary('gradient', elements(context.shape(node.inputs[0])) * 4);
  lowerLinearWeightGradient({
    ...context,
    node: { ...node, inputs: node.inputs.slice(1, 3) },
    input: (index) => context.input(index + 1),
    output: () => gradient,
    step: context.preparation,
  });
  stepBySgd(context, gradient, 3, 4);
}

/** Rows that an invocation writes. */
const rowsWritten = 8;

export function lowerLinearWeightGradientVectors(context: LowerContext): void {
  const { node } = context;
  const [images, features] = context.shape(node.inputs[0]);
  const [, depth] = context.shape(node.inputs[1]);
  const { constants, pieces: count } = pieces(images, depth);
  const blocks = Math.ceil(count / lanes);
  context.step({
    kernel: 'linearWeightGradientVectors',
    constants,
    units: features,
    bindings: [
      { buffer: context.input(0), access: 'read', unitBytes: 0 },
      { buffer: context.input(1), access: 'read', unitBytes: 0 },
      { buffer: context.output(0), access: 'write', unitBytes: depth * 4 },
    ],
    params: (rows, first) => [rows, first, count, images, features, blocks],
    workgroups: (rows) => grid(blocks * Math.ceil(rows / rowsWritten), context.limits),
  });
}

/** Images of a slice of the bias gradient. */
const sliceImages = 256;

export function lowerLinearBiasGradient(context: LowerContext): void {
  const { node } = context;
  const [images, features] = context.shape(node.inputs[0]);
  const slices = Math.ceil(images / sliceImages);
  const blocks = Math.ceil(features / lanes);
  const target = slices === 1 ? context.output(0) : context.temporary('partial sums', slices * features * 4);
  context.step({
    kernel: 'linearBiasGradient',
    units: slices,
    bindings: [
      { buffer: context.input(0), access: 'read', unitBytes: sliceImages * features * 4 },
      { buffer: target, access: 'write', unitBytes: 0 },
    ],
    params: (count, first) => [
      Math.min(count * sliceImages, images - first * sliceImages),
      features,
      blocks,
      count,
      sliceImages,
      first,
    ],
    workgroups: (count) => grid(blocks * count, context.limits),
  });
  if (slices > 1) context.preparation(sumSlices(context, target, slices, features));
}
