/** All case tables. */
import { ArgumentError } from '../errors.js';
import type { Case } from './case.js';
import { cases as accumulate } from './cases/accumulate.js';
import { cases as adam } from './cases/adam.js';
import { cases as adaptiveAvgPool } from './cases/adaptiveAvgPool.js';
import { cases as add } from './cases/add.js';
import { cases as augment } from './cases/augment.js';
import { cases as avgPool } from './cases/avgPool.js';
import { cases as batchNorm } from './cases/batchNorm.js';
import { cases as clip } from './cases/clip.js';
import { cases as concat } from './cases/concat.js';
import { cases as conv2d } from './cases/conv2d.js';
import { cases as convTranspose2d } from './cases/convTranspose2d.js';
import { cases as crossEntropy } from './cases/crossEntropy.js';
import { cases as dropout } from './cases/dropout.js';
import { cases as leakyRelu } from './cases/leakyRelu.js';
import { cases as linear } from './cases/linear.js';
import { cases as local2d } from './cases/local2d.js';
import { cases as logSoftmax } from './cases/logSoftmax.js';
import { cases as lrn } from './cases/lrn.js';
import { cases as lrnWithin } from './cases/lrnWithin.js';
import { cases as matMul } from './cases/matMul.js';
import { cases as maxPool } from './cases/maxPool.js';
import { cases as meanSquaredError } from './cases/meanSquaredError.js';
import { cases as relu } from './cases/relu.js';
import { cases as reshape } from './cases/reshape.js';
import { cases as scale } from './cases/scale.js';
import { cases as sgd } from './cases/sgd.js';
import { cases as sigmoid } from './cases/sigmoid.js';
import { cases as softmax } from './cases/softmax.js';
import { cases as split } from './cases/split.js';
import { cases as tanh } from './cases/tanh.js';

export const allCases: readonly Case[] = [
  ...conv2d,
  ...convTranspose2d,
  ...linear,
  ...matMul,
  ...local2d,
  ...lrn,
  ...lrnWithin,
  ...maxPool,
  ...avgPool,
  ...adaptiveAvgPool,
  ...relu,
  ...dropout,
  ...softmax,
  ...crossEntropy,
  ...reshape,
  ...add,
  ...sgd,
  ...accumulate,
  ...augment,
  ...adam,
  ...batchNorm,
  ...clip,
  ...concat,
  ...leakyRelu,
  ...logSoftmax,
  ...meanSquaredError,
  ...scale,
  ...sigmoid,
  ...split,
  ...tanh,
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
