/** What `tandem bench --json` writes. Others' scripts rely on it: fields are added, none renamed. */
import type { Mode } from './implementation.js';
import type { LayerTiming } from './layers.js';
import type { Opening } from './opening.js';
import type { OpeningTimes } from './tandem.js';

export interface Machine {
  readonly cpu: string;
  /** Cores that this process may use. */
  readonly cores: number;
  readonly node: string;
  /** In which our own side and the peers computed, if not in Node. */
  readonly browser?: string;
  /** Our backends in one line each, with SIMD level and threads. */
  readonly backends: readonly string[];
  /** Of a GPU backend. */
  readonly adapter?: string;
  /** Largest rate of one core with the engine's own vectors, by a kernel that touches registers only: the most that was seen. */
  readonly peakGflopsPerCore: number;
  /** Processes that ran or wanted to, on average over the minute before the benchmark: what others had to do. */
  readonly loadBefore: number;
}

/** Which figure is meant. */
export interface Subject {
  readonly implementation: string;
  readonly model: string;
  readonly mode: Mode;
  readonly backend: string;
  /** Tells several of our own apart. */
  readonly variant?: string;
  readonly threads: number;
  readonly batch: number;
}

export interface Result extends Subject {
  /** Of a peer. */
  readonly version?: string;
  /** Of the samples, one a round. */
  readonly medianMs: number;
  readonly minMs: number;
  readonly marginOfErrorPercent: number;
  readonly rounds: number;
  readonly samplesMs: readonly number[];
  readonly imagesPerSecond: number;
  readonly gflops: number;
  /** Milliseconds of one run by the adapter's clock: the sum of its kernels. Of those on an adapter that tell. */
  readonly gpuMs?: number;
  /** Runs submitted one behind the other, none waited for before the last: milliseconds of each. Of those on an adapter. */
  readonly inFlight?: { readonly runs: number; readonly ms: number; readonly imagesPerSecond: number };
  /**
   * The peak of one core as it was before and after this was measured, layers included. The larger counts. Absent of those on an adapter, and
   * so is the share.
   */
  readonly corePeaksGflops?: readonly [before: number, after: number];
  /** Of as many cores as there are threads, with the engine's vectors; native code with wider ones can exceed it. */
  readonly percentOfPeak?: number;
  /** Peak resident memory (10⁶ bytes) of a process that does two such runs and nothing else; where it was asked for. */
  readonly peakRssMB?: number;
  readonly layers?: readonly LayerTiming[];
}

/** Time of `of` over time of `to`, taken round by round: the median. */
export interface Ratio {
  readonly of: Subject;
  readonly to: Subject;
  readonly medianRatio: number;
}

/** max|of − to| / max|to| over the logits of a batch. */
export interface Agreement {
  readonly of: string;
  readonly to: string;
  readonly backend: string;
  readonly variant?: string;
  /** Of weights stored at a loss: the difference is its size. */
  readonly lossy?: boolean;
  readonly threads: number;
  readonly batch: number;
  readonly difference: number;
  readonly bound: number;
  readonly agrees: boolean;
}

/** The way to the first answer: opening, and the first forward run (planning, recording, running). */
export interface ColdStart extends OpeningTimes {
  readonly backend: string;
  readonly batch: number;
  /** `import 'tandem-nn'`, in a process of its own. */
  readonly importMs: number;
  readonly firstRunMs: number;
  /** All of it, from the import to the end of the first run. */
  readonly totalMs: number;
}

export interface Report {
  readonly machine: Machine;
  /** Algorithms that were forced: op or node → name. */
  readonly algorithms: Readonly<Record<string, string>>;
  readonly results: readonly Result[];
  /** Everybody over the first of our own that has as many threads. */
  readonly ratios: readonly Ratio[];
  /** Each of our own over each peer. */
  readonly comparisons: readonly Ratio[];
  /** Our first with the fewest threads over the same with more, in rounds of their own. */
  readonly scaling: readonly Ratio[];
  readonly agreement: readonly Agreement[];
  readonly coldStart: readonly ColdStart[];
  /** From a file of weights to a network that is ready to run: ours, then peers that were asked for. */
  readonly openings: readonly Opening[];
  /** Peers that are not installed here, and why we think so. */
  readonly missing: readonly { readonly implementation: string; readonly reason: string }[];
}
