/** Where the time of a program goes: timings of plan steps, folded into layers. */
import type { Plan, PlanStep } from '../plan/plan.js';

export interface LayerProfile {
  /** 'conv1' */
  readonly name: string;
  /** Op of the layer's dearest step: 'conv2d', 'conv2dWeightGradient'. */
  readonly op: string;
  readonly phase: PlanStep['phase'];
  /** Algorithm of that step. */
  readonly algorithm: string;
  /** Median over the repeats of the layer's whole time, packing included. */
  readonly ms: number;
  /** For the whole batch, by the direct-convolution count whatever the algorithm. */
  readonly macs: number;
  readonly flops: number;
  readonly bytes: number;
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

/**
 * One row per layer and phase, in the order in which they first run.
 *
 * @param timings milliseconds per step of the plan, one array for each repeat
 * @param phases the others are left out
 */
export function foldLayers(
  plan: Plan,
  timings: readonly Float64Array[],
  phases: readonly PlanStep['phase'][] = ['forward', 'backward', 'update'],
): LayerProfile[] {
  const rows = new Map<string, number[]>();
  plan.steps.forEach(({ layer, phase }, i) => {
    if (!phases.includes(phase)) return;
    const key = `${phase} ${layer}`;
    const row = rows.get(key);
    if (row) row.push(i);
    else rows.set(key, [i]);
  });
  return [...rows.values()].map((indices) => {
    const steps = indices.map((i) => plan.steps[i]);
    const sum = (figure: (step: PlanStep) => number): number => steps.reduce((total, step) => total + figure(step), 0);
    const main = steps.reduce((dearest, step) => (step.flops > dearest.flops ? step : dearest));
    return {
      name: main.layer,
      op: main.op,
      phase: main.phase,
      algorithm: main.algorithm,
      ms: median(timings.map((run) => indices.reduce((total, i) => total + run[i], 0))),
      macs: sum((step) => step.macs),
      flops: sum((step) => step.flops),
      bytes: sum((step) => step.bytes),
    };
  });
}

export function median(samples: readonly number[]): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
