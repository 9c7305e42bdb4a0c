/** What storages and executables of one engine share: the memory, the threads, the arena, and one queue. */
import { BackendError } from '../../errors.js';
import type { Heap } from './heap.js';
import { type Kernels, kernelNumbers } from './module.js';
import type { Runner } from './threads.js';

/**
 * The memory that runs use for everything that does not outlive them. Programs follow one another, so one block is enough
 * for all; when a program needs more, the block moves, and programs write their tapes anew.
 */
export class Arena {
  address = 0;
  private bytes = 0;

  constructor(private readonly heap: Heap) {}

  reserve(bytes: number): void {
    if (this.address && bytes <= this.bytes) return;
    if (this.address) this.heap.free(this.address);
    this.address = 0;
    this.address = this.heap.allocate(bytes, 'the arena');
    this.bytes = bytes;
  }
}

export class WasmDevice {
  readonly arena: Arena;
  private readonly numbers: ReadonlyMap<string, number>;
  private queue: Promise<unknown> = Promise.resolve();
  private closed = false;

  constructor(
    readonly heap: Heap,
    readonly runner: Runner,
    kernels: Kernels,
  ) {
    this.arena = new Arena(heap);
    this.numbers = kernelNumbers(kernels);
  }

  get threads(): number {
    return this.runner.threads;
  }

  kernelNumber(name: string): number {
    const number = this.numbers.get(name);
    if (number === undefined) throw new BackendError(`the wasm build has no kernel '${name}'`);
    return number;
  }

  /** Does one thing after another: nobody touches the memory while a tape runs. */
  exclusively<T>(job: () => Promise<T>): Promise<T> {
    if (this.closed) return Promise.reject(new BackendError('the engine is closed'));
    const result = this.queue.then(job);
    this.queue = result.catch(() => undefined);
    return result;
  }

  /** Runs one kernel on all threads, outside any program. Only within `exclusively`. */
  async runOnce(kernel: string, words: readonly number[]): Promise<void> {
    const tape = [1, this.kernelNumber(kernel), (words.length + 2) * 4, ...words];
    const address = this.heap.allocate(tape.length * 4, `a call of ${kernel}`);
    try {
      this.heap.words(address, tape.length).set(tape);
      await this.runner.run(address, 0);
    } finally {
      this.heap.free(address);
    }
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    await this.queue;
    await this.runner.close();
  }
}
