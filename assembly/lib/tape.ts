/**
 * The tape: kernels and their arguments as words in memory, run by all threads together, which take shares of a step as they are
 * free and meet at a barrier after it. JavaScript is crossed once per run.
 *
 * A tape is the number of steps, then for each: the kernel, the number of bytes to the next step, the arguments.
 */
import { accumulate } from '../accumulate';
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
  linearBiasGradient, linearDataGradient, linearPanels, linearRows, linearSgd, linearWeightGradient,
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
import { becomeThread } from './args';
import { barrier, takeShare } from './barrier';
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
  linearSgd,
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
  accumulate,
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

function call(kernel: i32, args: usize, share: i32, shares: i32): void {
  switch (kernel) {
    case Kernel.drawInitial: drawInitial(args, share, shares); break;
    case Kernel.packWeights: packWeights(args, share, shares); break;
    case Kernel.packPanels: packPanels(args, share, shares); break;
    case Kernel.packRowPanels: packRowPanels(args, share, shares); break;
    case Kernel.convolve: convolve(args, share, shares); break;
    case Kernel.convolveWeightGradient: convolveWeightGradient(args, share, shares); break;
    case Kernel.convolveBiasGradient: convolveBiasGradient(args, share, shares); break;
    case Kernel.winogradFilter: winogradFilter(args, share, shares); break;
    case Kernel.winogradFilterGradient: winogradFilterGradient(args, share, shares); break;
    case Kernel.winogradInput: winogradInput(args, share, shares); break;
    case Kernel.winogradMultiply: winogradMultiply(args, share, shares); break;
    case Kernel.winogradOutput: winogradOutput(args, share, shares); break;
    case Kernel.winogradGradientInput: winogradGradientInput(args, share, shares); break;
    case Kernel.winogradGradientOutput: winogradGradientOutput(args, share, shares); break;
    case Kernel.winogradWeightGradient: winogradWeightGradient(args, share, shares); break;
    case Kernel.convTranspose2d: convTranspose2d(args, share, shares); break;
    case Kernel.linearRows: linearRows(args, share, shares); break;
    case Kernel.linearPanels: linearPanels(args, share, shares); break;
    case Kernel.linearDataGradient: linearDataGradient(args, share, shares); break;
    case Kernel.linearWeightGradient: linearWeightGradient(args, share, shares); break;
    case Kernel.linearBiasGradient: linearBiasGradient(args, share, shares); break;
    case Kernel.linearSgd: linearSgd(args, share, shares); break;
    case Kernel.linearInt16Rows: linearInt16Rows(args, share, shares); break;
    case Kernel.linearInt16Panels: linearInt16Panels(args, share, shares); break;
    case Kernel.relu: relu(args, share, shares); break;
    case Kernel.reluGradient: reluGradient(args, share, shares); break;
    case Kernel.local2d: local2d(args, share, shares); break;
    case Kernel.local2dDataGradient: local2dDataGradient(args, share, shares); break;
    case Kernel.local2dWeightGradient: local2dWeightGradient(args, share, shares); break;
    case Kernel.lrn: lrn(args, share, shares); break;
    case Kernel.lrnGradient: lrnGradient(args, share, shares); break;
    case Kernel.lrnWithin: lrnWithin(args, share, shares); break;
    case Kernel.lrnWithinGradient: lrnWithinGradient(args, share, shares); break;
    case Kernel.avgPool: avgPool(args, share, shares); break;
    case Kernel.avgPoolGradient: avgPoolGradient(args, share, shares); break;
    case Kernel.adaptiveAvgPool: adaptiveAvgPool(args, share, shares); break;
    case Kernel.adaptiveAvgPoolGradient: adaptiveAvgPoolGradient(args, share, shares); break;
    case Kernel.matMul: matMul(args, share, shares); break;
    case Kernel.maxPool: maxPool(args, share, shares); break;
    case Kernel.maxPoolGradient: maxPoolGradient(args, share, shares); break;
    case Kernel.maxPoolGradientAll: maxPoolGradientAll(args, share, shares); break;
    case Kernel.dropout: dropout(args, share, shares); break;
    case Kernel.softmax: softmax(args, share, shares); break;
    case Kernel.softmaxGradient: softmaxGradient(args, share, shares); break;
    case Kernel.crossEntropy: crossEntropy(args, share, shares); break;
    case Kernel.crossEntropyGradient: crossEntropyGradient(args, share, shares); break;
    case Kernel.sgd: sgd(args, share, shares); break;
    case Kernel.accumulate: accumulate(args, share, shares); break;
    case Kernel.add: add(args, share, shares); break;
    case Kernel.augment: augment(args, share, shares); break;
    case Kernel.tanh: tanh(args, share, shares); break;
    case Kernel.tanhGradient: tanhGradient(args, share, shares); break;
    case Kernel.sigmoid: sigmoid(args, share, shares); break;
    case Kernel.sigmoidGradient: sigmoidGradient(args, share, shares); break;
    case Kernel.leakyRelu: leakyRelu(args, share, shares); break;
    case Kernel.leakyReluGradient: leakyReluGradient(args, share, shares); break;
    case Kernel.clip: clip(args, share, shares); break;
    case Kernel.clipGradient: clipGradient(args, share, shares); break;
    case Kernel.scale: scale(args, share, shares); break;
    case Kernel.concat: concat(args, share, shares); break;
    case Kernel.split: split(args, share, shares); break;
    case Kernel.splitGradient: splitGradient(args, share, shares); break;
    case Kernel.logSoftmax: logSoftmax(args, share, shares); break;
    case Kernel.logSoftmaxGradient: logSoftmaxGradient(args, share, shares); break;
    case Kernel.crossEntropyProbabilities: crossEntropyProbabilities(args, share, shares); break;
    case Kernel.crossEntropyProbabilitiesGradient: crossEntropyProbabilitiesGradient(args, share, shares); break;
    case Kernel.crossEntropyTargetGradient: crossEntropyTargetGradient(args, share, shares); break;
    case Kernel.meanSquaredError: meanSquaredError(args, share, shares); break;
    case Kernel.meanSquaredErrorGradient: meanSquaredErrorGradient(args, share, shares); break;
    case Kernel.adam: adam(args, share, shares); break;
    case Kernel.batchNorm: batchNorm(args, share, shares); break;
    case Kernel.batchNormDataGradient: batchNormDataGradient(args, share, shares); break;
    case Kernel.batchNormScaleGradient: batchNormScaleGradient(args, share, shares); break;
    default: unreachable();
  }
}

