/** The WebAssembly backend: SIMD kernels written in AssemblyScript, on any number of threads, everywhere. */
import { BackendError } from '../../errors.js';
import type { Graph, Node } from '../../graph/graph.js';
import type { TensorType } from '../../ops/define.js';
import type { Backend, BackendInfo, CompileOptions, Executable, Storage } from '../backend.js';
import { WasmDevice } from './device.js';
import { WasmExecutable } from './executable.js';
import { Heap, mostPages, pageBytes } from './heap.js';
import { algorithmNames } from './lower/lower.js';
import { compile, instantiate } from './module.js';
import {
  defaultThreads,
  enableRelaxedSimd,
  relaxedSimdAvailable,
  sharedMemoryAvailable,
  simdAvailable,
} from './platform.js';
import { WasmStorage } from './storage.js';
import { openInline, openPool } from './threads.js';

export interface WasmOptions {
  readonly threads?: number;
  readonly simd?: 'auto' | 'plain' | 'relaxed';
  /** False keeps to one thread and unshared memory. */
  readonly sharedMemory?: boolean;
  /** Why this backend was chosen, for `info`. */
  readonly choice?: string;
}

/**
 * Accuracy in units of 2⁻²⁴. Division and square root are correctly rounded in WebAssembly; exp, log and pow are ports of
 * musl's single-precision functions, computed in double precision and right to within an ulp. tanh, and the exponential in
 * sigmoid, are our own: assembly/lib/elementary.ts has their measured errors, 3.12 and 1.42.
 */
const accuracy = { divide: 1, sqrt: 1, exp: 2, log: 2, pow: 2, tanh: 4 } as const;

/** Memory before the first block: static data and a first page of the heap. */
const initialPages = 4;

/**
 * @throws BackendError when SIMD, relaxed SIMD or threads are asked for and not to be had
 */
export async function openWasmBackend(options: WasmOptions = {}): Promise<Backend> {
  if (!simdAvailable()) throw new BackendError('this runtime has no WebAssembly SIMD');
  const relaxed =
    options.simd === 'relaxed' ? await enableRelaxedSimd() : options.simd !== 'plain' && relaxedSimdAvailable();
  if (options.simd === 'relaxed' && !relaxed) throw new BackendError('this runtime has no relaxed SIMD in WebAssembly');
  const shared = options.sharedMemory ?? sharedMemoryAvailable();
  if (shared && !sharedMemoryAvailable()) {
    throw new BackendError('shared memory is not to be had here (a page must be served with COOP and COEP headers)');
  }
  const threads = options.threads ?? (shared ? await defaultThreads() : 1);
  if (threads > 1 && !shared) throw new BackendError(`${threads} threads need shared memory`);

  const simd = relaxed ? 'relaxed' : 'plain';
  const module = await compile(shared ? `${simd}-shared` : simd);
  const memory = openMemory(shared);
  const kernels = instantiate(module, memory);
  const heap = new Heap(memory, kernels.heapBase());
  const runner = shared ? await openPool(module, heap, threads) : openInline(kernels);
  const info: BackendInfo = {
    name: 'wasm',
    description: `wasm, ${simd} SIMD, ${threads} thread${threads === 1 ? '' : 's'}${shared ? '' : ', no shared memory'}`,
    threads,
    simd,
    sharedMemory: shared,
    memoryLimit: mostPages * pageBytes,
    accuracy,
    nonFinite: true,
    ...(options.choice !== undefined && { choice: options.choice }),
  };
  return new WasmBackend(info, new WasmDevice(heap, runner, relaxed, kernels));
}

function openMemory(shared: boolean): WebAssembly.Memory {
  // A page of a small device may not grant the whole address space.
  for (let maximum = mostPages; ; maximum = Math.floor(maximum / 2)) {
    try {
      return new WebAssembly.Memory({ initial: initialPages, maximum, shared });
    } catch (error) {
      if (maximum > 4096) continue;
      throw new BackendError(`no memory for WebAssembly: ${(error as Error).message}`, { cause: error });
    }
  }
}

class WasmBackend implements Backend {
  constructor(
    readonly info: BackendInfo,
    private readonly device: WasmDevice,
  ) {}

  allocate(type: TensorType, label: string): Storage {
    return new WasmStorage(this.device, type, label);
  }

  algorithms(graph: Graph, node: Node): readonly string[] {
    return algorithmNames(graph, node);
  }

  compile(graph: Graph, variables: ReadonlyMap<number, Storage>, options: CompileOptions = {}): Promise<Executable> {
    // In the queue, for a larger program moves the arena.
    return this.device.exclusively(async () => new WasmExecutable(this.device, graph, variables, options.algorithms));
  }

  close(): Promise<void> {
    return this.device.close();
  }
}
