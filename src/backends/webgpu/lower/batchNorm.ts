import type { BatchNormAttributes } from '../../../ops/batchNorm.js';
import { elements } from '../../../ops/define.js';
import { float, grid, type LowerContext, type LowerRule, workgroupSize } from './program.js';

/** Batch normalisation and its data gradient: a tensor, what is given for each channel, and the result. Units: images. */
export function lowerBatchNorm(gradient: boolean): LowerRule {
  return (context) => {
    const { node, limits } = context;
    const [batch, channels, ...size] = context.shape(node.inputs[0]);
    const plane = elements(size);
    const image = channels * plane;
    context.step({
      kernel: 'batchNorm',
      constants: { GRADIENT: gradient },
      units: batch,
      bindings: [
        ...node.inputs.map((_, i) => ({
          buffer: context.input(i),
          access: 'read' as const,
          unitBytes: i === 0 ? image * 4 : 0,
        })),
        { buffer: context.output(0), access: 'write', unitBytes: image * 4 },
      ],
      params: (units) => [units * image, channels, plane, float((node.attributes as BatchNormAttributes).epsilon)],
      workgroups: (units) => grid(Math.ceil((units * image) / workgroupSize), limits),
    });
  };
}

/** Invocations that share a plane: a power of two, at most a workgroup, and two elements or more for each. */
function lanesOf(plane: number): number {
  return Math.min(workgroupSize, 2 ** Math.floor(Math.log2(Math.max(1, plane / 2))));
}

export function lowerBatchNormScaleGradient(context: LowerContext): void {
  const { node, limits } = context;
  const [batch, channels, ...size] = context.shape(node.inputs[0]);
  const plane = elements(size);
  const lanes = lanesOf(plane);
  const planesOfWorkgroup = workgroupSize / lanes;
  const partial = context.temporary('partial', batch * channels * 4);
  context.step({
    kernel: 'batchNormScaleGradient',
    constants: { PARTIAL: true, LANES: lanes },
    units: batch,
    bindings: [
      { buffer: context.input(0), access: 'read', unitBytes: channels * plane * 4 },
      { buffer: context.input(1), access: 'read', unitBytes: channels * plane * 4 },
      { buffer: context.input(2), access: 'read', unitBytes: 0 },
      { buffer: partial, access: 'write', unitBytes: channels * 4 },
    ],
    params: (units) => [units * channels, channels, plane],
    workgroups: (units) => grid(Math.ceil((units * channels) / planesOfWorkgroup), limits),
  });
  context.preparation({
    kernel: 'batchNormScaleGradient',
    constants: { PARTIAL: false },
    units: 1,
    bindings: [
      { buffer: partial, access: 'read', unitBytes: 0 },
      { buffer: context.input(3), access: 'read', unitBytes: 0 },
      { buffer: context.output(0), access: 'write', unitBytes: 0 },
    ],
    params: () => [batch, channels, float((node.attributes as BatchNormAttributes).epsilon)],
    workgroups: () => grid(Math.ceil(channels / 64), limits),
  });
}
