/** Our own side of the benchmark, through the engine's public calls. */

import type { BackendInfo } from '../src/backends/backend.js';
import type { BackendName, SimdLevel } from '../src/backends/open.js';
import { type Engine, openEngine } from '../src/engine/engine.js';
import { gradientsGraph, lossSeed } from '../src/engine/graphs.js';
import type { Network } from '../src/engine/network.js';
import { foldLayers, type LayerProfile, type StepTimes } from '../src/engine/profile.js';
import type { Program } from '../src/engine/program.js';
import type { NetworkOptions } from '../src/engine/types.js';
import type { WeightSource } from '../src/engine/weights.js';
import type { Model } from '../src/models/model.js';
import { type Mode, modes } from './implementation.js';
import type { Own, OwnNetwork } from './own.js';
import type { Workload } from './workload.js';

/** In which of its ways our own side computes. */
export interface OwnSetting {
  readonly backend: BackendName;
  /** The best found here by default. */
  readonly simd?: SimdLevel;
  /** How the weights of fully connected layers are stored: 'float32' by default; 'int16' is lossy and runs forward only. */
  readonly linearWeights?: NetworkOptions['linearWeights'];
  /** Forces algorithms: node name or op name → algorithm name. */
  readonly algorithms?: Readonly<Record<string, string>>;
  /** Autotuning: see `BackendOptions`. */
  readonly tune?: boolean;
}

export interface TandemSetting extends OwnSetting {
  readonly model: Model;
  /** The backend's choice by default. */
  readonly threads?: number;
  /** Drawn by default. */
  readonly weights?: WeightSource;
}

/** Milliseconds that an engine and a network took to open. */
export interface OpeningTimes {
  /** Loading and compiling the kernels, starting threads. */
  readonly engineMs: number;
  /** Drawing the weights and copying them in. */
  readonly networkMs: number;
}

/** Timed runs behind a layer table: as many as fit into the budget, within limits. */
const layerRepeats = { budgetMs: 1500, least: 3, most: 15 };

/** One engine with one network, for all batch sizes. */
export class TandemNetwork implements OwnNetwork {
  private constructor(
    readonly model: Model,
    private readonly engine: Engine,
    private readonly network: Network,
    readonly setting: OwnSetting,
    readonly opening: OpeningTimes,
  ) {}

  /** Opens the engine and makes the network, timing both. */
  static async open({ model, threads, weights, ...setting }: TandemSetting): Promise<TandemNetwork> {
    const { backend, simd, linearWeights, algorithms, tune } = setting;
    const start = performance.now();
    const engine = await openEngine({ backend, threads, simd, tune });
    try {
      const opened = performance.now();
      // With learning rate 0 a step does all its arithmetic and leaves the weights as they are: every round, every mode and
      // every peer computes with the same ones.
      const network = await engine.network(model, { learningRate: 0, weights, linearWeights, algorithms });
      const made = performance.now();
      return new TandemNetwork(model, engine, network, setting, { engineMs: opened - start, networkMs: made - opened });
    } catch (error) {
      await engine.close();
      throw error;
    }
  }

  get info(): BackendInfo {
    return this.engine.info;
  }

  at(workload: Workload): Tandem {
    return new Tandem(this.engine, this.network, this.setting, workload);
  }

  /** Rejects for an algorithm that cannot be forced at this batch size, before anything is measured. */
  async checkAlgorithms(batch: number): Promise<void> {
    const mode = this.setting.linearWeights === 'int16' ? 'inference' : 'training';
    await this.network.plan({ mode, batch });
  }

  /** The content of a parameter. */
  read(name: string): Promise<Float32Array> {
    return this.network.read(name);
  }

  close(): Promise<void> {
    return this.engine.close();
  }
}

/** The network at one batch size. */
export class Tandem implements Own {
  readonly name = 'tandem';
  private readonly into: Readonly<Record<'logits' | 'probabilities', Float32Array>>;
  private gradients: Program | undefined;
  /** Of the last runs of the gradients program. */
  private times: StepTimes[] = [];

