import { type MatMulAttributes, matMul } from '../../ops/matMul.js';
import { type Case, type CaseInput, makeCase, tensor, variable, withIntegers } from '../case.js';

/** A [M, K] times B [K, N], given as they are or transposed. */
function product(m: number, k: number, n: number, given: Partial<MatMulAttributes> = {}, label?: string): Case {
  const inputs = [given.transposeA ? tensor(k, m) : tensor(m, k), given.transposeB ? tensor(n, k) : tensor(k, n)];
  return makeCase(matMul, inputs, given, { label });
}

const ways: readonly Partial<MatMulAttributes>[] = [
  {},
  { transposeA: true },
  { transposeB: true },
  { transposeA: true, transposeB: true },
];

/** Every remainder of rows, of sums and of columns, in turn each way round. */
const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);
const rows = range(9).map((m) => product(m, 7, 10, ways[m % 4]));
const sums = range(10).map((k) => product(6, k, 9, ways[k % 4]));
const columns = range(17).map((n) => product(5, 6, n, ways[n % 4]));

/** More than one block of each loop. */
const blocks = ways.flatMap((way) => [
  product(13, 530, 21, way),
  product(140, 9, 19, way),
  product(11, 10, 150, way),
  product(133, 260, 141, way),
]);

/** More than 64 rows and columns, in so short a time as to be quick. */
const wide = product(66, 67, 70, { transposeB: true });

/** AlexNet's last layer as a product, and its weight gradient. */
const alexnet = [
  product(16, 4096, 1000, { transposeB: true }, 'fc8'),
  product(1000, 16, 4096, { transposeA: true }, 'fc8, weight gradient'),
];

const square = (...inputs: CaseInput[]): Case =>
  makeCase(matMul, inputs, { transposeA: true }, { label: 'a as a variable' });

export const cases: readonly Case[] = [
  ...withIntegers([...rows, ...sums, ...columns, ...blocks, wide, ...alexnet, square(variable(9, 7), tensor(9, 11))]),
  ...ways.map((way) => makeCase(matMul, [tensor(9, 9), tensor(9, 9)], way, { data: 'nonFinite' })),
];
