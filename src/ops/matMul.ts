/**
 * Product of two matrices, each of which may lie transposed:
 *
 *   C[m, n] = Σ_k A[m, k] · B[k, n]
 *
 * with A given as [M, K], or as [K, M] under `transposeA`, and B as [K, N], or as [N, K] under `transposeB`. Both gradients are products
 * of the same kind.
 */
import { GraphError } from '../errors.js';
import { bytesTouched, defineOp, expectInputs, expectRank, f32, formatShape, type Op } from './define.js';
import { Sums } from './lib/sums.js';

export type MatMulAttributes = {
  readonly transposeA: boolean;
  readonly transposeB: boolean;
};

/** Rows of C, length of its sums, columns of C. */
export interface MatMulSizes {
  readonly rows: number;
  readonly depth: number;
  readonly columns: number;
}

/** Sizes from the shapes of both operands; throws a GraphError when they do not fit. */
export function matMulSizes(given: MatMulAttributes, a: readonly number[], b: readonly number[]): MatMulSizes {
  const [rows, depth] = given.transposeA ? [a[1], a[0]] : a;
  const [depthOfB, columns] = given.transposeB ? [b[1], b[0]] : b;
  if (depth !== depthOfB) {
    const shown = (name: string, shape: readonly number[], transposed: boolean): string =>
      `${name} ${formatShape(shape)}${transposed ? ' transposed' : ''}`;
    throw new GraphError(
      `matMul: the columns of ${shown('a', a, given.transposeA)} and the rows of ${shown('b', b, given.transposeB)} must be ` +
        `equal, got ${depth} and ${depthOfB}`,
    );
  }
  return { rows, depth, columns };
}

function flag(name: string, value: boolean): boolean {
  if (typeof value !== 'boolean') throw new GraphError(`matMul: ${name} must be true or false, got ${value}`);
  return value;
}

/** a [M, K], b [K, N] → [M, N]. */
export const matMul: Op<MatMulAttributes> = defineOp<MatMulAttributes>({
  name: 'matMul',
  family: 'matMul',
  attributes: (given) => ({
    transposeA: flag('transposeA', given.transposeA ?? false),
    transposeB: flag('transposeB', given.transposeB ?? false),
  }),

  infer(given, inputs) {
    expectInputs('matMul', inputs, 2);
    const [a, b] = inputs;
    expectRank('matMul', 'a', a, 2);
    expectRank('matMul', 'b', b, 2);
    const { rows, columns } = matMulSizes(given, a.shape, b.shape);
    return [f32(rows, columns)];
  },

  /** M·N·K multiply-adds. */
  cost(given, inputs, outputs) {
    const { rows, depth, columns } = matMulSizes(given, inputs[0].shape, inputs[1].shape);
    const macs = rows * depth * columns;
    return { macs, flops: 2 * macs, bytes: bytesTouched(inputs, outputs) };
  },

  reference(given, [a, b]) {
    const { rows, depth, columns } = matMulSizes(given, a.shape, b.shape);
    const sums = new Sums(rows * columns);
    for (let m = 0; m < rows; m++) {
      for (let n = 0; n < columns; n++) {
        for (let k = 0; k < depth; k++) {
          const left = a.data[given.transposeA ? k * rows + m : m * depth + k];
          const right = b.data[given.transposeB ? n * depth + k : k * columns + n];
          sums.addProduct(m * columns + n, left * right);
        }
      }
    }
    return [sums.judged()];
  },

  /** With A and B as they enter the product: dA = dC·Bᵀ and dB = Aᵀ·dC, or the transpose of both sides where they lie transposed. */
  gradient({ attributes: { transposeA, transposeB }, inputs: [a, b], outputGradients: [dc], wanted, emit }) {
    if (!dc) return [undefined, undefined];
    const da = () =>
      transposeA
        ? emit(matMul, [b, dc], { transposeA: transposeB, transposeB: true })[0]
        : emit(matMul, [dc, b], { transposeA: false, transposeB: !transposeB })[0];
    const db = () =>
      transposeB
        ? emit(matMul, [dc, a], { transposeA: true, transposeB: transposeA })[0]
        : emit(matMul, [a, dc], { transposeA: !transposeA, transposeB: false })[0];
    return [wanted[0] ? da() : undefined, wanted[1] ? db() : undefined];
  },
});
