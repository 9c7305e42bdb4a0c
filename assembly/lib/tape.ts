/**
 * The tape: kernels and their arguments as words in memory, run by every thread in lock-step with a barrier after each
 * step. JavaScript is crossed once per run.
 *
 * A tape is the number of steps, then for each: the kernel, the number of bytes to the next step, the arguments.
 */
import { adaptiveAvgPool, adaptiveAvgPoolGradient } from '../adaptiveAvgPool';
import { adam } from '../adam';
import { add } from '../add';
import { augment } from '../augment';
import { avgPool, avgPoolGradient } from '../avgPool';
import { batchNorm, batchNormDataGradient, batchNormScaleGradient } from '../batchNorm';
import { clip, clipGradient } from '../clip';
import { concat } from '../concat';
import { convolve, convolveBiasGradient, convolveWeightGradient } from '../conv2d';
import {
  crossEntropy, crossEntropyGradient, crossEntropyProbabilities, crossEntropyProbabilitiesGradient, crossEntropyTargetGradient,
} from '../crossEntropy';
import { convTranspose2d } from '../convTranspose2d';
import { dropout } from '../dropout';
import { leakyRelu, leakyReluGradient } from '../leakyRelu';
import {
  linearBiasGradient, linearDataGradient, linearPanels, linearRows, linearWeightGradient,
} from '../linear';
import { linearInt16Panels, linearInt16Rows } from '../linearInt16';
import { local2d, local2dDataGradient, local2dWeightGradient } from '../local2d';
import { logSoftmax, logSoftmaxGradient } from '../logSoftmax';
import { lrn, lrnGradient } from '../lrn';
import { lrnWithin, lrnWithinGradient } from '../lrnWithin';
import { matMul } from '../matMul';
import { maxPool, maxPoolGradient, maxPoolGradientAll } from '../maxPool';
import { meanSquaredError, meanSquaredErrorGradient } from '../meanSquaredError';
import { relu, reluGradient } from '../relu';
import { scale } from '../scale';
import { sgd } from '../sgd';
import { sigmoid, sigmoidGradient } from '../sigmoid';
import { softmax, softmaxGradient } from '../softmax';
import { split, splitGradient } from '../split';
import { tanh, tanhGradient } from '../tanh';
import { barrier } from './barrier';
import { now } from './clock';
import { drawInitial } from './draw';
import { packPanels, packRowPanels, packWeights } from './pack';
import { productBytes, sumProducts } from './product';
import { winogradInput, winogradMultiply, winogradOutput } from './winograd';
import { winogradFilter, winogradFilterGradient } from './winogradFilter';
import { winogradGradientInput, winogradGradientOutput, winogradWeightGradient } from './winogradGradient';

/** Read by the lowering under these names, through the module's exports. */
export enum Kernel {
  drawInitial,
  packWeights,
  packPanels,
  packRowPanels,
  convolve,
  convolveWeightGradient,
  convolveBiasGradient,
  winogradFilter,
  winogradFilterGradient,
  winogradInput,
  winogradMultiply,
  winogradOutput,
  winogradGradientInput,
  winogradGradientOutput,
  winogradWeightGradient,
  convTranspose2d,
  linearRows,
  linearPanels,
  linearDataGradient,
  linearWeightGradient,
  linearBiasGradient,
  linearInt16Rows,
  linearInt16Panels,
  relu,
  reluGradient,
  local2d,
  local2dDataGradient,
  local2dWeightGradient,
  lrn,
  lrnGradient,
  lrnWithin,
  lrnWithinGradient,
  avgPool,
  avgPoolGradient,
  adaptiveAvgPool,
  adaptiveAvgPoolGradient,
  matMul,
  maxPool,
  maxPoolGradient,
  maxPoolGradientAll,
  dropout,
  softmax,
  softmaxGradient,
  crossEntropy,
  crossEntropyGradient,
  sgd,
  add,
  augment,
  tanh,
  tanhGradient,
  sigmoid,
  sigmoidGradient,
  leakyRelu,
  leakyReluGradient,
  clip,
  clipGradient,
  scale,
  concat,
  split,
  splitGradient,
  logSoftmax,
  logSoftmaxGradient,
  crossEntropyProbabilities,
  crossEntropyProbabilitiesGradient,
  crossEntropyTargetGradient,
  meanSquaredError,
  meanSquaredErrorGradient,
  adam,
  batchNorm,
  batchNormDataGradient,
  batchNormScaleGradient,
}

