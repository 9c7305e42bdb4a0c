/**
 * The tape: kernels and their arguments as words in memory, run by every thread in lock-step with a barrier after each
 * step. JavaScript is crossed once per run.
 *
 * A tape is the number of steps, then for each: the kernel, the number of bytes to the next step, the arguments.
 */
import { add } from '../add';
import { convolve, convolveBiasGradient, convolveWeightGradient } from '../conv2d';
import { crossEntropy, crossEntropyGradient } from '../crossEntropy';
import { dropout } from '../dropout';
import {
  linearBiasGradient, linearDataGradientPanels, linearDataGradientRows, linearPanels, linearRows, linearWeightGradient,
} from '../linear';
import { lrn, lrnGradient } from '../lrn';
import { maxPool, maxPoolGradient } from '../maxPool';
import { relu, reluGradient } from '../relu';
import { sgd } from '../sgd';
import { softmax, softmaxGradient } from '../softmax';
import { barrier } from './barrier';
import { packPanels, packTiles, packWeights } from './pack';

declare function now(): f64;

/** Read by the lowering under these names, through the module's exports. */
export enum Kernel {
  packWeights,
  packPanels,
  packTiles,
  convolve,
  convolveWeightGradient,
  convolveBiasGradient,
  linearRows,
  linearPanels,
  linearDataGradientRows,
  linearDataGradientPanels,
  linearWeightGradient,
  linearBiasGradient,
  relu,
  reluGradient,
  lrn,
  lrnGradient,
  maxPool,
  maxPoolGradient,
  dropout,
  softmax,
  softmaxGradient,
  crossEntropy,
  crossEntropyGradient,
  sgd,
  add,
}

function call(kernel: i32, args: usize, thread: i32, threads: i32): void {
  switch (kernel) {
    case Kernel.packWeights: packWeights(args, thread, threads); break;
    case Kernel.packPanels: packPanels(args, thread, threads); break;
    case Kernel.packTiles: packTiles(args, thread, threads); break;
    case Kernel.convolve: convolve(args, thread, threads); break;
    case Kernel.convolveWeightGradient: convolveWeightGradient(args, thread, threads); break;
    case Kernel.convolveBiasGradient: convolveBiasGradient(args, thread, threads); break;
    case Kernel.linearRows: linearRows(args, thread, threads); break;
    case Kernel.linearPanels: linearPanels(args, thread, threads); break;
    case Kernel.linearDataGradientRows: linearDataGradientRows(args, thread, threads); break;
    case Kernel.linearDataGradientPanels: linearDataGradientPanels(args, thread, threads); break;
    case Kernel.linearWeightGradient: linearWeightGradient(args, thread, threads); break;
    case Kernel.linearBiasGradient: linearBiasGradient(args, thread, threads); break;
    case Kernel.relu: relu(args, thread, threads); break;
    case Kernel.reluGradient: reluGradient(args, thread, threads); break;
    case Kernel.lrn: lrn(args, thread, threads); break;
    case Kernel.lrnGradient: lrnGradient(args, thread, threads); break;
    case Kernel.maxPool: maxPool(args, thread, threads); break;
    case Kernel.maxPoolGradient: maxPoolGradient(args, thread, threads); break;
    case Kernel.dropout: dropout(args, thread, threads); break;
    case Kernel.softmax: softmax(args, thread, threads); break;
    case Kernel.softmaxGradient: softmaxGradient(args, thread, threads); break;
    case Kernel.crossEntropy: crossEntropy(args, thread, threads); break;
    case Kernel.crossEntropyGradient: crossEntropyGradient(args, thread, threads); break;
    case Kernel.sgd: sgd(args, thread, threads); break;
    case Kernel.add: add(args, thread, threads); break;
    default: unreachable();
  }
}

/**
 * Runs a tape as thread `thread` of `threads`. Returns 0, or the error word of the barrier (see `barrier`). With `times` (the
 * address of one float64 more than there are steps, or 0), thread 0 notes the clock before the first step and after each.
 */
export function run(tape: usize, control: usize, thread: i32, threads: i32, times: usize): i32 {
  const steps = load<i32>(tape);
  const timed = times != 0 && thread == 0;
  let step = tape + 4;
  if (timed) store<f64>(times, now());
  for (let i = 0; i < steps; i++) {
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
