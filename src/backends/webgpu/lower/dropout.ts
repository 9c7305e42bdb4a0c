import { elements } from '../../../ops/define.js';
import { type DropoutAttributes, keepScale, keepThreshold } from '../../../ops/dropout.js';
import { float, grid, type LowerContext, workgroupSize } from './program.js';

/** Philox blocks of four elements that make a unit of work: 256 bytes of float32, so that cuts are aligned. */
const unitVectors = 16;

export function lowerDropout(context: LowerContext): void {
  const { node, limits } = context;
  const { probability, stream, scaleAt } = node.attributes as DropoutAttributes;
  const threshold = keepThreshold(probability);
  const vectors = Math.ceil(elements(context.shape(node.outputs[0])) / 4);
  const unitBytes = unitVectors * 16;
  context.step({
    kernel: 'dropout',
    units: Math.ceil(vectors / unitVectors),
    bindings: [
      { buffer: context.input(0), access: 'read', unitBytes },
      { buffer: context.input(1), access: 'read', unitBytes: 0 },
      { buffer: context.output(0), access: 'write', unitBytes },
    ],
    params: (units, first) => [
      Math.min(vectors - first * unitVectors, units * unitVectors),
      first * unitVectors,
      stream,
      threshold >>> 0,
      Number(threshold === 2 ** 32),
      float(keepScale(probability, scaleAt)),
    ],
    workgroups: (units) => grid(Math.ceil((units * unitVectors) / workgroupSize), limits),
  });
}
