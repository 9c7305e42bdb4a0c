/** Who runs tapes: a pool of workers over shared memory, or the calling thread alone. */
import { BackendError } from '../../errors.js';
import { controlBytes, failure, type ThreadMessage, type ThreadStart, word } from './control.js';
import type { Heap } from './heap.js';
import type { Kernels } from './module.js';
import { availableCores, inNode } from './platform.js';

export interface Runner {
  readonly threads: number;
  /** Runs a tape to its end. `times` is where the tape notes its times (see `run` in assembly/lib/tape.ts), or 0. */
  run(tape: number, times: number, signal?: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

/** One thread, no shared memory: kernels run where they are called. */
export function openInline(kernels: Kernels): Runner {
  return {
    threads: 1,
    async run(tape, times, signal) {
      signal?.throwIfAborted();
      try {
        kernels.run(tape, 0, 0, 1, times);
      } catch (error) {
        throw new BackendError(`a kernel failed: ${String(error)}`, { cause: error });
      }
    },
    close: async () => undefined,
  };
}

/** What Node's workers and those of a page have in common here. */
interface Thread {
  start(message: ThreadStart): void;
  onMessage(listener: (message: ThreadMessage) => void): void;
  onFailure(listener: (reason: string) => void): void;
  /** Whether the thread keeps the process alive. */
  hold(held: boolean): void;
  end(): Promise<void>;
}

/** A name of its own, so that bundlers for a page leave it out. */
const nodeScript = './workerNode.js';

async function openThread(): Promise<Thread> {
  if (inNode()) {
    const { Worker } = await import('node:worker_threads');
    // Options of the process may be meant for its first script only, as --input-type is.
    const worker = new Worker(new URL(nodeScript, import.meta.url), { execArgv: [] });
    return {
      start: (message) => worker.postMessage(message),
      onMessage: (listener) => void worker.on('message', listener),
      onFailure: (listener) => {
        worker.on('error', (error) => listener(String(error)));
        worker.on('exit', (code) => listener(`the thread ended with code ${code}`));
      },
      hold: (held) => (held ? worker.ref() : worker.unref()),
      end: async () => void (await worker.terminate()),
    };
  }
  // In these words bundlers find the script.
  const worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
  return {
    start: (message) => worker.postMessage(message),
    onMessage: (listener) => worker.addEventListener('message', ({ data }) => listener(data as ThreadMessage)),
    onFailure: (listener) => worker.addEventListener('error', (event) => listener(event.message)),
    hold: () => undefined,
    end: async () => worker.terminate(),
  };
}

/** Opens `count` threads over the heap's shared memory and waits until all of them are ready. */
export async function openPool(module: WebAssembly.Module, heap: Heap, count: number): Promise<Runner> {
  const address = heap.allocate(controlBytes, 'thread control');
  heap.bytes(address, controlBytes).fill(0);
  // Some tens of microseconds: more than most waits, less than a scheduler's slice. With more threads than cores the one
  // that is waited for may need the core of the one that waits.
  heap.words(address, controlBytes / 4)[word.spins] = count <= (await availableCores()) ? 20_000 : 100;
  const threads = await Promise.all(Array.from({ length: count }, openThread));
  const pool = new Pool(new Int32Array(heap.memory.buffer, address, controlBytes / 4), threads);
  try {
    await pool.open((thread) => ({ module, memory: heap.memory, control: address, thread, threads: count }));
  } catch (error) {
    await pool.close();
    throw error;
  }
  return pool;
}

class Pool implements Runner {
  private waiting?: { resolve: () => void; reject: (error: Error) => void };
  private cause?: string;
  private dead?: string;
  private closing = false;

  constructor(
    private readonly control: Int32Array,
    private readonly pool: readonly Thread[],
  ) {}

  get threads(): number {
    return this.pool.length;
  }

  async open(start: (thread: number) => ThreadStart): Promise<void> {
    const ready = this.wait();
    let missing = this.pool.length;
    this.pool.forEach((thread, index) => {
      thread.onFailure((reason) => this.died(reason));
      thread.onMessage((message) => {
        if (message.kind === 'error') this.cause = message.message;
        else if (message.kind === 'done' || --missing === 0) this.settle();
      });
      thread.start(start(index));
    });
    await ready;
    for (const thread of this.pool) thread.hold(false);
  }

  async run(tape: number, times: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if (this.dead) throw new BackendError(`a thread has died: ${this.dead}`);
    const { control } = this;
    const abort = (): void => {
      Atomics.store(control, word.failure, failure.aborted);
      Atomics.notify(control, word.generation);
    };
    for (const index of [word.arrived, word.failure, word.sleepers, word.taken, word.finished])
      Atomics.store(control, index, 0);
    Atomics.store(control, word.tape, tape);
    Atomics.store(control, word.times, times);
    // One thread is enough to keep the process alive until the last one is done.
    this.pool[0].hold(true);
    signal?.addEventListener('abort', abort, { once: true });
    const done = this.wait();
    Atomics.add(control, word.command, 1);
    Atomics.notify(control, word.command);
    try {
      await done;
    } finally {
      signal?.removeEventListener('abort', abort);
      this.pool[0].hold(false);
    }
    const failed = Atomics.load(control, word.failure);
    if (failed === 0) return;
    if (failed === failure.aborted) signal?.throwIfAborted();
    throw new BackendError(await this.reason(failed));
  }

  async close(): Promise<void> {
    this.closing = true;
    Atomics.store(this.control, word.quit, 1);
    Atomics.add(this.control, word.command, 1);
    Atomics.notify(this.control, word.command);
    await Promise.all(this.pool.map((thread) => thread.end()));
  }

  private async reason(failed: number): Promise<string> {
    if (failed === failure.barrier) return 'a thread did not reach the barrier in two minutes';
    // The cause comes by another channel than the end of the run.
    for (let i = 0; i < 20 && this.cause === undefined; i++) await new Promise((resolve) => setTimeout(resolve, 5));
    const cause = this.cause ?? 'no cause was reported';
    this.cause = undefined;
    return `a kernel failed: ${cause}`;
  }

  private wait(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.waiting = { resolve, reject };
    });
  }

  private settle(): void {
    this.waiting?.resolve();
    this.waiting = undefined;
  }

  private died(reason: string): void {
    if (this.closing || this.dead) return;
    this.dead = reason;
    // Those that wait for it at a barrier must not wait for ever.
    Atomics.store(this.control, word.failure, failure.thread);
    Atomics.notify(this.control, word.generation);
    this.waiting?.reject(new BackendError(`a thread has died: ${reason}`));
    this.waiting = undefined;
  }
}
