/** The whole benchmark: opens everybody, checks that they agree, samples them mode by mode, and writes down what came out. */
import type { BackendName, SimdLevel } from '../src/backends/open.js';
import type { Model } from '../src/models/model.js';
import { agreementBound, lossyBound, relativeDifference } from './agreement.js';
import { checkNames } from './algorithms.js';
import { ModelFiles } from './files.js';
import type { Implementation, Mode, Peer } from './implementation.js';
import { measureImport } from './importTime.js';
import { layerTiming } from './layers.js';
import { corePeak, describeMachine, load } from './machine.js';
import { measurePeaks } from './memory.js';
import { measureOpenings, type Opening } from './opening.js';
import { isOwn, type Own, type OwnNetwork, type Site } from './own.js';
import { PeerFailure, PeerGroup } from './peerGroup.js';
import type { Agreement, ColdStart, Ratio, Report, Result, Subject } from './report.js';
import { medianRatio, type Sampled, type SamplerOptions, sample } from './sampler.js';
import { type OwnSetting, TandemNetwork, type TandemSetting } from './tandem.js';
import { flopsOf, type Workload, workloadOf } from './workload.js';

/** Time for the rounds of all modes at one batch size; warm-up, opening and memory come on top. */
const samplingBudgetMs = 16_000;

/** The peer whose opening is measured. */
const openingPeer = 'onnxruntime-node';

export interface BenchmarkOptions {
  readonly model: Model;
  readonly batches: readonly number[];
  readonly backends: readonly BackendName[];
  /** A network of ours for each; by default one, with the best that is found here. */
  readonly simd?: readonly SimdLevel[];
  /** 'int16' adds to each network of ours one that stores the weights of its fully connected layers so; it runs forward only. */
  readonly linearWeights?: OwnSetting['linearWeights'];
  /** Of everybody; the first backend's choice by default. Several are measured one after the other, and compared. */
  readonly threads?: readonly number[];
  readonly modes: readonly Mode[];
  /** Adds the time of each layer to our own results. */
  readonly layers: boolean;
  /** Forces algorithms: node name or op name → algorithm name. */
  readonly algorithms?: OwnSetting['algorithms'];
  readonly peers: readonly Peer[];
  /** Backends that were looked for and are not to be had here, and why: for the report. */
  readonly absent?: readonly { readonly backend: BackendName; readonly reason: string }[];
  /** Autotuning of backends on an adapter: see `BackendOptions`. */
  readonly tune?: boolean;
  /** Modes whose peak memory is measured. */
  readonly memoryModes: readonly Mode[];
  /** [M, C, H, W], preprocessed; noise by default. */
  readonly images?: Float32Array;
  readonly sampling?: SamplerOptions;
  /** Where our own side computes, if not in this process. */
  readonly site?: Site;
  readonly onProgress?: (done: number, total: number, what: string) => void;
}

/** Runs that are submitted one behind the other: as many as fit into the budget, within limits. */
const flights = { budgetMs: 1500, least: 2, most: 50 };

/** One mode of one implementation, sampled. */
interface Measured {
  readonly implementation: Implementation;
  readonly subject: Subject;
  readonly sampled: Sampled;
}

/** Our own networks that have the same number of threads. */
type Team = readonly OwnNetwork[];

export async function runBenchmark(options: BenchmarkOptions): Promise<Report> {
  checkNames(options.model, options.algorithms ?? {});
  const networks: OwnNetwork[] = [];
  let files: ModelFiles | undefined;
  try {
    const teams: Team[] = [];
    for (const threads of options.threads ?? [undefined]) teams.push(await openTeam(options, threads, networks));
    files = await ModelFiles.create(options.model, (name) => networks[0].read(name));
    options.site?.use(files);
    const benchmark = new Benchmark(options, files);
    for (const batch of options.batches) {
      for (const team of teams) await benchmark.measure(batch, team);
      await benchmark.compareThreads(batch, teams);
    }
    await benchmark.measureOpenings(options.batches[0], teams[0]);
    return await benchmark.report(networks);
  } finally {
    await files?.remove();
    for (const network of networks) await network.close();
  }
}

