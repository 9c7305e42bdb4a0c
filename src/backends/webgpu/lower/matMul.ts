import { type MatMulAttributes, matMulSizes } from '../../../ops/matMul.js';
import { multiply } from './product.js';
import type { LowerContext } from './program.js';

export function lowerMatMul(context: LowerContext): void {
  const { node } = context;
  const given = node.attributes as MatMulAttributes;
  const [a, b] = node.inputs.map((id) => context.shape(id));
  multiply(context, {
    kernel: 'matMul',
    left: { buffer: context.input(0), transposed: given.transposeA, elementBytes: 4 },
    right: { buffer: context.input(1), transposed: given.transposeB, elementBytes: 4 },
    ...matMulSizes(given, a, b),
  });
}
