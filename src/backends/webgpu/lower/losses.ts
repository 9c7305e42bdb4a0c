/** Softmax and the losses: a workgroup for each row, or for each block of elements, and a tree over its invocations. */
import { hasProbabilities } from '../../../ops/crossEntropy.js';
import { elements } from '../../../ops/define.js';
import type { Constants } from '../source.js';
import { blockStep } from './elementwise.js';
import {
  type BufferIndex,
  float,
  grid,
  type LowerContext,
  type LowerRule,
  type Step,
  type Word,
  workgroupSize,
} from './program.js';

/** A rule that adds up across the adapter's subgroups, or by a tree. */
type Reduction = (subgroups: boolean) => LowerRule;

/** Invocations for a row: a power of two, with four elements or so for each. */
function lanesOf(classes: number): number {
  return Math.min(workgroupSize, Math.max(32, 2 ** Math.ceil(Math.log2(classes / 4))));
}

/**
 * A kernel over the rows of the matrix at input `matrix`: all inputs, then `output`. Tensors of other sizes are bound whole, but for those
 * with one element a row. Units: rows.
 */
function rowStep(
  context: LowerContext,
  kernel: string,
  matrix: number,
  output: BufferIndex,
  outputBytes: number,
  constants: Constants,
  words: readonly Word[] = [],
): Step {
  const { node, limits } = context;
  const [rows, classes] = context.shape(node.inputs[matrix]);
  const rowBytes = (id: number, i: number): number => {
    if (i < matrix) return 0;
    return (elements(context.shape(id)) / rows) * 4;
  };
  return {
    kernel,
    constants: { LANES: lanesOf(classes), ...constants },
    units: rows,
    bindings: [
      ...node.inputs.map((id, i) => ({
        buffer: context.input(i),
        access: 'read' as const,
        unitBytes: rowBytes(id, i),
      })),
      { buffer: output, access: 'write', unitBytes: outputBytes },
    ],
    params: (units) => [units, classes, ...words],
    workgroups: (units) => grid(units, limits),
  };
}

/** The mean of `count` numbers into the output, from sums of some of them. */
function meanStep(
  context: LowerContext,
  partial: BufferIndex,
  partials: number,
  count: number,
  subgroups: boolean,
): void {
  context.preparation({
    kernel: 'mean',
    constants: { LANES: workgroupSize, SUBGROUPS: subgroups },
    units: 1,
    bindings: [
      { buffer: partial, access: 'read', unitBytes: 0 },
      { buffer: context.output(0), access: 'write', unitBytes: 0 },
    ],
    params: () => [partials, float(count)],
    workgroups: () => [1, 1, 1],
  });
}

/** Softmax, its logarithm, and their gradients. */
export function lowerSoftmax(kernel: 'softmax' | 'logSoftmax', gradient: boolean): Reduction {
  return (subgroups) => (context) => {
    const [, classes] = context.shape(context.node.outputs[0]);
    const constants = { GRADIENT: gradient, SUBGROUPS: subgroups };
    context.step(rowStep(context, kernel, 0, context.output(0), classes * 4, constants));
  };
}

export const lowerCrossEntropy: Reduction = (subgroups) => (context) => {
  const { inputs } = context.node;
  const [rows] = context.shape(inputs[0]);
  const terms = context.temporary('terms', rows * 4);
  const constants = { PROBABILITIES: hasProbabilities(typeOf(context, inputs[1])), SUBGROUPS: subgroups };
  context.step(rowStep(context, 'crossEntropy', 0, terms, 4, constants));
  meanStep(context, terms, rows, rows, subgroups);
};

/** For the logits, or with `target` for the probabilities. */
export function lowerCrossEntropyGradient(target: boolean): Reduction {
  return (subgroups) => (context) => {
    const { inputs } = context.node;
    const [rows, classes] = context.shape(inputs[1]);
    const probabilities = !target && hasProbabilities(typeOf(context, inputs[2]));
    const constants = { TARGET: target, PROBABILITIES: probabilities, SUBGROUPS: subgroups };
    context.step(rowStep(context, 'crossEntropyGradient', 1, context.output(0), classes * 4, constants, [float(rows)]));
  };
}

function typeOf(context: LowerContext, id: number) {
  return { dtype: context.dtype(id), shape: context.shape(id) };
}

/** Elements that a workgroup adds up: kernels/meanSquaredError.wgsl. */
const blockElements = 4 * workgroupSize;

export const lowerMeanSquaredError: Reduction = (subgroups) => (context) => {
  const { node, limits } = context;
  const count = elements(context.shape(node.inputs[0]));
  const blocks = Math.ceil(count / blockElements);
  const partial = context.temporary('partial', blocks * 4);
  context.step({
    kernel: 'meanSquaredError',
    constants: { GRADIENT: false, LANES: workgroupSize, SUBGROUPS: subgroups },
    units: blocks,
    bindings: [
      { buffer: context.input(0), access: 'read', unitBytes: blockElements * 4 },
      { buffer: context.input(1), access: 'read', unitBytes: blockElements * 4 },
      { buffer: partial, access: 'write', unitBytes: 4 },
    ],
    params: (units, first) => [units, Math.min(count - first * blockElements, units * blockElements)],
    workgroups: (units) => grid(units, limits),
  });
  meanStep(context, partial, blocks, count, subgroups);
};

export function lowerMeanSquaredErrorGradient(context: LowerContext): void {
  const count = elements(context.shape(context.node.outputs[0]));
  const bindings = [
    { buffer: context.input(0), access: 'read', whole: true },
    { buffer: context.input(1), access: 'read' },
    { buffer: context.input(2), access: 'read' },
    { buffer: context.output(0), access: 'write' },
  ] as const;
  context.step(blockStep(context, count, 'meanSquaredError', bindings, { GRADIENT: true }, [float(count)]));
}
