/** Ops that do one thing to each element: four elements an invocation, in blocks that can be cut anywhere. */
import { elements } from '../../../ops/define.js';
import type { Constants } from '../source.js';
import { grid, type LowerContext, type LowerRule, type Word, workgroupSize } from './program.js';

/** Elements of a unit of work: 256 bytes of float32, so that cuts are aligned. */
const unitElements = 64;

/**
 * Binds all inputs, then all outputs, each of as many float32 as the first output. The kernel's parameters are the number of vectors, then
 * `words`.
 */
export function elementwise(
  kernel: string,
  constants: Constants = {},
  words: (context: LowerContext) => readonly Word[] = () => [],
): LowerRule {
  return (context) => {
    const { node, limits } = context;
    const count = elements(context.shape(node.outputs[0]));
    const vectors = (units: number, first: number): number =>
      Math.ceil(Math.min(count - first * unitElements, units * unitElements) / 4);
    const unitBytes = unitElements * 4;
    context.step({
      kernel,
      constants,
      units: Math.ceil(count / unitElements),
      bindings: [
        ...node.inputs.map((_, i) => ({ buffer: context.input(i), access: 'read' as const, unitBytes })),
        ...node.outputs.map((_, i) => ({ buffer: context.output(i), access: 'write' as const, unitBytes })),
      ],
      params: (units, first) => [vectors(units, first), ...words(context)],
      workgroups: (units) => grid(Math.ceil((units * unitElements) / 4 / workgroupSize), limits),
    });
  };
}
