import { type BufferIndex, grid, type LowerContext, leastValue, type Step, type StepBinding } from './program.js';

/** What is done to a sum for its output feature: kernels/lib/affine.wgsl. */
export interface Affine {
  readonly scale?: BufferIndex;
  readonly bias?: BufferIndex;
  readonly relu: boolean;
}

export const plain: Affine = { relu: false };

export function affineConstants({ scale, bias }: Affine) {
  return { SCALE: scale !== undefined, BIAS: bias !== undefined };
}

export function affineBindings({ scale, bias }: Affine): readonly StepBinding[] {
  const given = [scale, bias].filter((buffer) => buffer !== undefined);
  return given.map((buffer) => ({ buffer, access: 'read', unitBytes: 0 }));
}

/**
 * Adds up `slices` arrays of `count` float32, the size of the output, in their order. Of its features each has `run` elements one after
 * another.
 */
export function sumSlices(
  context: LowerContext,
  partial: BufferIndex,
  slices: number,
  count: number,
  [features, run]: readonly [number, number] = [1, 1],
  affine: Affine = plain,
): Step {
  return {
    kernel: 'sumSlices',
    constants: affineConstants(affine),
    units: 1,
    bindings: [
      { buffer: partial, access: 'read', unitBytes: 0 },
      { buffer: context.output(0), access: 'write', unitBytes: 0 },
      ...affineBindings(affine),
    ],
    params: () => [count, slices, features, run, leastValue(affine.relu)],
    workgroups: () => grid(Math.ceil(count / 64), context.limits),
  };
}
