/** What one who measures and an implementation that computes elsewhere, in another process or in a page, say to each other. */
import { TandemError } from '../../src/errors.js';
import { type Implementation, MissingPeer, type Mode } from '../implementation.js';

export type Request =
  | { readonly kind: 'run'; readonly mode: Mode; readonly index: number }
  | { readonly kind: 'device'; readonly mode: Mode; readonly runMs: number }
  | { readonly kind: 'flight'; readonly mode: Mode; readonly count: number }
  | { readonly kind: 'logits'; readonly index: number };

/** An implementation without what it does. */
export type Described = Pick<
  Implementation,
  'name' | 'version' | 'backend' | 'variant' | 'lossy' | 'onAdapter' | 'threads' | 'modes'
>;

export interface Failure {
  readonly error: string;
  /** Whether it was a MissingPeer, and whether at least something that is thrown on purpose. */
  readonly missing: boolean;
  readonly deliberate: boolean;
}

export type Reply =
  | { readonly ms: number }
  | { readonly deviceMs?: number }
  | { readonly logits: ArrayLike<number> }
  | Failure;

export function describe({
  name,
  version,
  backend,
  variant,
  lossy,
  onAdapter,
  threads,
  modes,
}: Implementation): Described {
  return { name, version, backend, variant, lossy, onAdapter, threads, modes };
}

/** The other end: what an implementation answers. It times its own runs. */
export async function answer(implementation: Implementation, request: Request): Promise<Reply> {
  switch (request.kind) {
    case 'logits':
      return { logits: await implementation.logits(request.index) };
    case 'device':
      return { deviceMs: await implementation.deviceMs?.(request.mode, request.runMs) };
    case 'flight':
      if (!implementation.inFlight) throw new Error(`${implementation.name} has no runs in flight`);
      return { ms: await implementation.inFlight(request.mode, request.count) };
    case 'run': {
      const start = performance.now();
      const own = await implementation.run(request.mode, request.index);
      return { ms: own ?? performance.now() - start };
    }
  }
}

export function failure(error: unknown): Failure {
  const message = error instanceof Error ? error.message : String(error);
  return { error: message, missing: error instanceof MissingPeer, deliberate: error instanceof TandemError };
}

/** Asks over some way to the other end, which answers one question at a time. @throws what the other end threw */
export type Ask = <R extends object>(request: object) => Promise<R>;

/** What a reply holds; throws what it says went wrong. */
export function contentOf<R extends object>(reply: R | Failure): R {
  if (!('error' in reply)) return reply;
  const { error, missing, deliberate } = reply;
  throw new (missing ? MissingPeer : deliberate ? TandemError : Error)(error);
}

/** One that computes elsewhere. */
export class RemoteImplementation implements Implementation {
  readonly name: string;
  readonly version?: string;
  readonly backend: string;
  readonly variant?: string;
  readonly lossy?: boolean;
  readonly onAdapter?: boolean;
  readonly threads: number;
  readonly modes: readonly Mode[];

  constructor(
    protected readonly ask: Ask,
    { name, version, backend, variant, lossy, onAdapter, threads, modes }: Described,
    private readonly end: () => Promise<void>,
  ) {
    this.name = name;
    this.version = version;
    this.backend = backend;
    this.variant = variant;
    this.lossy = lossy;
    this.onAdapter = onAdapter;
    this.threads = threads;
    this.modes = modes;
  }

  async run(mode: Mode, index: number): Promise<number> {
    return (await this.request<{ ms: number }>({ kind: 'run', mode, index })).ms;
  }

  async deviceMs(mode: Mode, runMs: number): Promise<number | undefined> {
    return (await this.request<{ deviceMs?: number }>({ kind: 'device', mode, runMs })).deviceMs;
  }

  async inFlight(mode: Mode, count: number): Promise<number> {
    return (await this.request<{ ms: number }>({ kind: 'flight', mode, count })).ms;
  }

  async logits(index: number): Promise<Float32Array> {
    const { logits } = await this.request<{ logits: ArrayLike<number> }>({ kind: 'logits', index });
    return Float32Array.from(logits);
  }

  close(): Promise<void> {
    return this.end();
  }

  private request<R extends Reply>(request: Request): Promise<R> {
    return this.ask<R>(request);
  }
}

/** Compiling kernels on a software adapter takes most of a minute; what takes longer does not run there. */
const openingLimitMs = 90_000;

/** @throws MissingPeer when a peer does not get ready in time */
export async function readyInTime<T>(name: string, opening: Promise<T>, limitMs = openingLimitMs): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    const error = new MissingPeer(`${name} was not ready after ${limitMs / 1000} s`);
    timer = setTimeout(() => reject(error), limitMs);
  });
  try {
    return await Promise.race([opening, late]);
  } finally {
    clearTimeout(timer);
  }
}