/** Opens a team, adding its networks to all those that are to be closed. */
async function openTeam(
  { model, backends, simd, linearWeights, algorithms, tune, batches, site, onProgress }: BenchmarkOptions,
  threads: number | undefined,
  networks: OwnNetwork[],
): Promise<Team> {
  const open = (setting: TandemSetting) => (site ?? TandemNetwork).open(setting);
  const team: OwnNetwork[] = [];
  const ways: readonly OwnSetting['linearWeights'][] = linearWeights === 'int16' ? ['float32', 'int16'] : ['float32'];
  const settings = backends.flatMap((backend) =>
    (simd ?? [undefined]).flatMap((level) =>
      ways.map((way) => ({ backend, simd: level, linearWeights: way, algorithms, tune })),
    ),
  );
  for (const setting of settings) {
    onProgress?.(0, 1, `opening ${setting.backend}`);
    // The first of a backend draws the weights, as they are where a network is opened alone.
    const drawn = networks.find((other) => other.setting.backend === setting.backend);
    const network = await open({
      model,
      ...setting,
      // The first backend chooses the number of threads when the caller did not, and everybody gets the same.
      threads: threads ?? networks[0]?.info.threads,
      weights: drawn && { get: (name) => drawn.read(name) },
    });
    networks.push(network);
    team.push(network);
    if (algorithms) await network.checkAlgorithms(batches[0]);
  }
  return team;
}

class Benchmark {
  private readonly loadBefore = load();
  private readonly results: Result[] = [];
  private readonly ratios: Ratio[] = [];
  private readonly comparisons: Ratio[] = [];
  private readonly scaling: Ratio[] = [];
  private readonly agreement: Agreement[] = [];
  private readonly coldStart: ColdStart[] = [];
  private readonly openings: Opening[] = [];
  private readonly peers: PeerGroup;

  constructor(
    private readonly options: BenchmarkOptions,
    private readonly files: ModelFiles,
  ) {
    this.peers = new PeerGroup({ ...options, files });
  }

  async measure(batch: number, team: Team): Promise<void> {
    const { model, images, modes } = this.options;
    const workload = workloadOf(model, batch, images);
    const own = await Promise.all(team.map((network) => network.at(workload)));
    // In a page most of it is the browser's start.
    if (this.coldStart.length === 0 && !this.options.site) await this.startCold(team, workload);
    const onAdapter = own.map((ours) => ours.onAdapter ?? false);
    const peers = await this.peers.open(workload, own[0].threads, onAdapter);
    const everyone: readonly Implementation[] = [...own, ...peers];
    try {
      await this.compareLogits(everyone, batch);
      for (const mode of modes) {
        const able = everyone.filter((implementation) => implementation.modes.includes(mode));
        const peaksBefore = await this.corePeaks(own, able);
        const measured = await this.sampleAble(able, mode, workload);
        const taking = measured.map(({ implementation }) => implementation);
        const profiles = await this.profiles(measured, mode);
        const peaksAfter = await this.corePeaks(own, taking);
        const memory = await this.peakMemory(taking, mode, batch);
        for (const [i, each] of measured.entries()) {
          const before = peaksBefore[able.indexOf(each.implementation)];
          const result = this.resultOf(each, before, peaksAfter[i]);
          const { threads } = each.implementation;
          const peak = result.corePeaksGflops && Math.max(...result.corePeaksGflops);
          const layers = profiles[i]?.map((profile) => layerTiming(profile, threads, peak));
          this.results.push({ ...result, ...(await this.onAdapter(each)), peakRssMB: memory[i], layers });
        }
        this.compare(measured);
        for (const ours of own) await ours.close();
      }
    } finally {
      for (const each of everyone) await each.close();
    }
  }

  /** Our first network against itself with more threads. */
  async compareThreads(batch: number, teams: readonly Team[]): Promise<void> {
    const { model, images, modes } = this.options;
    if (teams.length < 2) return;
    const workload = workloadOf(model, batch, images);
    const own = await Promise.all(teams.map(([network]) => network.at(workload)));
    own.sort((a, b) => a.threads - b.threads);
    for (const mode of modes) {
      const [fewest, ...more] = await this.sample(own, mode, workload);
      for (const each of more) this.scaling.push(ratioOf(fewest, each));
      for (const ours of own) await ours.close();
    }
  }

