/** Finds, compiles and instantiates the WebAssembly builds. */
import { BackendError } from '../../errors.js';
import { inNode } from './platform.js';

export type Build = 'plain' | 'relaxed' | 'plain-shared' | 'relaxed-shared';

/** What the kernels export. Addresses are unsigned; JavaScript numbers wrap to them. */
export interface Kernels {
  /** Runs a tape; 0, or the error word of the barrier. */
  run(tape: number, control: number, thread: number, threads: number, times: number): number;
  heapBase(): number;
  peak(rounds: number, factor: number): number;
  readonly [name: `Kernel.${string}`]: WebAssembly.Global;
}

export async function compile(build: Build): Promise<WebAssembly.Module> {
  const url = locate(build);
  try {
    if (inNode() && url.protocol === 'file:') {
      const { readFile } = await import('node:fs/promises');
      return await WebAssembly.compile(await readFile(url));
    }
    return await WebAssembly.compileStreaming(fetch(url));
  } catch (error) {
    throw new BackendError(`the wasm build '${build}' could not be loaded: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** Each file by a name in full: so bundlers find them. */
function locate(build: Build): URL {
  switch (build) {
    case 'plain':
      return new URL('../../../wasm/plain.wasm', import.meta.url);
    case 'relaxed':
      return new URL('../../../wasm/relaxed.wasm', import.meta.url);
    case 'plain-shared':
      return new URL('../../../wasm/plain-shared.wasm', import.meta.url);
    case 'relaxed-shared':
      return new URL('../../../wasm/relaxed-shared.wasm', import.meta.url);
  }
}

export function instantiate(module: WebAssembly.Module, memory: WebAssembly.Memory): Kernels {
  const { log, cos, sin } = Math;
  const imports = {
    env: { memory },
    clock: { now: () => performance.now() },
    normal: { log, cos, sin },
    sleep: {
      sleep: (address: number, value: number, milliseconds: number) =>
        Atomics.wait(new Int32Array(memory.buffer), address >>> 2, value, milliseconds),
    },
  };
  return new WebAssembly.Instance(module, imports).exports as unknown as Kernels;
}

/** Kernel numbers by name. */
export function kernelNumbers(kernels: Kernels): ReadonlyMap<string, number> {
  const numbers = new Map<string, number>();
  for (const [name, value] of Object.entries(kernels)) {
    if (name.startsWith('Kernel.')) numbers.set(name.slice('Kernel.'.length), (value as WebAssembly.Global).value);
  }
  return numbers;
}
