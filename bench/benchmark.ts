/** The whole benchmark: opens everybody, checks that they agree, samples them mode by mode, and writes down what came out. */
import { availableParallelism } from 'node:os';
import type { BackendName } from '../src/backends/open.js';
import type { Model } from '../src/models/model.js';
import { agreementBound, relativeDifference } from './agreement.js';
import { ModelFiles } from './files.js';
import { type Implementation, MissingPeer, type Mode, type Peer } from './implementation.js';
import { measureImport } from './importTime.js';
import { describeMachine } from './machine.js';
import { measurePeakRss } from './memory.js';
import type { Agreement, ColdStart, Ratio, Report, Result, Subject } from './report.js';
import { medianRatio, type Sampled, type SamplerOptions, sample } from './sampler.js';
import { Tandem, TandemNetwork } from './tandem.js';
import { flopsOf, type Workload, workloadOf } from './workload.js';

/** Time for the rounds of all modes at one batch size; warm-up, opening and memory come on top. */
const samplingBudgetMs = 16_000;

export interface BenchmarkOptions {
  readonly model: Model;
  readonly batches: readonly number[];
  readonly backends: readonly BackendName[];
  /** Of everybody; the first backend's choice by default. */
  readonly threads?: number;
  readonly modes: readonly Mode[];
  /** Adds the time of each layer to our own results. */
  readonly layers: boolean;
  readonly peers: readonly Peer[];
  /** Modes whose peak memory is measured. */
  readonly memoryModes: readonly Mode[];
  /** [M, C, H, W], preprocessed; noise by default. */
  readonly images?: Float32Array;
  readonly sampling?: SamplerOptions;
  readonly onProgress?: (done: number, total: number, what: string) => void;
}

/** One mode of one implementation, sampled. */
interface Measured {
  readonly implementation: Implementation;
  readonly subject: Subject;
  readonly sampled: Sampled;
}

export async function runBenchmark(options: BenchmarkOptions): Promise<Report> {
  const networks: TandemNetwork[] = [];
  let files: ModelFiles | undefined;
  try {
    for (const backend of options.backends) {
      options.onProgress?.(0, 1, `opening ${backend}`);
      // The first backend chooses the number of threads when the caller did not, and everybody gets the same.
      const threads = options.threads ?? networks[0]?.info.threads;
      networks.push(await TandemNetwork.open({ model: options.model, backend, threads }));
    }
    files = await ModelFiles.create(options.model, (name) => networks[0].read(name));
    const benchmark = new Benchmark(options, networks, files);
    for (const batch of options.batches) await benchmark.measure(batch);
    return await benchmark.report();
  } finally {
    await files?.remove();
    for (const network of networks) await network.close();
  }
}

class Benchmark {
  private readonly results: Result[] = [];
  private readonly ratios: Ratio[] = [];
  private readonly agreement: Agreement[] = [];
  private readonly coldStart: ColdStart[] = [];
  private readonly missing = new Map<string, string>();

  constructor(
    private readonly options: BenchmarkOptions,
    private readonly networks: readonly TandemNetwork[],
    private readonly files: ModelFiles,
  ) {}

  async measure(batch: number): Promise<void> {
    const { model, images, modes, layers } = this.options;
    const workload = workloadOf(model, batch, images);
    const own = this.networks.map((network) => network.at(workload));
    if (this.coldStart.length === 0) await this.startCold(own, workload);
    const peers = await this.openPeers(workload);
    const everyone: readonly Implementation[] = [...own, ...peers];
    try {
      await this.compareLogits(everyone, batch);
      for (const mode of modes) {
        const taking = everyone.filter((implementation) => implementation.modes.includes(mode));
        const measured = await this.sample(taking, mode, workload);
        const peaks = await this.peakMemory(taking, mode, batch);
        for (const [i, each] of measured.entries()) {
          const table =
            layers && each.implementation instanceof Tandem ? await each.implementation.layers(mode) : undefined;
          this.results.push({ ...this.resultOf(each), peakRssMB: peaks[i], layers: table });
          if (i > 0) {
            const medianOfRatios = medianRatio(each.sampled, measured[0].sampled);
            this.ratios.push({ of: each.subject, to: measured[0].subject, medianRatio: medianOfRatios });
          }
        }
        for (const ours of own) await ours.close();
      }
    } finally {
      for (const each of everyone) await each.close();
    }
  }

  async report(): Promise<Report> {
    return {
      machine: await describeMachine(this.networks.map(({ info }) => info)),
      results: this.results,
      ratios: this.ratios,
      agreement: this.agreement,
      coldStart: this.coldStart,
      missing: [...this.missing].map(([implementation, reason]) => ({ implementation, reason })),
    };
  }

