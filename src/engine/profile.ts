/** Where the time of a program goes: timings of plan steps, folded into layers. */
import type { RunResult } from '../backends/backend.js';
import type { Plan, PlanStep } from '../plan/plan.js';

/** Time and work of some steps of a plan. */
export interface StepsProfile {
  /** Op of the dearest step: 'conv2d', 'conv2dWeightGradient'. */
  readonly op: string;
  /** Algorithm of that step. */
  readonly algorithm: string;
  /** Median (or mean, where that was asked for) over the repeats of the whole time, packing included. */
  readonly ms: number;
  /** For the whole batch, by the direct-convolution count whatever the algorithm. */
  readonly macs: number;
  readonly flops: number;
  readonly bytes: number;
  /** The products of matrices inside, as one thread sees them: milliseconds, and multiply-adds that were really done. */
  readonly product?: { readonly ms: number; readonly multiplyAdds: number };
}

export interface LayerProfile extends StepsProfile {
  /** 'conv1' */
  readonly name: string;
  readonly phase: PlanStep['phase'];
  /** The same for each op of the layer in this phase. */
  readonly ops: readonly StepsProfile[];
}

export interface Profile {
  readonly mode: 'forward' | 'backward' | 'step';
  readonly batch: number;
  readonly repeats: number;
  readonly layers: readonly LayerProfile[];
  /** Sum of the layers' times. */
  readonly totalMs: number;
  /** Median time of a whole run as the caller sees it, copying in and out included ('backward': with its forward part). */
  readonly wallMs: number;
}

/** One figure for several repeats. 'mean' is for a clock coarser than what it times: rounded differences are right on average. */
export type Average = 'median' | 'mean';

/** What a timed run measured. */
export type StepTimes = Required<Pick<RunResult, 'timings'>> & Pick<RunResult, 'products'>;

/**
 * One row per layer and phase, in the order in which they first run.
 *
 * @param runs one for each repeat
 * @param phases the others are left out
 * @param average of the repeats
 */
export function foldLayers(
  plan: Plan,
  runs: readonly StepTimes[],
  phases: readonly PlanStep['phase'][] = ['forward', 'backward', 'update'],
  average: Average = 'median',
): LayerProfile[] {
  const over = average === 'mean' ? mean : median;
  const steps = [...plan.steps.keys()].filter((i) => phases.includes(plan.steps[i].phase));
  const rows = grouped(steps, (i) => `${plan.steps[i].phase} ${plan.steps[i].layer}`);
  return rows.map((row) => ({
    name: plan.steps[row[0]].layer,
    phase: plan.steps[row[0]].phase,
    ...foldSteps(plan, runs, row, over),
    ops: grouped(row, (i) => plan.steps[i].op).map((ofOp) => foldSteps(plan, runs, ofOp, over)),
  }));
}

function foldSteps(
  plan: Plan,
  runs: readonly StepTimes[],
  indices: readonly number[],
  over: (samples: readonly number[]) => number,
): StepsProfile {
  const steps = indices.map((i) => plan.steps[i]);
  const sum = (figure: (step: PlanStep) => number): number => steps.reduce((total, step) => total + figure(step), 0);
  const main = steps.reduce((dearest, step) => (step.flops > dearest.flops ? step : dearest));
  const ofRun = (perStep: Float64Array): number => indices.reduce((total, i) => total + perStep[i], 0);
  const products = runs.flatMap((run) => (run.products ? [run.products] : []));
  const product = {
    ms: over(products.map(({ ms }) => ofRun(ms))),
    multiplyAdds: median(products.map(({ multiplyAdds }) => ofRun(multiplyAdds))),
  };
  return {
    op: main.op,
    algorithm: main.algorithm,
    ms: over(runs.map(({ timings }) => ofRun(timings))),
    macs: sum((step) => step.macs),
    flops: sum((step) => step.flops),
    bytes: sum((step) => step.bytes),
    ...(product.ms > 0 ? { product } : {}),
  };
}

/** Items that have a key in common, in the order in which the keys are met. */
function grouped<T>(items: readonly T[], key: (item: T) => string): T[][] {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(key(item));
    if (group) group.push(item);
    else groups.set(key(item), [item]);
  }
  return [...groups.values()];
}

function mean(samples: readonly number[]): number {
  return samples.reduce((total, sample) => total + sample, 0) / samples.length;
}

export function median(samples: readonly number[]): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
