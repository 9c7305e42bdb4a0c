/** All ops by name. */
import { GraphError } from '../errors.js';
import { accumulate } from './accumulate.js';
import { adam } from './adam.js';
import { adaptiveAvgPool, adaptiveAvgPoolGradient } from './adaptiveAvgPool.js';
import { add } from './add.js';
import { augment } from './augment.js';
import { avgPool, avgPoolGradient } from './avgPool.js';
import { batchNorm, batchNormDataGradient, batchNormScaleGradient } from './batchNorm.js';
import { clip, clipGradient } from './clip.js';
import { concat } from './concat.js';
import { conv2d, conv2dBiasGradient, conv2dDataGradient, conv2dWeightGradient } from './conv2d.js';
import { convTranspose2d } from './convTranspose2d.js';
import { crossEntropy, crossEntropyGradient, crossEntropyTargetGradient } from './crossEntropy.js';
import type { Op } from './define.js';
import { dropout } from './dropout.js';
import { leakyRelu, leakyReluGradient } from './leakyRelu.js';
import { linear, linearBiasGradient, linearDataGradient, linearSgd, linearWeightGradient } from './linear.js';
import { local2d, local2dBiasGradient, local2dDataGradient, local2dWeightGradient } from './local2d.js';
import { logSoftmax, logSoftmaxGradient } from './logSoftmax.js';
import { lrn, lrnGradient } from './lrn.js';
import { lrnWithin, lrnWithinGradient } from './lrnWithin.js';
import { matMul } from './matMul.js';
import { maxPool, maxPoolGradient } from './maxPool.js';
import { meanSquaredError, meanSquaredErrorGradient } from './meanSquaredError.js';
import { relu, reluGradient } from './relu.js';
import { reshape } from './reshape.js';
import { scale } from './scale.js';
import { sgd } from './sgd.js';
import { sigmoid, sigmoidGradient } from './sigmoid.js';
import { softmax, softmaxGradient } from './softmax.js';
import { split, splitGradient } from './split.js';
import { tanh, tanhGradient } from './tanh.js';

const all: readonly Op[] = [
  accumulate,
  add,
  augment,
  adaptiveAvgPool,
  adaptiveAvgPoolGradient,
  avgPool,
  avgPoolGradient,
  conv2d,
  conv2dDataGradient,
  conv2dWeightGradient,
  conv2dBiasGradient,
  convTranspose2d,
  crossEntropy,
  crossEntropyGradient,
  crossEntropyTargetGradient,
  dropout,
  linear,
  linearDataGradient,
  linearWeightGradient,
  linearBiasGradient,
  linearSgd,
  local2d,
  local2dDataGradient,
  local2dWeightGradient,
  local2dBiasGradient,
  lrn,
  lrnGradient,
  lrnWithin,
  lrnWithinGradient,
  matMul,
  maxPool,
  maxPoolGradient,
  relu,
  reluGradient,
  reshape,
  sgd,
  softmax,
  softmaxGradient,
  adam,
  batchNorm,
  batchNormDataGradient,
  batchNormScaleGradient,
  clip,
  clipGradient,
  concat,
  leakyRelu,
  leakyReluGradient,
  logSoftmax,
  logSoftmaxGradient,
  meanSquaredError,
  meanSquaredErrorGradient,
  scale,
  sigmoid,
  sigmoidGradient,
  split,
  splitGradient,
  tanh,
  tanhGradient,
];

export const ops: ReadonlyMap<string, Op> = new Map(all.map((op) => [op.name, op]));

/** The op of that name, or a GraphError that lists the names there are. */
export function findOp(name: string): Op {
  const op = ops.get(name);
  if (!op) throw new GraphError(`there is no op '${name}'; the ops are ${[...ops.keys()].join(', ')}`);
  return op;
}
