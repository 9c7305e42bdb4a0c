/** Lowering of concat, split and their gradients: one step copies all pieces. */
import type { ConcatAttributes } from '../../../ops/concat.js';
import { rowsOf } from '../../../ops/lib/pieces.js';
import type { SplitAttributes, SplitGradientAttributes } from '../../../ops/split.js';
import type { LowerContext, Word } from './program.js';

function pieceWords(
  context: LowerContext,
  whole: number,
  axis: number,
  sizes: readonly number[],
  piece: (i: number) => Word,
): readonly Word[] {
  const { rows, lengths, pitch } = rowsOf(context.shape(whole), axis, sizes);
  return [rows, pitch, lengths.length, ...lengths.flatMap((length, i) => [piece(i), length])];
}

export function lowerConcat(context: LowerContext): void {
  const { inputs, outputs, attributes } = context.node;
  const { axis } = attributes as ConcatAttributes;
  const sizes = inputs.map((id) => context.shape(id)[axis]);
  const words = pieceWords(context, outputs[0], axis, sizes, (i) => context.input(i));
  context.step('concat', [context.output(0), ...words]);
}

export function lowerSplit(context: LowerContext): void {
  const { inputs, attributes } = context.node;
  const { axis, sizes } = attributes as SplitAttributes;
  const words = pieceWords(context, inputs[0], axis, sizes, (i) => context.output(i));
  context.step('split', [context.input(0), ...words]);
}

export function lowerSplitGradient(context: LowerContext): void {
  const { outputs, attributes } = context.node;
  const { axis, sizes, present } = attributes as SplitGradientAttributes;
  let next = 0;
  const words = pieceWords(context, outputs[0], axis, sizes, (i) => (present[i] ? context.input(next++) : 0));
  context.step('splitGradient', [context.output(0), ...words]);
}