  constructor(
    private readonly engine: Engine,
    private readonly network: Network,
    readonly setting: OwnSetting,
    private readonly workload: Workload,
  ) {
    const count = workload.batch * network.model.classes;
    this.into = { logits: new Float32Array(count), probabilities: new Float32Array(count) };
  }

  get backend(): string {
    return this.setting.backend;
  }

  /** What was asked for; what was merely found here goes without saying. */
  get variant(): string | undefined {
    const parts = [
      ...(this.setting.simd ? [`${this.info.simd} SIMD`] : []),
      ...(this.lossy ? ['int16 linear weights, lossy'] : []),
    ];
    return parts.length > 0 ? parts.join(', ') : undefined;
  }

  get lossy(): boolean {
    return this.setting.linearWeights === 'int16';
  }

  get modes(): readonly Mode[] {
    return this.lossy ? ['forward'] : modes;
  }

  get info(): BackendInfo {
    return this.engine.info;
  }

  get threads(): number {
    return this.info.threads;
  }

  async run(mode: Mode, index: number): Promise<number | undefined> {
    const { images, labels } = this.workload.inputs[index];
    switch (mode) {
      case 'forward':
        await this.network.forward(images, { into: this.into });
        return undefined;
      case 'backward':
        return this.backward(index);
      case 'step':
        await (await this.network.step(images, labels)).loss;
        return undefined;
    }
  }

  get onAdapter(): boolean {
    return this.info.adapter !== undefined;
  }

  /** The sum of the layers, of which none overlaps another. */
  async deviceMs(mode: Mode, runMs: number): Promise<number | undefined> {
    if (!this.onAdapter) return undefined;
    return (await this.layers(mode, runMs)).reduce((sum, { ms }) => sum + ms, 0);
  }

  async inFlight(mode: Mode, count: number): Promise<number> {
    const start = performance.now();
    await Promise.all(Array.from({ length: count }, (_, i) => this.run(mode, i % this.workload.inputs.length)));
    return (performance.now() - start) / count;
  }

  async logits(index: number): Promise<Float32Array> {
    return (await this.network.forward(this.workload.inputs[index].images)).logits;
  }

  /**
   * Time per layer: medians over a few more runs, and for 'backward' over the last of the runs that were sampled.
   * A backend that cannot time its steps has none.
   *
   * @param runMs about what a run takes
   */
  async layers(mode: Mode, runMs: number): Promise<readonly LayerProfile[]> {
    const { budgetMs, least, most } = layerRepeats;
    const repeats = Math.max(least, Math.min(most, Math.floor(budgetMs / runMs)));
    if (mode === 'backward') {
      const program = await this.gradientsProgram();
      while (this.times.length < repeats) await this.backward(0);
      return foldLayers(program.plan, this.times.slice(-repeats), ['backward']);
    }
    const { images, labels } = this.workload.inputs[0];
    return (await this.network.profile(mode, images, labels, { repeats })).layers;
  }

  /** Gives the memory of the gradients program back to the other modes. */
  async close(): Promise<void> {
    await this.gradients?.close();
    this.gradients = undefined;
    this.times = [];
  }

  /**
   * Runs forward and backward for the gradient of every parameter, copies out nothing but the loss, and adds up the time of
   * the plan steps that belong to the backward phase.
   */
  private async backward(index: number): Promise<number> {
    const { images, labels } = this.workload.inputs[index];
    const program = await this.gradientsProgram();
    const random = Int32Array.of(1, 0, 0, 0);
    const inputs = { images, labels, random, [lossSeed]: Float32Array.of(1) };
    const { timings, products } = await program.run(inputs, { fetch: ['loss'], timings: true });
    if (!timings) throw new Error(`backend '${this.backend}' did not time the steps of its plan`);
    if (this.times.push({ timings, products }) > layerRepeats.most) this.times.shift();
    return program.plan.steps.reduce((ms, step, i) => (step.phase === 'backward' ? ms + timings[i] : ms), 0);
  }

  private async gradientsProgram(): Promise<Program> {
    const { network } = this;
    const parameters = network.parameters.map(({ name }) => name);
    this.gradients ??= await this.engine.compile(gradientsGraph(network.model, this.workload.batch, parameters), {
      variables: network.store,
      algorithms: this.setting.algorithms,
    });
    return this.gradients;
  }
}
