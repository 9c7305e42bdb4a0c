/** `tandem bench` in a page: our own engine on each way of computing, the same network on the same inputs. */
import type { Report, Result } from '../../bench/report.js';
import { flopsOf, type Workload, workloadOf } from '../../bench/workload.js';
import type { BackendInfo } from '../backends/backend.js';
import { measurePeak } from '../backends/wasm/peak.js';
import { type Engine, openEngine } from '../engine/engine.js';
import type { Network } from '../engine/network.js';
import type { Model } from '../models/model.js';
import { preset } from '../models/presets.js';
import { type LayerTimes, timeLayers } from './layers.js';
import { type OnProgress, type Way, ways } from './messages.js';
import { median, type Samples, sample } from './sampler.js';

export type PageMode = 'forward' | 'step';

export interface BenchmarkSettings {
  readonly ways: readonly Way[];
  /** A preset. */
  readonly model: string;
  readonly batch: number;
  readonly modes: readonly PageMode[];
}

export interface PageResult extends Omit<Result, 'layers' | 'corePeaksGflops' | 'percentOfPeak'>, LayerTimes {}

/** That of `tandem bench --json`, as far as a page can tell. */
export interface BenchmarkReport {
  readonly machine: Omit<Report['machine'], 'loadBefore'> & { readonly browser: string; readonly isolated: boolean };
  readonly results: readonly PageResult[];
  /** Each over the first of its mode. */
  readonly ratios: Report['ratios'];
}

/** One engine with the network. */
interface Contestant {
  readonly engine: Engine;
  readonly network: Network<Model>;
}

export async function runBenchmark(settings: BenchmarkSettings, onProgress: OnProgress): Promise<BenchmarkReport> {
  const model = preset(settings.model);
  onProgress(0, 1, 'the peak of one core');
  const peakGflopsPerCore = await measurePeak();
  const workload = workloadOf(model, settings.batch);
  const contestants: Contestant[] = [];
  const results: PageResult[] = [];
  const ratios: BenchmarkReport['ratios'][number][] = [];
  try {
    for (const way of settings.ways) {
      onProgress(0, 1, `opening ${model.name}: ${ways[way].title}`);
      const engine = await openEngine(ways[way].options);
      // With learning rate 0 a step does all its arithmetic and leaves the weights as they are.
      contestants.push({ engine, network: await engine.network(model, { learningRate: 0 }) });
    }
    for (const mode of settings.modes) {
      onProgress(0, 1, `${mode}: compiling and warming up`);
      const samples = await sample(
        contestants.map(({ network }) => ({ run: (call) => runOnce(network, mode, workload, call) })),
        (done, total) => onProgress(done, total, `${mode}: round ${done + 1} of ${total}`),
      );
      const measured: PageResult[] = [];
      for (const [i, { engine, network }] of contestants.entries()) {
        onProgress(i, contestants.length, `${mode}: layer by layer`);
        const layers = await timeLayers(network, mode, workload.inputs[0]);
        measured.push({ ...resultOf(model, engine.info, mode, workload, samples[i]), ...layers });
      }
      for (const [i, of] of measured.entries()) {
        const medianRatio = median(of.samplesMs.map((ms, round) => ms / measured[0].samplesMs[round]));
        if (i > 0) ratios.push({ of: subjectOf(of), to: subjectOf(measured[0]), medianRatio });
      }
      results.push(...measured);
    }
    const infos = contestants.map(({ engine }) => engine.info);
    return { machine: machineOf(infos, peakGflopsPerCore), results, ratios };
  } finally {
    for (const { engine } of contestants) await engine.close();
  }
}

async function runOnce(network: Network, mode: PageMode, { inputs }: Workload, call: number): Promise<void> {
  const { images, labels } = inputs[call % inputs.length];
  if (mode === 'forward') await network.forward(images);
  else await (await network.step(images, labels)).loss;
}

function resultOf(model: Model, info: BackendInfo, mode: PageMode, { batch }: Workload, samples: Samples): PageResult {
  return {
    implementation: 'tandem',
    model: model.name,
    mode,
    backend: info.name,
    variant: info.description,
    threads: info.threads,
    batch,
    ...samples,
    rounds: samples.samplesMs.length,
    imagesPerSecond: (batch / samples.medianMs) * 1000,
    gflops: flopsOf(model, batch, mode) / samples.medianMs / 1e6,
  };
}

function subjectOf({ implementation, model, mode, backend, variant, threads, batch }: PageResult) {
  return { implementation, model, mode, backend, variant, threads, batch };
}

function machineOf(infos: readonly BackendInfo[], peakGflopsPerCore: number): BenchmarkReport['machine'] {
  return {
    cpu: 'unknown',
    cores: navigator.hardwareConcurrency,
    node: 'none',
    browser: navigator.userAgent,
    isolated: globalThis.crossOriginIsolated,
    backends: infos.map(({ description }) => description),
    adapter: infos.find(({ adapter }) => adapter)?.adapter?.name,
    peakGflopsPerCore,
  };
}
