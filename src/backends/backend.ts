/**
 * What a backend is: a place where graphs run. It owns device memory for variables (`Storage`) and turns a graph into an
 * `Executable`. Everything a caller could want to know of the device is in `info`; nobody outside `src/backends` tests
 * for a backend's name.
 */
import type { Graph, Initializer, Node } from '../graph/graph.js';
import type { Accuracy, TensorType } from '../ops/define.js';
import type { Plan } from '../plan/plan.js';

export type TypedArray = Float32Array | Int32Array | Int16Array | Uint8Array;

/** The graphics adapter that a backend computes on. */
export interface AdapterInfo {
  readonly name: string;
  /** Whether it is a program that does a GPU's work on the CPU. */
  readonly software: boolean;
  /** Optional features found, and those of them that are put to use. */
  readonly features: readonly string[];
  readonly used: readonly string[];
  /** Version of the kernels that run on it: what was measured of others says nothing of them. */
  readonly kernels: string;
  /** Limits that plans keep to, as WebGPU names them. */
  readonly limits: Readonly<Record<string, number>>;
}

export interface BackendInfo {
  readonly name: string;
  /** One line for people: 'wasm, relaxed SIMD, 2 threads'. */
  readonly description: string;
  readonly threads: number;
  /** 'relaxed' (fused multiply-add), 'plain', or 'none' for a backend without SIMD of its own. */
  readonly simd: 'relaxed' | 'plain' | 'none';
  readonly sharedMemory: boolean;
  /** Largest number of bytes that variables and programs may take together. */
  readonly memoryLimit: number;
  readonly accuracy: Accuracy;
  /** NaN and infinities come out where the reference has them (WGSL does not promise that). */
  readonly nonFinite: boolean;
  readonly adapter?: AdapterInfo;
  /** Why it was chosen, where the choice was left to `openBackend`: 'WebGPU found no adapter (no GPU, …)'. */
  readonly choice?: string;
}

/** Fills `into` with elements of a tensor, from element `offset` on. */
export type ReadElements = (into: Float32Array, offset: number) => Promise<void>;

/** Device memory of one variable, outliving the programs that use it. */
export interface Storage {
  readonly type: TensorType;
  write(data: TypedArray): Promise<void>;
  /**
   * Takes its content, as float32, from `read`, which is called for the whole or for pieces, one after another, with device memory itself
   * to write to where that can be. No program may use the storage meanwhile; when `read` fails its content is undefined.
   */
  load(read: ReadElements): Promise<void>;
  /** Takes the content that `initialValues` gives, bit for bit; of a float32 variable. */
  draw(init: Initializer, seed: number, name: string): Promise<void>;
  /** Copies the content out as float32, into `into` when given. */
  read(into?: Float32Array): Promise<Float32Array>;
  free(): void;
}

export interface CompileOptions {
  /** Forces an algorithm: node name or op name → algorithm name (see `Backend.algorithms`). */
  readonly algorithms?: Readonly<Record<string, string>>;
}

export interface RunOptions {
  /** Arrays that results are written into, by output name; the others get fresh arrays. */
  readonly into?: Readonly<Record<string, Float32Array>>;
  /** Outputs to copy out; all of them by default. */
  readonly fetch?: readonly string[];
  /** Measures every step of the plan. */
  readonly timings?: boolean;
  readonly signal?: AbortSignal;
}

export interface RunResult {
  readonly outputs: Readonly<Record<string, Float32Array>>;
  /** Milliseconds per step of the plan, in its order; present when asked for. */
  readonly timings?: Float64Array;
  /** Where a backend can tell; present with `timings`. */
  readonly products?: Products;
}

/** The products of matrices inside the steps of a plan, as one thread sees them, without the packing around them. */
export interface Products {
  /** Milliseconds per step of the plan, in its order; 0 where the step has none, or does not tell. */
  readonly ms: Float64Array;
  /** Multiply-adds that were really done in that time: fewer than the direct convolution's, where the algorithm saves some. */
  readonly multiplyAdds: Float64Array;
}

/** A kernel as it was made for a program. */
export interface KernelSource {
  readonly kernel: string;
  readonly constants: Readonly<Record<string, number | boolean | string>>;
  readonly source: string;
}

/** A graph that has been lowered, planned and recorded. Runs of one backend follow one another. */
export interface Executable {
  readonly graph: Graph;
  readonly plan: Plan;
  /** Inputs by name; throws an InputError when one is missing or has the wrong length or element type. */
  run(inputs: Readonly<Record<string, TypedArray>>, options?: RunOptions): Promise<RunResult>;
  /**
   * As `run`, but returns as soon as the device has the run; inputs may be changed then. Of backends that compute beside the calling
   * thread.
   */
  start?(
    inputs: Readonly<Record<string, TypedArray>>,
    options?: RunOptions,
  ): Promise<{ readonly finished: Promise<RunResult> }>;
  /** Does what the next run would do before its first step, so that it starts at once: packs variables. */
  prepare(): Promise<void>;
  /** Each kernel that the program runs, once; of backends that make theirs anew for every program. */
  sources?(): readonly KernelSource[];
  free(): void;
}

export interface Backend {
  readonly info: BackendInfo;
  allocate(type: TensorType, label: string): Storage;
  /** Legal algorithms for a node, the default first. */
  algorithms(graph: Graph, node: Node): readonly string[];
  /** `variables` gives the storage of each variable of the graph, by value id. */
  compile(graph: Graph, variables: ReadonlyMap<number, Storage>, options?: CompileOptions): Promise<Executable>;
  close(): Promise<void>;
}
