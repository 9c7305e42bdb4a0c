/**
 * The control block: words through which threads keep in step and the host gives commands, each on a cache line of its own.
 * The first six are those of `assembly/lib/barrier.ts`. Indices count 32-bit words.
 */
export const controlBytes = 1024;

export const word = {
  arrived: 0,
  generation: 16,
  failure: 32,
  sleepers: 48,
  taken: 64,
  /** How often a thread looks at the barrier before it goes to sleep. */
  spins: 80,
  /** Number of the current command; threads sleep on it. */
  command: 96,
  /** Threads that are done with the current command. */
  finished: 112,
  tape: 128,
  times: 129,
  quit: 130,
} as const;

/** Values of the failure word. */
export const failure = { thread: 1, barrier: 2, aborted: 3 } as const;

export interface ThreadStart {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  /** Address of the control block. */
  readonly control: number;
  readonly thread: number;
  readonly threads: number;
}

export type ThreadMessage =
  | { readonly kind: 'ready' }
  /** The last thread is done with a command. */
  | { readonly kind: 'done' }
  | { readonly kind: 'error'; readonly message: string };
