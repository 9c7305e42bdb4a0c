/** All ops by name. */
import { GraphError } from '../errors.js';
import { add } from './add.js';
import { conv2d, conv2dBiasGradient, conv2dDataGradient, conv2dWeightGradient } from './conv2d.js';
import { crossEntropy, crossEntropyGradient } from './crossEntropy.js';
import type { Op } from './define.js';
import { dropout } from './dropout.js';
import { linear, linearBiasGradient, linearDataGradient, linearWeightGradient } from './linear.js';
import { lrn, lrnGradient } from './lrn.js';
import { maxPool, maxPoolGradient } from './maxPool.js';
import { relu, reluGradient } from './relu.js';
import { reshape } from './reshape.js';
import { sgd } from './sgd.js';
import { softmax, softmaxGradient } from './softmax.js';

const all: readonly Op[] = [
  add,
  conv2d,
  conv2dDataGradient,
  conv2dWeightGradient,
  conv2dBiasGradient,
  crossEntropy,
  crossEntropyGradient,
  dropout,
  linear,
  linearDataGradient,
  linearWeightGradient,
  linearBiasGradient,
  lrn,
  lrnGradient,
  maxPool,
  maxPoolGradient,
  relu,
  reluGradient,
  reshape,
  sgd,
  softmax,
  softmaxGradient,
];

export const ops: ReadonlyMap<string, Op> = new Map(all.map((op) => [op.name, op]));

/** The op of that name, or a GraphError that lists the names there are. */
export function findOp(name: string): Op {
  const op = ops.get(name);
  if (!op) throw new GraphError(`there is no op '${name}'; the ops are ${[...ops.keys()].join(', ')}`);
  return op;
}
