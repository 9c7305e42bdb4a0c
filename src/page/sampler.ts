/**
 * The sampling of `bench/sampler.ts` without Benchmark.js, which wants a window or Node: rounds, in each round one cycle of every contender
 * in turn, a cycle long enough for a browser's coarse clock.
 */
export interface Contender {
  /** Runs once; `call` counts up from 0 and picks the input. */
  run(call: number): Promise<void>;
}

export interface Samples {
  /** One a round: milliseconds per run, the mean over a cycle. */
  readonly samplesMs: readonly number[];
  readonly medianMs: number;
  readonly minMs: number;
  /** The 95 % confidence interval of the mean, as a percentage of the mean. */
  readonly marginOfErrorPercent: number;
}

const warmUpRuns = 2;
const warmUpMs = 1000;
/** A clock of a page that is not isolated ticks every 0.1 ms or more. */
const cycleMs = 150;
const budgetMs = 4000;
const leastRounds = 3;
const mostRounds = 20;
/** Between cycles, for threads to fall asleep. */
const pauseMs = 30;

/** Rounds until the budget of all contenders together is spent. */
export async function sample(
  contenders: readonly Contender[],
  onRound: (done: number, total: number) => void,
): Promise<readonly Samples[]> {
  const counts: number[] = [];
  const calls = contenders.map(() => 0);
  let roundMs = 0;
  for (const [i, contender] of contenders.entries()) {
    let lastMs = 0;
    for (let run = 0, spent = 0; run < warmUpRuns || (spent < cycleMs && run < 50); run++) {
      const start = performance.now();
      await contender.run(calls[i]++);
      lastMs = performance.now() - start;
      spent += lastMs;
      if (spent > warmUpMs) break;
    }
    counts.push(Math.max(1, Math.ceil(cycleMs / Math.max(lastMs, 0.1))));
    roundMs += pauseMs + counts[i] * lastMs;
  }
  const fitting = Math.floor((budgetMs * contenders.length) / roundMs);
  const rounds = Math.max(leastRounds, Math.min(mostRounds, fitting));
  const series: number[][] = contenders.map(() => []);
  for (let round = 0; round < rounds; round++) {
    onRound(round, rounds);
    for (const [i, contender] of contenders.entries()) {
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
      const start = performance.now();
      for (let run = 0; run < counts[i]; run++) await contender.run(calls[i]++);
      series[i].push((performance.now() - start) / counts[i]);
    }
  }
  return series.map(summarise);
}

export function summarise(samplesMs: readonly number[]): Samples {
  return {
    samplesMs,
    medianMs: median(samplesMs),
    minMs: Math.min(...samplesMs),
    marginOfErrorPercent: marginOfError(samplesMs),
  };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Two-sided 95 % quantiles of Student's t for 1 to 20 degrees of freedom. */
const studentT = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131, 2.12, 2.11,
  2.101, 2.093, 2.086,
];

function marginOfError(values: readonly number[]): number {
  const n = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1);
  return ((studentT[Math.min(n - 1, studentT.length) - 1] * Math.sqrt(variance / n)) / mean) * 100;
}
