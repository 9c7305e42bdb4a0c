/** The one list of backends. Each is loaded when it is first opened, so that importing the library costs nothing. */
import { ArgumentError } from '../errors.js';
import type { Backend } from './backend.js';

export const backendNames = ['wasm', 'webgpu', 'reference'] as const;
export type BackendName = (typeof backendNames)[number];

export const simdLevels = ['auto', 'plain', 'relaxed'] as const;
export type SimdLevel = (typeof simdLevels)[number];

/** More threads than any machine of today has cores for; a guard against mistakes. */
const mostThreads = 256;

export interface BackendOptions {
  /** 'wasm' by default; 'reference' is plain float64 TypeScript, slow and right. */
  readonly backend?: BackendName;
  /** Number of threads that compute, the calling one included where it may block; the backend's choice by default. */
  readonly threads?: number;
  /** 'auto' takes relaxed SIMD (fused multiply-add) where it is found; the others insist. */
  readonly simd?: SimdLevel;
  /** False keeps to one thread and memory that is not shared. */
  readonly sharedMemory?: boolean;
  /** For 'webgpu': a device of the caller's, which is used and never destroyed. */
  readonly device?: GPUDevice;
}

/**
 * @throws ArgumentError for an option that cannot be
 * @throws BackendError when what was asked for is not to be had here
 */
export async function openBackend(options: BackendOptions = {}): Promise<Backend> {
  const { backend = 'wasm', threads, simd = 'auto', sharedMemory } = options;
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
      return openWebGpuBackend({ device: options.device });
    }
    case 'reference': {
      const { openReferenceBackend } = await import('./reference/index.js');
      return openReferenceBackend();
    }
    default:
      throw new ArgumentError(`backend must be one of ${backendNames.join(', ')}, got ${String(backend)}`);
  }
}
