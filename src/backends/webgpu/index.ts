/** The WebGPU backend: WGSL kernels on a GPU, in Node (through Dawn) and in a page. */
import { BackendError } from '../../errors.js';
import type { Graph, Node } from '../../graph/graph.js';
import type { TensorType } from '../../ops/define.js';
import type { Backend, BackendInfo, CompileOptions, Executable, Storage } from '../backend.js';
import { findAdapter, isSoftware, nameOf } from './adapter.js';
import { GpuDevice } from './device.js';
import { GpuExecutable } from './executable.js';
import { kernelsVersion } from './generated/kernels.js';
import { algorithmNames } from './lower/lower.js';
import { defaultLimits, kernelFeatures, type Limits } from './lower/program.js';
import { GpuStorage } from './storage.js';

export interface WebGpuOptions {
  /** A device of the caller's, which is never destroyed; its own otherwise. */
  readonly device?: GPUDevice;
  /** Limits that plans keep to where they are smaller than the device's: to test what a lesser device would do. */
  readonly limits?: Partial<Limits>;
  /** Refuses a software adapter. */
  readonly hardware?: boolean;
  /** Why this backend was chosen, for `info`. */
  readonly choice?: string;
}

/**
 * Accuracy in units of 2⁻²⁴, from the WGSL specification, "Accuracy of concrete floating point expressions": division 2.5 ULP, sqrt as
 * 1 ÷ inverseSqrt (2 ULP), exp 3 + 2·|x| ULP, log 3 ULP (absolute 2⁻²¹ near 1), pow as exp2(y·log2(x)), tanh as a quotient of exponentials.
 * An ULP is two units.
 */
const accuracy = { divide: 5, sqrt: 9, exp: 40, log: 16, pow: 64, tanh: 64 } as const;

/** Features that are used where they are to be had. */
const usefulFeatures = [...kernelFeatures, 'timestamp-query'] as const;

/** @throws BackendError when there is no WebGPU or no adapter here, or only a software adapter where hardware is asked for */
export async function openWebGpuBackend(options: WebGpuOptions = {}): Promise<Backend> {
  const { device } = options;
  const { gpu, features } = device ? { gpu: device, features: device.features } : await openDevice(options);
  const limits = limitsOf(gpu.limits, options.limits);
  const name = nameOf(gpu.adapterInfo);
  const software = isSoftware(gpu.adapterInfo);
  const info: BackendInfo = {
    name: 'webgpu',
    description: `webgpu, ${name}${software ? ' (software adapter)' : ''}`,
    threads: 1,
    simd: 'none',
    sharedMemory: false,
    memoryLimit: Number.MAX_SAFE_INTEGER,
    accuracy,
    nonFinite: false,
    adapter: {
      name,
      software,
      features: [...features].sort(),
      used: usefulFeatures.filter((feature) => gpu.features.has(feature)),
      kernels: kernelsVersion,
      limits: { ...limits },
    },
    ...(options.choice !== undefined && { choice: options.choice }),
  };
  return new WebGpuBackend(info, new GpuDevice(gpu, limits, device === undefined));
}

/** What plans keep to: limits of a device or adapter, and of those pretended the smaller ones. */
function limitsOf(given: GPUSupportedLimits, pretended: Partial<Limits> = {}): Limits {
  const names = Object.keys(defaultLimits) as (keyof Limits)[];
  const entries = names.map((name) => [name, Math.min(given[name], pretended[name] ?? Number.POSITIVE_INFINITY)]);
  return Object.fromEntries(entries) as Limits;
}

/**
 * A device with all useful features and limits of the adapter, and the names of all features of the adapter. What it pretends to be it
 * also enforces, down to the default limits.
 */
async function openDevice({
  hardware,
  limits,
}: WebGpuOptions): Promise<{ gpu: GPUDevice; features: Iterable<string> }> {
  const adapter = await findAdapter();
  if (hardware && isSoftware(adapter.info)) {
    throw new BackendError(`WebGPU found a software adapter only (${nameOf(adapter.info)})`);
  }
  const requiredFeatures = usefulFeatures.filter((feature) => adapter.features.has(feature)) as GPUFeatureName[];
  const requiredLimits = { ...limitsOf(adapter.limits, limits) };
  try {
    return { gpu: await adapter.requestDevice({ requiredFeatures, requiredLimits }), features: adapter.features };
  } catch (error) {
    throw new BackendError(`the adapter gave no WebGPU device: ${(error as Error).message}`, { cause: error });
  }
}

class WebGpuBackend implements Backend {
  constructor(
    readonly info: BackendInfo,
    private readonly device: GpuDevice,
  ) {}

  allocate(type: TensorType, label: string): Storage {
    return new GpuStorage(this.device, type, label);
  }

  algorithms(graph: Graph, node: Node): readonly string[] {
    return algorithmNames(graph, node, this.device.limits, this.device.features);
  }

  compile(graph: Graph, variables: ReadonlyMap<number, Storage>, options: CompileOptions = {}): Promise<Executable> {
    return GpuExecutable.make(this.device, graph, variables, options.algorithms);
  }

  close(): Promise<void> {
    return this.device.close();
  }
}