  async report(networks: readonly OwnNetwork[]): Promise<Report> {
    const peaks = this.results.flatMap(({ corePeaksGflops = [] }) => corePeaksGflops);
    if (peaks.length === 0) peaks.push(await corePeak(networks[0].info));
    return {
      machine: describeMachine(
        networks.map(({ info }) => info),
        { peakGflopsPerCore: Math.max(...peaks), loadBefore: this.loadBefore, browser: this.options.site?.browser },
      ),
      algorithms: this.options.algorithms ?? {},
      results: this.results,
      ratios: this.ratios,
      comparisons: this.comparisons,
      scaling: this.scaling,
      agreement: this.agreement,
      coldStart: this.coldStart,
      openings: this.openings,
      missing: [
        ...(this.options.absent ?? []).map(({ backend, reason }) => ({
          implementation: `tandem (${backend})`,
          reason,
        })),
        ...this.peers.report(),
      ],
    };
  }

  /** The first run of each backend's first network: what it takes beside the opening. */
  private async startCold(team: Team, workload: Workload): Promise<void> {
    const importMs = await measureImport();
    const { batch } = workload;
    for (const [i, network] of team.entries()) {
      const { opening, setting } = network;
      const { backend } = setting;
      if (team.findIndex((other) => other.setting.backend === backend) < i) continue;
      const start = performance.now();
      await (await network.at(workload)).run('forward', 0);
      const firstRunMs = performance.now() - start;
      const totalMs = importMs + opening.engineMs + opening.networkMs + firstRunMs;
      this.coldStart.push({ backend, batch, importMs, ...opening, firstRunMs, totalMs });
    }
  }

  /** Ours next to that of a peer that opens a file as we do, where there is one. */
  async measureOpenings(batch: number, [first]: Team): Promise<void> {
    const { onProgress } = this.options;
    if (!this.peers.present.has(openingPeer)) return;
    const names = [openingPeer];
    const { threads } = first.info;
    const onRound = (done: number, total: number) => onProgress?.(done, total, 'opening files of weights');
    const own = first.setting;
    this.openings.push(...(await measureOpenings({ files: this.files, own, peers: names, threads, batch, onRound })));
  }

  private async compareLogits([first, ...others]: readonly Implementation[], batch: number): Promise<void> {
    if (others.length === 0) return;
    const expected = await first.logits(0);
    for (const other of others) {
      const logits = isOwn(other)
        ? await other.logits(0)
        : await this.peers.attempt(other, `logits at batch ${batch}`, () => other.logits(0));
      if (!logits) continue;
      const difference = relativeDifference(logits, expected);
      const bound = other.lossy ? lossyBound : agreementBound;
      this.agreement.push({
        of: other.name,
        to: first.name,
        backend: other.backend,
        variant: other.variant,
        lossy: other.lossy,
        threads: other.threads,
        batch,
        difference,
        bound,
        agrees: difference <= bound,
      });
    }
  }