/**
 * Gives out a step in shares: cores differ in speed, and the one ahead takes more. Half of the step goes in large shares, the rest
 * in smaller and smaller ones, so that all are done at about the same time.
 */
function shareOut(kernel: i32, args: usize, control: usize, threads: i32): void {
  const large = 2 * threads;
  const medium = 5 * threads;
  const all = 9 * threads;
  for (let taken = takeShare(control); taken < all; taken = takeShare(control)) {
    if (taken < large) call(kernel, args, taken, 4 * threads);
    else if (taken < medium) call(kernel, args, taken + 2 * threads, 8 * threads);
    else call(kernel, args, taken + 23 * threads, 32 * threads);
  }
}

/**
 * All threads meet, and with `moment` (where to note the clock, or 0) go on only when thread 0 has noted it: were it the last to
 * be given a core, the others would have done the next step before that step's time began. Returns 0, or the error word.
 */
function meet(control: usize, thread: i32, threads: i32, moment: usize): i32 {
  if (threads > 1) {
    const error = barrier(control, threads);
    if (error || !moment) return error;
  }
  if (moment && thread == 0) store<f64>(moment, now());
  return threads > 1 ? barrier(control, threads) : 0;
}

/**
 * Runs a tape as thread `thread` of `threads`. Returns 0, or the error word of the barrier (see `barrier`). With `times` (the
 * address of 3 float64 for each step and one more, or 0), thread 0 notes the clock before the first step and after each, then
 * for each step the milliseconds and multiply-adds of the products inside its kernel.
 */
export function run(tape: usize, control: usize, thread: i32, threads: i32, times: usize): i32 {
  becomeThread(thread);
  const steps = load<i32>(tape);
  const products = times && thread == 0 ? times + (<usize>(steps + 1) << 3) : 0;
  let step = tape + 4;
  let moment = times;
  if (moment) {
    const error = meet(control, thread, threads, moment);
    if (error) return error;
  }
  for (let i = 0; i < steps; i++) {
    sumProducts(products ? products + <usize>i * productBytes : 0);
    if (threads == 1) call(load<i32>(step), step + 8, 0, 1);
    else shareOut(load<i32>(step), step + 8, control, threads);
    if (times) moment += 8;
    const error = meet(control, thread, threads, moment);
    if (error) return error;
    step += load<usize>(step, 4);
  }
  return 0;
}
