/** Concat, split and their gradients: a step for each piece, however many there are. Units: rows. */
import type { ConcatAttributes } from '../../../ops/concat.js';
import { type Rows, rowsOf } from '../../../ops/lib/pieces.js';
import type { SplitAttributes, SplitGradientAttributes } from '../../../ops/split.js';
import { type BufferIndex, grid, type LowerContext, type StepBinding, workgroupSize } from './program.js';

/** Emits the step that copies piece `index` or clears its place; `piece` is bound before or after the whole, as it is read or written. */
function pieceStep(
  context: LowerContext,
  { rows, lengths, pitch }: Rows,
  index: number,
  kernel: 'concat' | 'split',
  whole: BufferIndex,
  piece: BufferIndex | undefined,
): void {
  const start = lengths.slice(0, index).reduce((sum, length) => sum + length, 0);
  const length = lengths[index];
  const width = [start, length, pitch].every((size) => size % 4 === 0) ? 4 : 1;
  const toWhole = kernel === 'concat' || piece === undefined;
  const bindings: StepBinding[] = [{ buffer: whole, access: toWhole ? 'write' : 'read', unitBytes: pitch * 4 }];
  if (piece !== undefined) {
    const binding: StepBinding = { buffer: piece, access: toWhole ? 'read' : 'write', unitBytes: length * 4 };
    if (toWhole) bindings.unshift(binding);
    else bindings.push(binding);
  }
  context.step({
    kernel,
    constants: {
      Element: width === 4 ? 'vec4<f32>' : 'f32',
      ...(kernel === 'split' ? { ZERO: piece === undefined } : {}),
    },
    units: rows,
    bindings,
    params: (units) => [(units * length) / width, length / width, pitch / width, start / width],
    workgroups: (units) => grid(Math.ceil((units * length) / width / workgroupSize), context.limits),
  });
}

export function lowerConcat(context: LowerContext): void {
  const { inputs, outputs, attributes } = context.node;
  const { axis } = attributes as ConcatAttributes;
  const sizes = inputs.map((id) => context.shape(id)[axis]);
  const rows = rowsOf(context.shape(outputs[0]), axis, sizes);
  for (const i of inputs.keys()) pieceStep(context, rows, i, 'concat', context.output(0), context.input(i));
}

export function lowerSplit(context: LowerContext): void {
  const { inputs, outputs, attributes } = context.node;
  const { axis, sizes } = attributes as SplitAttributes;
  const rows = rowsOf(context.shape(inputs[0]), axis, sizes);
  for (const i of outputs.keys()) pieceStep(context, rows, i, 'split', context.input(0), context.output(i));
}

export function lowerSplitGradient(context: LowerContext): void {
  const { outputs, attributes } = context.node;
  const { axis, sizes, present } = attributes as SplitGradientAttributes;
  const rows = rowsOf(context.shape(outputs[0]), axis, sizes);
  let next = 0;
  for (const i of sizes.keys()) {
    if (present[i]) pieceStep(context, rows, i, 'concat', context.output(0), context.input(next++));
    else pieceStep(context, rows, i, 'split', context.output(0), undefined);
  }
}