  /** Samples everybody; a peer that fails (for want of memory, for one) is left out, and the report says what it said. */
  private async sampleAble(able: readonly Implementation[], mode: Mode, workload: Workload): Promise<Measured[]> {
    for (let taking = able; ; ) {
      try {
        return await this.sample(taking, mode, workload);
      } catch (error) {
        if (!(error instanceof PeerFailure)) throw error;
        this.peers.failed(error.peer, `${mode} at batch ${workload.batch}`, error.cause);
        taking = taking.filter((each) => each !== error.peer);
      }
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
      run: async (call: number) => {
        const running = implementation.run(mode, call % inputs.length);
        return isOwn(implementation)
          ? running
          : running.catch((error: unknown) => Promise.reject(new PeerFailure(implementation, error)));
      },
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
        variant: implementation.variant,
        threads: implementation.threads,
        batch,
      },
      sampled: series[i],
    }));
  }

  /** Layer by layer, of those that are ours. */
  private async profiles(measured: readonly Measured[], mode: Mode) {
    const profiles: (Awaited<ReturnType<Own['layers']>> | undefined)[] = [];
    for (const { implementation, sampled } of measured) {
      const wanted = this.options.layers && isOwn(implementation);
      profiles.push(wanted ? await implementation.layers(mode, sampled.medianMs) : undefined);
    }
    return profiles;
  }

  /** The peak of one core for each of those that take part: by our own instructions, and for peers by those of our first. */
  private async corePeaks(own: readonly Own[], taking: readonly Implementation[]): Promise<(number | undefined)[]> {
    const peaks = new Map<string, number>();
    const onCores = own.filter(({ onAdapter }) => !onAdapter);
    for (const { info } of onCores) if (!peaks.has(info.simd)) peaks.set(info.simd, await corePeak(info));
    return taking.map((each) => {
      if (each.onAdapter || onCores.length === 0) return undefined;
      return peaks.get((isOwn(each) ? each : onCores[0]).info.simd);
    });
  }

  /** In 10⁶ bytes, where it was asked for. */
  private async peakMemory(taking: readonly Implementation[], mode: Mode, batch: number) {
    const { memoryModes, onProgress } = this.options;
    if (!memoryModes.includes(mode)) return taking.map(() => undefined);
    onProgress?.(0, 1, `batch ${batch}: memory`);
    return measurePeaks(taking, { files: this.files, mode, batch });
  }

  private compare(measured: readonly Measured[]): void {
    const [first, ...others] = measured;
    for (const other of others) this.ratios.push(ratioOf(other, first));
    const ours = measured.filter(({ implementation }) => isOwn(implementation));
    const theirs = measured.filter(({ implementation }) => !isOwn(implementation));
    for (const own of ours) {
      for (const peer of theirs) this.comparisons.push(ratioOf(own, peer));
    }
  }

  /** What only those on an adapter have: time by its own clock, and runs that are submitted one behind the other. */
  private async onAdapter({ implementation, subject, sampled }: Measured): Promise<Partial<Result>> {
    const { mode, batch } = subject;
    // 'backward' is a part of a run: nothing can be submitted behind it.
    if (!implementation.onAdapter || mode === 'backward') return {};
    const attempt = <T>(what: string, work: () => Promise<T> | undefined): Promise<T | undefined> =>
      isOwn(implementation)
        ? Promise.resolve(work())
        : this.peers.attempt(implementation, `${what} of ${mode} at batch ${batch}`, async () => work());
    const gpuMs = await attempt('GPU time', () => implementation.deviceMs?.(mode, sampled.medianMs));
    const { least, most } = flights;
    const budgetMs = this.options.sampling?.budgetMs ?? flights.budgetMs;
    const runs = Math.max(least, Math.min(most, Math.floor(budgetMs / sampled.medianMs)));
    const ms = await attempt('runs in flight', () => implementation.inFlight?.(mode, runs));
    return { gpuMs, ...(ms !== undefined && { inFlight: { runs, ms, imagesPerSecond: (batch / ms) * 1000 } }) };
  }

  private resultOf(
    { implementation, subject, sampled }: Measured,
    before: number | undefined,
    after: number | undefined,
  ): Result {
    const { medianMs, minMs, marginOfErrorPercent, samplesMs } = sampled;
    const { batch, mode, threads } = subject;
    const gflops = flopsOf(this.options.model, batch, mode) / medianMs / 1e6;
    return {
      ...subject,
      version: implementation.version,
      medianMs,
      minMs,
      marginOfErrorPercent,
      rounds: samplesMs.length,
      samplesMs,
      imagesPerSecond: (batch / medianMs) * 1000,
      gflops,
      ...(before !== undefined &&
        after !== undefined && {
          corePeaksGflops: [before, after] as const,
          percentOfPeak: (gflops / (threads * Math.max(before, after))) * 100,
        }),
    };
  }
}

function ratioOf(of: Measured, to: Measured): Ratio {
  return { of: of.subject, to: to.subject, medianRatio: medianRatio(of.sampled, to.sampled) };
}
