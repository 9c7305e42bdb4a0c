import type { Backend, BackendInfo, CompileOptions } from '../backends/backend.js';
import { type BackendOptions, openBackend } from '../backends/open.js';
import { TandemError } from '../errors.js';
import type { Graph } from '../graph/graph.js';
import type { NetworkDefinition } from './definition.js';
import { checkCount } from './inputs.js';
import { Network } from './network.js';
import { ParameterStore } from './parameters.js';
import { Program } from './program.js';
import type { NetworkOptions } from './types.js';
import type { WeightSource } from './weights.js';

export type EngineOptions = BackendOptions;

export interface ProgramOptions extends CompileOptions {
  /** Variables to work on, shared with a network (`net.store`) or another program; the program's own by default. */
  readonly variables?: ParameterStore;
  /** Of the initial values of its own variables; 1 by default. */
  readonly seed?: number;
  /** Initial values of its own variables that are not drawn but given. */
  readonly weights?: WeightSource;
}

/**
 * Opens a backend: by default WebGPU where it has a hardware adapter, else WebAssembly with the threads and the SIMD level found here
 * (`engine.info` tells what was chosen, and why).
 *
 * @throws ArgumentError for an option that cannot be
 * @throws BackendError when what was asked for is not to be had here
 */
export async function openEngine(options: EngineOptions = {}): Promise<Engine> {
  return new Engine(await openBackend(options));
}

interface Closable {
  close(): Promise<void>;
}

/** A backend, and everything that runs on it. Engines share nothing: several can live side by side. */
export class Engine {
  private readonly open = new Set<Closable>();
  private closing: Promise<void> | undefined;

  /** See `openEngine`. */
  constructor(private readonly backend: Backend) {}

  /** Backend, adapter, threads, SIMD level and limits, as found. */
  get info(): BackendInfo {
    return this.backend.info;
  }

  /**
   * A model with parameters: drawn from the seed, or given.
   *
   * @throws ArgumentError for an option that cannot be, GraphError for a model that cannot be built
   */
  async network<M extends NetworkDefinition>(model: M, options: NetworkOptions = {}): Promise<Network<M>> {
    this.expectOpen();
    const network: Network<M> = new Network(this.backend, model, options, () => this.open.delete(network));
    this.open.add(network);
    try {
      await network.initialise(options.weights);
    } catch (error) {
      await network.close();
      throw error;
    }
    return network;
  }

  /** Any graph as a program. */
  async compile(graph: Graph, options: ProgramOptions = {}): Promise<Program> {
    this.expectOpen();
    const { variables = new ParameterStore(this.backend, checkCount('seed', options.seed ?? 1)) } = options;
    const release = () => {
      if (variables !== options.variables) variables.close();
    };
    try {
      variables.declare(graph);
      if (variables !== options.variables) await variables.initialise(options.weights);
      const executable = await this.backend.compile(graph, await variables.storages(graph), options);
      const program: Program = new Program(executable, variables, () => {
        release();
        this.open.delete(program);
      });
      this.open.add(program);
      return program;
    } catch (error) {
      release();
      throw error;
    }
  }

  /** Waits for the calls under way, then frees all networks and programs and stops all threads. */
  close(): Promise<void> {
    this.closing ??= this.closeAll();
    return this.closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  private async closeAll(): Promise<void> {
    await Promise.all([...this.open].map((each) => each.close()));
    await this.backend.close();
  }

  private expectOpen(): void {
    if (this.closing) throw new TandemError('the engine is closed');
  }
}