function call(kernel: i32, args: usize, thread: i32, threads: i32): void {
  switch (kernel) {
    case Kernel.drawInitial: drawInitial(args, thread, threads); break;
    case Kernel.packWeights: packWeights(args, thread, threads); break;
    case Kernel.packPanels: packPanels(args, thread, threads); break;
    case Kernel.packRowPanels: packRowPanels(args, thread, threads); break;
    case Kernel.convolve: convolve(args, thread, threads); break;
    case Kernel.convolveWeightGradient: convolveWeightGradient(args, thread, threads); break;
    case Kernel.convolveBiasGradient: convolveBiasGradient(args, thread, threads); break;
    case Kernel.winogradFilter: winogradFilter(args, thread, threads); break;
    case Kernel.winogradFilterGradient: winogradFilterGradient(args, thread, threads); break;
    case Kernel.winogradInput: winogradInput(args, thread, threads); break;
    case Kernel.winogradMultiply: winogradMultiply(args, thread, threads); break;
    case Kernel.winogradOutput: winogradOutput(args, thread, threads); break;
    case Kernel.winogradGradientInput: winogradGradientInput(args, thread, threads); break;
    case Kernel.winogradGradientOutput: winogradGradientOutput(args, thread, threads); break;
    case Kernel.winogradWeightGradient: winogradWeightGradient(args, thread, threads); break;
    case Kernel.convTranspose2d: convTranspose2d(args, thread, threads); break;
    case Kernel.linearRows: linearRows(args, thread, threads); break;
    case Kernel.linearPanels: linearPanels(args, thread, threads); break;
    case Kernel.linearDataGradient: linearDataGradient(args, thread, threads); break;
    case Kernel.linearWeightGradient: linearWeightGradient(args, thread, threads); break;
    case Kernel.linearBiasGradient: linearBiasGradient(args, thread, threads); break;
    case Kernel.linearInt16Rows: linearInt16Rows(args, thread, threads); break;
    case Kernel.linearInt16Panels: linearInt16Panels(args, thread, threads); break;
    case Kernel.relu: relu(args, thread, threads); break;
    case Kernel.reluGradient: reluGradient(args, thread, threads); break;
    case Kernel.local2d: local2d(args, thread, threads); break;
    case Kernel.local2dDataGradient: local2dDataGradient(args, thread, threads); break;
    case Kernel.local2dWeightGradient: local2dWeightGradient(args, thread, threads); break;
    case Kernel.lrn: lrn(args, thread, threads); break;
    case Kernel.lrnGradient: lrnGradient(args, thread, threads); break;
    case Kernel.lrnWithin: lrnWithin(args, thread, threads); break;
    case Kernel.lrnWithinGradient: lrnWithinGradient(args, thread, threads); break;
    case Kernel.avgPool: avgPool(args, thread, threads); break;
    case Kernel.avgPoolGradient: avgPoolGradient(args, thread, threads); break;
    case Kernel.adaptiveAvgPool: adaptiveAvgPool(args, thread, threads); break;
    case Kernel.adaptiveAvgPoolGradient: adaptiveAvgPoolGradient(args, thread, threads); break;
    case Kernel.matMul: matMul(args, thread, threads); break;
    case Kernel.maxPool: maxPool(args, thread, threads); break;
    case Kernel.maxPoolGradient: maxPoolGradient(args, thread, threads); break;
    case Kernel.maxPoolGradientAll: maxPoolGradientAll(args, thread, threads); break;
    case Kernel.dropout: dropout(args, thread, threads); break;
    case Kernel.softmax: softmax(args, thread, threads); break;
    case Kernel.softmaxGradient: softmaxGradient(args, thread, threads); break;
    case Kernel.crossEntropy: crossEntropy(args, thread, threads); break;
    case Kernel.crossEntropyGradient: crossEntropyGradient(args, thread, threads); break;
    case Kernel.sgd: sgd(args, thread, threads); break;
    case Kernel.add: add(args, thread, threads); break;
    case Kernel.augment: augment(args, thread, threads); break;
    case Kernel.tanh: tanh(args, thread, threads); break;
    case Kernel.tanhGradient: tanhGradient(args, thread, threads); break;
    case Kernel.sigmoid: sigmoid(args, thread, threads); break;
    case Kernel.sigmoidGradient: sigmoidGradient(args, thread, threads); break;
    case Kernel.leakyRelu: leakyRelu(args, thread, threads); break;
    case Kernel.leakyReluGradient: leakyReluGradient(args, thread, threads); break;
    case Kernel.clip: clip(args, thread, threads); break;
    case Kernel.clipGradient: clipGradient(args, thread, threads); break;
    case Kernel.scale: scale(args, thread, threads); break;
    case Kernel.concat: concat(args, thread, threads); break;
    case Kernel.split: split(args, thread, threads); break;
    case Kernel.splitGradient: splitGradient(args, thread, threads); break;
    case Kernel.logSoftmax: logSoftmax(args, thread, threads); break;
    case Kernel.logSoftmaxGradient: logSoftmaxGradient(args, thread, threads); break;
    case Kernel.crossEntropyProbabilities: crossEntropyProbabilities(args, thread, threads); break;
    case Kernel.crossEntropyProbabilitiesGradient: crossEntropyProbabilitiesGradient(args, thread, threads); break;
    case Kernel.crossEntropyTargetGradient: crossEntropyTargetGradient(args, thread, threads); break;
    case Kernel.meanSquaredError: meanSquaredError(args, thread, threads); break;
    case Kernel.meanSquaredErrorGradient: meanSquaredErrorGradient(args, thread, threads); break;
    case Kernel.adam: adam(args, thread, threads); break;
    case Kernel.batchNorm: batchNorm(args, thread, threads); break;
    case Kernel.batchNormDataGradient: batchNormDataGradient(args, thread, threads); break;
    case Kernel.batchNormScaleGradient: batchNormScaleGradient(args, thread, threads); break;
    default: unreachable();
  }
}

/**
 * Runs a tape as thread `thread` of `threads`. Returns 0, or the error word of the barrier (see `barrier`). With `times` (the
 * address of 3 float64 for each step and one more, or 0), thread 0 notes the clock before the first step and after each, then
 * for each step the milliseconds and multiply-adds of the products inside its kernel.
 */
export function run(tape: usize, control: usize, thread: i32, threads: i32, times: usize): i32 {
  const steps = load<i32>(tape);
  const timed = times != 0 && thread == 0;
  const products = times + (<usize>(steps + 1) << 3);
  let step = tape + 4;
  if (timed) store<f64>(times, now());
  for (let i = 0; i < steps; i++) {
    sumProducts(timed ? products + <usize>i * productBytes : 0);
    call(load<i32>(step), step + 8, thread, threads);
    if (threads > 1) {
      const error = barrier(control, threads);
      if (error) return error;
    }
    if (timed) store<f64>(times + (<usize>(i + 1) << 3), now());
    step += load<usize>(step, 4);
  }
  return 0;
}
