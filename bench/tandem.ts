/** Our own side of the benchmark, through the engine's public calls. */

import type { BackendInfo } from '../src/backends/backend.js';
import type { BackendName } from '../src/backends/open.js';
import { type Engine, openEngine } from '../src/engine/engine.js';
import { gradientsGraph, lossSeed } from '../src/engine/graphs.js';
import type { Network } from '../src/engine/network.js';
import { foldLayers, type LayerProfile } from '../src/engine/profile.js';
import type { Program } from '../src/engine/program.js';
import type { WeightSource } from '../src/engine/weights.js';
import type { Model } from '../src/models/model.js';
import { type Implementation, type LayerTiming, type Mode, modes } from './implementation.js';
import type { Workload } from './workload.js';

export interface TandemSetting {
  readonly model: Model;
  readonly backend: BackendName;
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

/** Timed runs behind a layer table. */
const layerRepeats = 3;

/** One engine with one network, for all batch sizes. */
export class TandemNetwork {
  private constructor(
    readonly model: Model,
    private readonly engine: Engine,
    private readonly network: Network,
    readonly backend: BackendName,
    readonly opening: OpeningTimes,
  ) {}

  /** Opens the engine and makes the network, timing both. */
  static async open({ model, backend, threads, weights }: TandemSetting): Promise<TandemNetwork> {
    const start = performance.now();
    const engine = await openEngine({ backend, threads });
    try {
      const opened = performance.now();
      // With learning rate 0 a step does all its arithmetic and leaves the weights as they are: every round, every mode and
      // every peer computes with the same ones.
      const network = await engine.network(model, { learningRate: 0, weights });
      const made = performance.now();
      return new TandemNetwork(model, engine, network, backend, { engineMs: opened - start, networkMs: made - opened });
    } catch (error) {
      await engine.close();
      throw error;
    }
  }

  get info(): BackendInfo {
    return this.engine.info;
  }

  at(workload: Workload): Tandem {
    return new Tandem(this.engine, this.network, this.backend, workload);
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
export class Tandem implements Implementation {
  readonly name = 'tandem';
  readonly modes = modes;
  private readonly into: Readonly<Record<'logits' | 'probabilities', Float32Array>>;
  private gradients: Program | undefined;
  /** Of the runs of the gradients program: milliseconds per plan step. */
  private timings: Float64Array[] = [];

  constructor(
    private readonly engine: Engine,
    private readonly network: Network,
    readonly backend: string,
    private readonly workload: Workload,
  ) {
    const count = workload.batch * network.model.classes;
    this.into = { logits: new Float32Array(count), probabilities: new Float32Array(count) };
  }

  get threads(): number {
    return this.engine.info.threads;
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

  async logits(index: number): Promise<Float32Array> {
    return (await this.network.forward(this.workload.inputs[index].images)).logits;
  }

  /**
   * Time per layer: medians over a few more runs, and for 'backward' over the last of the runs that were sampled.
   * A backend that cannot time its steps has none.
   */
  async layers(mode: Mode): Promise<readonly LayerTiming[]> {
    if (mode === 'backward') {
      const program = await this.gradientsProgram();
      while (this.timings.length < layerRepeats) await this.backward(0);
      return foldLayers(program.plan, this.timings, ['backward']).map(layerTiming);
    }
    const { images, labels } = this.workload.inputs[0];
    const profile = await this.network.profile(mode, images, labels, { repeats: layerRepeats });
    return profile.layers.map(layerTiming);
  }

  /** Gives the memory of the gradients program back to the other modes. */
  async close(): Promise<void> {
    await this.gradients?.close();
    this.gradients = undefined;
    this.timings = [];
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
    const { timings } = await program.run(inputs, { fetch: ['loss'], timings: true });
    if (!timings) throw new Error(`backend '${this.backend}' did not time the steps of its plan`);
    if (this.timings.push(timings) > layerRepeats) this.timings.shift();
    return program.plan.steps.reduce((ms, step, i) => (step.phase === 'backward' ? ms + timings[i] : ms), 0);
  }

  private async gradientsProgram(): Promise<Program> {
    const { network } = this;
    const parameters = network.parameters.map(({ name }) => name);
    this.gradients ??= await this.engine.compile(gradientsGraph(network.model, this.workload.batch, parameters), {
      variables: network.store,
    });
    return this.gradients;
  }
}

function layerTiming({ name, op, phase, algorithm, ms, flops }: LayerProfile): LayerTiming {
  return { name, op, phase, algorithm, ms, gflops: flops / ms / 1e6 };
}
