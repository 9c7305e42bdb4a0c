/** Ops that do one thing to each element: four elements an invocation, in blocks that can be cut anywhere. */
import type { Node } from '../../../graph/graph.js';
import { elements } from '../../../ops/define.js';
import type { Constants } from '../source.js';
import {
  type BufferIndex,
  grid,
  type LowerContext,
  type LowerRule,
  type Step,
  type Word,
  workgroupSize,
} from './program.js';

/** Elements of a unit of work: 256 bytes of float32, so that cuts are aligned. */
const unitElements = 64;

/** A buffer of as many float32 as the step has elements, or one that every block sees whole. */
export interface BlockBinding {
  readonly buffer: BufferIndex;
  readonly access: 'read' | 'write';
  readonly whole?: boolean;
}

/** A step over `count` elements in blocks; the kernel's parameters are the number of vectors, then `words`. */
export function blockStep(
  { limits }: LowerContext,
  count: number,
  kernel: string,
  bindings: readonly BlockBinding[],
  constants: Constants = {},
  words: readonly Word[] = [],
): Step {
  const vectors = (units: number, first: number): number =>
    Math.ceil(Math.min(count - first * unitElements, units * unitElements) / 4);
  return {
    kernel,
    constants,
    units: Math.ceil(count / unitElements),
    bindings: bindings.map(({ buffer, access, whole }) => ({
      buffer,
      access,
      unitBytes: whole ? 0 : unitElements * 4,
    })),
    params: (units, first) => [vectors(units, first), ...words],
    workgroups: (units) => grid(Math.ceil((units * unitElements) / 4 / workgroupSize), limits),
  };
}

/** An op all of whose inputs and outputs have as many float32 as the first output: it binds the inputs, then the outputs. */
export function elementwise(
  kernel: string,
  constants: Constants = {},
  words: (node: Node) => readonly Word[] = () => [],
): LowerRule {
  return (context) => {
    const { node } = context;
    const bindings: BlockBinding[] = [
      ...node.inputs.map((_, i) => ({ buffer: context.input(i), access: 'read' as const })),
      ...node.outputs.map((_, i) => ({ buffer: context.output(i), access: 'write' as const })),
    ];
    const count = elements(context.shape(node.outputs[0]));
    context.step(blockStep(context, count, kernel, bindings, constants, words(node)));
  };
}
