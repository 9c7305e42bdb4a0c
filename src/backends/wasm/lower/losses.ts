/** Lowering of the losses and of what their gradients are made of. */
import { countOf, type LowerContext } from './program.js';

/** Inputs, output, and the sizes of the matrix at input `matrix`. */
function lowerRows(context: LowerContext, kernel: string, matrix: number): void {
  const { node } = context;
  context.step(kernel, [
    ...node.inputs.map((_, i) => context.input(i)),
    context.output(0),
    ...context.shape(node.inputs[matrix]),
  ]);
}

/** Whether the target holds probabilities; class indices are integers. */
function hasProbabilities(context: LowerContext, target: number): boolean {
  return context.dtype(context.node.inputs[target]) === 'f32';
}

export function lowerCrossEntropy(context: LowerContext): void {
  lowerRows(context, hasProbabilities(context, 1) ? 'crossEntropyProbabilities' : 'crossEntropy', 0);
}

export function lowerCrossEntropyGradient(context: LowerContext): void {
  lowerRows(context, hasProbabilities(context, 2) ? 'crossEntropyProbabilitiesGradient' : 'crossEntropyGradient', 1);
}

export function lowerMeanSquaredError(context: LowerContext): void {
  const { node } = context;
  const last = node.inputs.length - 1;
  context.step(node.op.name, [
    ...node.inputs.map((_, i) => context.input(i)),
    context.output(0),
    countOf(context, last),
  ]);
}
