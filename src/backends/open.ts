/** The one list of backends. Each is loaded when it is first opened, so that importing the library costs nothing. */
import { ArgumentError, BackendError } from '../errors.js';
import type { Backend } from './backend.js';
import type { TuneOptions } from './tune.js';

export const backendNames = ['wasm', 'webgpu', 'reference'] as const;
export type BackendName = (typeof backendNames)[number];

/** Those that compute on a graphics adapter. */
export const adapterBackends: readonly BackendName[] = ['webgpu'];

export const simdLevels = ['auto', 'plain', 'relaxed'] as const;
export type SimdLevel = (typeof simdLevels)[number];

/** More threads than any machine of today has cores for; a guard against mistakes. */
const mostThreads = 256;

export interface BackendOptions {
  /**
   * By default WebGPU where it has a hardware adapter, else WebAssembly, else WebGPU on a software adapter; `info` says what was chosen and
   * why. A device means WebGPU; options that only WebAssembly has mean that. 'reference' is plain float64 TypeScript, slow and right.
   */
  readonly backend?: BackendName;
  /** Number of threads that compute, the calling one included where it may block; the backend's choice by default. */
  readonly threads?: number;
  /** 'auto' takes relaxed SIMD (fused multiply-add) where it is found; the others insist. */
  readonly simd?: SimdLevel;
  /** False keeps to one thread and memory that is not shared. */
  readonly sharedMemory?: boolean;
  /** For 'webgpu': a device of the caller's, which is used and never destroyed. Kernels use 'subgroups' when it has that feature. */
  readonly device?: GPUDevice;
  /**
   * Autotuning, of backends that compute on an adapter: true times the algorithms of each node on its shapes when a program is compiled, and
   * keeps the choice in a file. By default what was kept is used; false leaves it aside, so that shapes alone decide.
   */
  readonly tune?: boolean | TuneOptions;
}

/**
 * @throws ArgumentError for an option that cannot be
 * @throws BackendError when what was asked for is not to be had here
 */
export async function openBackend(options: BackendOptions = {}): Promise<Backend> {
  const backend = await openPlain(options);
  if (!backend.info.adapter) return backend;
  const { tuned } = await import('./tune.js');
  return tuned(backend, options.tune).catch(async (error: unknown) => {
    await backend.close();
    throw error;
  });
}

async function openPlain(options: BackendOptions): Promise<Backend> {
  const { backend = implied(options), threads, simd = 'auto', sharedMemory, device } = options;
  if (threads !== undefined && (!Number.isInteger(threads) || threads < 1 || threads > mostThreads)) {
    throw new ArgumentError(`threads must be an integer from 1 to ${mostThreads}, got ${threads}`);
  }
  if (!simdLevels.includes(simd)) {
    throw new ArgumentError(`simd must be one of ${simdLevels.join(', ')}, got ${simd}`);
  }
  switch (backend) {
    case 'wasm': {
      const { openWasmBackend } = await import('./wasm/index.js');
      return openWasmBackend({ threads, simd, sharedMemory });
    }
    case 'webgpu': {
      const { openWebGpuBackend } = await import('./webgpu/index.js');
      return openWebGpuBackend({ device });
    }
    case 'reference': {
      const { openReferenceBackend } = await import('./reference/index.js');
      return openReferenceBackend();
    }
    case undefined:
      return openBest();
    default:
      throw new ArgumentError(`backend must be one of ${backendNames.join(', ')}, got ${String(backend)}`);
  }
}

/**
 * What there is to compare on this machine: WebAssembly, and the backends that have a hardware adapter here; of the others, why not.
 */
export async function backendsHere(): Promise<{
  readonly found: readonly BackendName[];
  readonly absent: readonly { readonly backend: BackendName; readonly reason: string }[];
}> {
  const { openWebGpuBackend } = await import('./webgpu/index.js');
  try {
    await (await openWebGpuBackend({ hardware: true })).close();
    return { found: ['wasm', 'webgpu'], absent: [] };
  } catch (error) {
    if (!(error instanceof BackendError)) throw error;
    return { found: ['wasm'], absent: [{ backend: 'webgpu', reason: error.message }] };
  }
}

/** The backend that the other options speak of, if any. */
function implied({ device, threads, simd, sharedMemory }: BackendOptions): BackendName | undefined {
  if (device) return 'webgpu';
  return threads !== undefined || simd !== undefined || sharedMemory !== undefined ? 'wasm' : undefined;
}

/** A hardware adapter before WebAssembly, WebAssembly before a software adapter. */
async function openBest(): Promise<Backend> {
  const { openWebGpuBackend } = await import('./webgpu/index.js');
  const { openWasmBackend } = await import('./wasm/index.js');
  const reasons: string[] = [];
  for (const open of [
    () => openWebGpuBackend({ hardware: true, choice: 'WebGPU has a hardware adapter' }),
    () => openWasmBackend({ choice: reasons[0] }),
    () => openWebGpuBackend({ choice: reasons[1] }),
  ]) {
    try {
      return await open();
    } catch (error) {
      if (!(error instanceof BackendError)) throw error;
      reasons.push(error.message);
    }
  }
  throw new BackendError(`no backend is to be had here: ${[...new Set(reasons)].join('; ')}`);
}
