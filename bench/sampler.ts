/**
 * The sampling: rounds in one process, in each round one Benchmark.js cycle of every contender in turn.
 *
 * What disturbs one contender (another process, a clock that drops) then disturbs its neighbours in time alike, so the
 * ratio of two contenders is taken round by round and its median quoted; it is steadier than the ratio of two medians.
 */
import { setTimeout as wait } from 'node:timers/promises';
import Benchmark from 'benchmark';

/** Something that can be run again and again. */
export interface Contender {
  readonly name: string;
  /**
   * Runs once. `call` counts up from 0 and picks the input, so that no two runs in a row see the same data.
   * Resolves to milliseconds when the contender timed itself (in another process, or a part of the run only), to undefined
   * when the clock of Benchmark.js around the call is what counts.
   */
  run(call: number): Promise<number | undefined>;
}

export interface SamplerOptions {
  /** Exact number of rounds; when left out as many as fit into `budgetMs`, within `leastRounds` and `mostRounds`. */
  readonly rounds?: number;
  readonly budgetMs?: number;
  readonly leastRounds?: number;
  readonly mostRounds?: number;
  /** Runs of each contender before the first round; fewer once they have taken `warmUpMs`. */
  readonly warmUp?: number;
  readonly warmUpMs?: number;
  /** A cycle repeats the run until it lasts at least this long, so that waking from the pause counts little. */
  readonly minTimeMs?: number;
  /** Rest before each cycle, for the spinning threads of the contender before to fall asleep: onnxruntime's take 15 to 30 ms. */
  readonly pauseMs?: number;
  /** Called after each round (and after the warm-up with done = 0). */
  readonly onRound?: (done: number, rounds: number) => void;
}

export interface Sampled {
  readonly name: string;
  /** One sample a round: milliseconds per run, the mean over one cycle. */
  readonly samplesMs: readonly number[];
  readonly medianMs: number;
  readonly minMs: number;
  /** Benchmark.js's `rme`: the 95 % confidence interval of the mean, as a percentage of the mean. */
  readonly marginOfErrorPercent: number;
}

const defaults = {
  budgetMs: 8000,
  leastRounds: 3,
  mostRounds: 40,
  warmUp: 3,
  warmUpMs: 1000,
  minTimeMs: 200,
  pauseMs: 40,
};

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Median over the rounds of of/to: 2 says that `of` took twice the time of `to` in the same round. */
export function medianRatio(of: Sampled, to: Sampled): number {
  return median(of.samplesMs.map((ms, round) => ms / to.samplesMs[round]));
}

/** Warms every contender up, then samples them in turn, round by round. A contender that throws ends the sampling. */
export async function sample(
  contenders: readonly Contender[],
  given: SamplerOptions = {},
): Promise<readonly Sampled[]> {
  const options = { ...defaults, ...given };
  const series: Series[] = [];
  let roundMs = 0;
  for (const contender of contenders) {
    const one = new Series(contender, options.minTimeMs);
    roundMs += options.pauseMs + (await one.warmUp(options.warmUp, options.warmUpMs));
    series.push(one);
  }
  const fitting = Math.floor(options.budgetMs / roundMs);
  const rounds = options.rounds ?? Math.max(options.leastRounds, Math.min(options.mostRounds, fitting));
  options.onRound?.(0, rounds);
  for (let round = 1; round <= rounds; round++) {
    for (const one of series) {
      await wait(options.pauseMs);
      await one.cycle();
    }
    options.onRound?.(round, rounds);
  }
  return series.map((one) => one.result());
}

/** The samples of one contender, taken by a Benchmark.js benchmark that is run once a round. */
class Series {
  private readonly benchmark: Benchmark;
  private samples: readonly number[] = [];
  private calls = 0;
  /** Milliseconds that the contender's own clock counted in this cycle; undefined when it has none. */
  private ownMs: number | undefined;
  private settle: { resolve: () => void; reject: (error: unknown) => void } | undefined;

  constructor(
    private readonly contender: Contender,
    private readonly minTimeMs: number,
  ) {
    this.benchmark = new Benchmark(contender.name, {
      defer: true,
      // One sample a run: enough samples after one, and any time is too long.
      minSamples: 1,
      maxTime: -1,
      minTime: minTimeMs / 1000,
      fn: (deferred: Benchmark.Deferred) => void this.timed(deferred),
    });
    // Each run of a benchmark starts with empty statistics; given the samples of the rounds before, they cover all rounds.
    this.benchmark.on('start', () => this.benchmark.stats.sample.push(...this.samples));
    this.benchmark.on('complete', () => {
      this.samples = [...this.benchmark.stats.sample];
      this.settle?.resolve();
    });
  }

  /** Runs without measuring, until either limit is met, and returns how long a cycle is going to take, in milliseconds. */
  async warmUp(runs: number, limitMs: number): Promise<number> {
    let lastMs = 0;
    let spentMs = 0;
    for (let i = 0; i < runs && spentMs < limitMs; i++) {
      const start = performance.now();
      await this.contender.run(this.calls++);
      lastMs = performance.now() - start;
      spentMs += lastMs;
    }
    // Below the minimum, Benchmark.js runs once to estimate the count and then counts again from nothing.
    return lastMs >= this.minTimeMs ? lastMs : 2 * lastMs + this.minTimeMs;
  }

  cycle(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.settle = { resolve, reject };
      this.benchmark.run();
    });
  }

  result(): Sampled {
    const samplesMs = this.samples.map((seconds) => seconds * 1000);
    return {
      name: this.contender.name,
      samplesMs,
      medianMs: median(samplesMs),
      minMs: Math.min(...samplesMs),
      marginOfErrorPercent: this.benchmark.stats.rme,
    };
  }

  private async timed(deferred: Benchmark.Deferred): Promise<void> {
    if (deferred.cycles === 0) this.ownMs = undefined;
    try {
      const ms = await this.contender.run(this.calls++);
      if (ms !== undefined) this.ownMs = (this.ownMs ?? 0) + ms;
    } catch (error) {
      this.settle?.reject(error);
      return;
    }
    const ownMs = this.ownMs;
    deferred.resolve();
    // Benchmark.js reads the elapsed time after a short delay: until then the contender's own clock may replace it.
    if (ownMs !== undefined) deferred.elapsed = ownMs / 1000;
  }
}