  /** The first run of each network: what it takes beside the opening. */
  private async startCold(own: readonly Tandem[], { batch }: Workload): Promise<void> {
    const importMs = await measureImport();
    for (const [i, ours] of own.entries()) {
      const start = performance.now();
      await ours.run('forward', 0);
      const firstRunMs = performance.now() - start;
      const { opening, backend } = this.networks[i];
      const totalMs = importMs + opening.engineMs + opening.networkMs + firstRunMs;
      this.coldStart.push({ backend, batch, importMs, ...opening, firstRunMs, totalMs });
    }
  }

  /** All at once: most of it is waiting for files and for other processes. */
  private async openPeers(workload: Workload): Promise<Implementation[]> {
    const { model, onProgress } = this.options;
    const { batch } = workload;
    const { threads } = this.networks[0].info;
    const candidates = this.options.peers.filter(({ name }) => !this.missing.has(name));
    if (candidates.length > 0)
      onProgress?.(0, 1, `batch ${batch}: opening ${candidates.map(({ name }) => name).join(', ')}`);
    const openings = await Promise.allSettled(
      candidates.map((peer) => peer.open({ model, batch, threads, workload, files: this.files })),
    );
    const opened = openings.flatMap((opening) => (opening.status === 'fulfilled' ? [opening.value] : []));
    for (const [i, opening] of openings.entries()) {
      if (opening.status === 'fulfilled') continue;
      if (opening.reason instanceof MissingPeer) {
        this.missing.set(candidates[i].name, opening.reason.message);
      } else {
        for (const peer of opened) await peer.close();
        throw opening.reason;
      }
    }
    return opened;
  }

  private async compareLogits([first, ...others]: readonly Implementation[], batch: number): Promise<void> {
    if (others.length === 0) return;
    const expected = await first.logits(0);
    for (const other of others) {
      const difference = relativeDifference(await other.logits(0), expected);
      this.agreement.push({
        of: other.name,
        to: first.name,
        backend: other.backend,
        batch,
        difference,
        bound: agreementBound,
        agrees: difference <= agreementBound,
      });
    }
  }

  private async sample(
    taking: readonly Implementation[],
    mode: Mode,
    { batch, inputs }: Workload,
  ): Promise<Measured[]> {
    const { model, modes, sampling, onProgress } = this.options;
    const what = `batch ${batch}: ${mode}`;
    onProgress?.(0, 1, `${what}, warming up`);
    const contenders = taking.map((implementation) => ({
      name: implementation.name,
      run: (call: number) => implementation.run(mode, call % inputs.length),
    }));
    const series = await sample(contenders, {
      budgetMs: samplingBudgetMs / modes.length,
      onRound: (done, rounds) => onProgress?.(done, rounds, what),
      ...sampling,
    });
    return taking.map((implementation, i) => ({
      implementation,
      subject: {
        implementation: implementation.name,
        model: model.name,
        mode,
        backend: implementation.backend,
        threads: implementation.threads,
        batch,
      },
      sampled: series[i],
    }));
  }

  private resultOf({ implementation, subject, sampled }: Measured): Result {
    const { medianMs, minMs, marginOfErrorPercent, samplesMs } = sampled;
    const { batch, mode } = subject;
    return {
      ...subject,
      version: implementation.version,
      medianMs,
      minMs,
      marginOfErrorPercent,
      rounds: samplesMs.length,
      samplesMs,
      imagesPerSecond: (batch / medianMs) * 1000,
      gflops: flopsOf(this.options.model, batch, mode) / medianMs / 1e6,
    };
  }

  /** In 10⁶ bytes, by implementation; as many processes at once as there are cores. */
  private async peakMemory(
    taking: readonly Implementation[],
    mode: Mode,
    batch: number,
  ): Promise<(number | undefined)[]> {
    const { model, memoryModes, backends, onProgress } = this.options;
    const peaks: (number | undefined)[] = taking.map(() => undefined);
    if (!memoryModes.includes(mode)) return peaks;
    onProgress?.(0, 1, `batch ${batch}: memory`);
    await this.files.safetensors();
    const waiting = [...taking.entries()];
    const work = async () => {
      for (let next = waiting.shift(); next; next = waiting.shift()) {
        const [i, { name, threads }] = next;
        const task = {
          implementation: name,
          model: { name: model.name, options: model.options },
          threads,
          batch,
          mode,
        };
        peaks[i] =
          (await measurePeakRss({ ...task, backend: backends[i] ?? backends[0], folder: this.files.folder })) / 1e6;
      }
    };
    await Promise.all(Array.from({ length: availableParallelism() }, work));
    return peaks;
  }
}
