/** All case tables. */
import { ArgumentError } from '../errors.js';
import type { Case } from './case.js';
import { cases as add } from './cases/add.js';
import { cases as conv2d } from './cases/conv2d.js';
import { cases as crossEntropy } from './cases/crossEntropy.js';
import { cases as dropout } from './cases/dropout.js';
import { cases as linear } from './cases/linear.js';
import { cases as lrn } from './cases/lrn.js';
import { cases as maxPool } from './cases/maxPool.js';
import { cases as relu } from './cases/relu.js';
import { cases as reshape } from './cases/reshape.js';
import { cases as sgd } from './cases/sgd.js';
import { cases as softmax } from './cases/softmax.js';

export const allCases: readonly Case[] = [
  ...conv2d,
  ...linear,
  ...lrn,
  ...maxPool,
  ...relu,
  ...dropout,
  ...softmax,
  ...crossEntropy,
  ...reshape,
  ...add,
  ...sgd,
];

/**
 * The cases of one op (by name), or of all, and of them the quick ones if asked.
 *
 * @throws ArgumentError for an op that has no cases
 */
export function selectCases(options: { readonly op?: string; readonly quick?: boolean } = {}): readonly Case[] {
  const { op, quick = false } = options;
  const ops = [...new Set(allCases.map((one) => one.op.name))];
  if (op !== undefined && !ops.includes(op)) {
    throw new ArgumentError(`op must be one of ${ops.join(', ')}, got '${op}'`);
  }
  return allCases.filter((one) => (op === undefined || one.op.name === op) && (one.quick || !quick));
}
