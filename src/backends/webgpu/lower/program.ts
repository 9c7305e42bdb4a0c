/** What lowering for WebGPU makes of a graph: dispatches over buffers, before any device object exists. */
import type { Node } from '../../../graph/graph.js';
import type { DType } from '../../../ops/define.js';
import type { Constants } from '../source.js';
import type { SquareTile } from './tiles.js';

/** A piece of device memory. */
export interface Buffer {
  readonly name: string;
  readonly bytes: number;
  /** 'arena': lives within a run. 'input': written by the caller before it. 'variable': the storage of a variable. 'packed': made from one, kept. */
  readonly home: 'arena' | 'input' | 'variable' | 'packed';
  /** For 'variable' and 'packed': value id of the variable. */
  readonly variable?: number;
}

/** Index of a buffer in the lowered program. */
export type BufferIndex = number;

/** A parameter of a kernel: a 32-bit integer, or a float32. */
export type Word = number | { readonly float: number };

export function float(value: number): Word {
  return { float: value };
}

/** What a kernel that ends with `max(value, least)` is given: 0 for a ReLU, else a number that is below all. */
export function leastValue(relu: boolean): Word {
  return float(relu ? 0 : -(2 - 2 ** -23) * 2 ** 127);
}

/** A storage buffer as a kernel sees it; bindings are numbered from 1 in the order given, 0 are the parameters. */
export interface Binding {
  readonly buffer: BufferIndex;
  /** As declared in the WGSL: `read` or `read_write`. */
  readonly access: 'read' | 'write';
  /** First byte and number of bytes; the whole buffer by default. Offsets are multiples of 256. */
  readonly offset?: number;
  readonly bytes?: number;
}

export interface Dispatch {
  /** File in kernels/, without '.wgsl'; the entry point is `main`. */
  readonly kernel: string;
  readonly constants: Constants;
  readonly bindings: readonly Binding[];
  /** The kernel's uniform struct, word by word. */
  readonly params: readonly Word[];
  readonly workgroups: readonly [number, number, number];
  readonly node: Node;
  readonly algorithm: string;
  /** The dispatch that does the node's arithmetic; the others pack for it or finish it. */
  readonly main: boolean;
}

export interface Lowered {
  readonly buffers: readonly Buffer[];
  readonly dispatches: readonly Dispatch[];
  /** Fill the packed buffers; run again only when a variable has changed. */
  readonly preparation: readonly Dispatch[];
  readonly bufferOf: ReadonlyMap<number, BufferIndex>;
}

/** What a plan must keep to, named as WebGPU names it. */
export interface Limits {
  readonly maxBufferSize: number;
  readonly maxStorageBufferBindingSize: number;
  readonly maxStorageBuffersPerShaderStage: number;
  readonly maxComputeWorkgroupsPerDimension: number;
  readonly maxComputeInvocationsPerWorkgroup: number;
  readonly maxComputeWorkgroupStorageSize: number;
}

/** Optional features that kernels can use. */
export type Feature = 'subgroups';
export const kernelFeatures: readonly Feature[] = ['subgroups'];

/** Limits that every WebGPU device has. */
export const defaultLimits: Limits = {
  maxBufferSize: 2 ** 28,
  maxStorageBufferBindingSize: 2 ** 27,
  maxStorageBuffersPerShaderStage: 8,
  maxComputeWorkgroupsPerDimension: 65535,
  maxComputeInvocationsPerWorkgroup: 256,
  maxComputeWorkgroupStorageSize: 16384,
};

/** Offsets of bindings are multiples of this. */
export const offsetAlignment = 256;

/** A tensor as a binding of a step that may be cut into several dispatches. */
export interface StepBinding {
  readonly buffer: BufferIndex;
  readonly access: 'read' | 'write';
  /** Bytes that one unit of the step's work takes of it; 0 when every unit sees the whole tensor. */
  readonly unitBytes: number;
}

/**
 * A kernel over `units` like pieces of work (images, rows, blocks of elements), which lowering cuts into as many dispatches as the
 * limits on binding sizes ask for. A binding that is cut begins at the first unit of its dispatch.
 */
export interface Step {
  readonly kernel: string;
  readonly constants?: Constants;
  readonly units: number;
  readonly bindings: readonly StepBinding[];
  /** Parameters of a dispatch of `count` units from unit `first` on. */
  readonly params: (count: number, first: number) => readonly Word[];
  readonly workgroups: (count: number) => readonly [number, number, number];
}

export interface LowerContext {
  readonly node: Node;
  readonly limits: Limits;
  /** Those that the device has. */
  readonly features: readonly Feature[];
  /** Tile of matrix products that goes before the estimated one. */
  readonly tile?: SquareTile;
  shape(value: number): readonly number[];
  dtype(value: number): DType;
  /** Buffers of the node's inputs and outputs, by position. */
  input(index: number): BufferIndex;
  output(index: number): BufferIndex;
  /** An intermediate that lives from one step of this node to a later one. */
  temporary(name: string, bytes: number): BufferIndex;
  /**
   * A form of input `index` that kernels read instead of it, filled by the step that `fill` describes. Of a variable that this graph
   * does not change it is kept between runs and shared under `key`; otherwise it is made anew in each run.
   */
  packed(index: number, key: string, bytes: number, fill: (from: BufferIndex, to: BufferIndex) => Step): BufferIndex;
  /** The step that does the arithmetic of the node. */
  step(step: Step): void;
  /** A step that prepares for it or finishes it. */
  preparation(step: Step): void;
}

export type LowerRule = (context: LowerContext) => void;

/** Invocations of a workgroup of the element-wise kernels. */
export const workgroupSize = 256;

/** Workgroups in two dimensions for `count` of them, where one dimension does not hold them; kernels skip those beyond. */
export function grid(count: number, limits: Limits): readonly [number, number, number] {
  const x = Math.max(1, Math.min(count, limits.maxComputeWorkgroupsPerDimension));
  return [x, Math.max(1, Math.ceil(count / x)), 1];
}
