/** Lowering of the elementwise ops whose attributes their kernels need. */
import type { ClipAttributes } from '../../../ops/clip.js';
import type { LeakyReluAttributes } from '../../../ops/leakyRelu.js';
import type { ScaleAttributes } from '../../../ops/scale.js';
import type { TanhAttributes } from '../../../ops/tanh.js';
import { countOf, float, type LowerContext } from './program.js';

/** Inputs, output, the number of elements, and constants. */
function lowerElementwise(context: LowerContext, constants: readonly number[]): void {
  const { node } = context;
  context.step(node.op.name, [
    ...node.inputs.map((_, i) => context.input(i)),
    context.output(0),
    countOf(context, 0),
    ...constants.map(float),
  ]);
}

export function lowerTanh(context: LowerContext): void {
  const { a, b } = context.node.attributes as TanhAttributes;
  lowerElementwise(context, [a, b]);
}

export function lowerTanhGradient(context: LowerContext): void {
  const { a, b } = context.node.attributes as TanhAttributes;
  lowerElementwise(context, [a, b / a]);
}

export function lowerLeakyRelu(context: LowerContext): void {
  lowerElementwise(context, [(context.node.attributes as LeakyReluAttributes).slope]);
}

export function lowerClip(context: LowerContext): void {
  const { min, max } = context.node.attributes as ClipAttributes;
  lowerElementwise(context, [min, max]);
}

export function lowerScale(context: LowerContext): void {
  lowerElementwise(context, [(context.node.attributes as ScaleAttributes).factor]);
}
