/** A peer in a Node process of its own (see peerChild.ts), which answers one question at a time. */
import { type ChildProcess, fork } from 'node:child_process';
import { type Implementation, MissingPeer, type Mode } from '../implementation.js';
import type { Described, Reply, Request } from './peerChild.js';

/** Compiling kernels on a software adapter takes most of a minute; what takes longer does not run there. */
const openingLimitMs = 90_000;

/**
 * Starts `module`, which calls `serve`, and has it open what `opening` says.
 *
 * @throws MissingPeer when the peer is not installed, cannot run the network, or does not get ready in time
 */
export async function openPeerProcess(module: URL, name: string, opening: object): Promise<Implementation> {
  const child = fork(module, {
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const timeout = new Promise<never>((_, reject) => {
    const error = new MissingPeer(`${name} was not ready after ${openingLimitMs / 1000} s`);
    setTimeout(() => reject(error), openingLimitMs).unref();
  });
  try {
    const opened = ask<{ opened: Described }>(child, name, { kind: 'open', opening });
    return new PeerProcess(child, (await Promise.race([opened, timeout])).opened);
  } catch (error) {
    child.kill();
    throw error;
  }
}

class PeerProcess implements Implementation {
  readonly name: string;
  readonly version?: string;
  readonly backend: string;
  readonly onAdapter?: boolean;
  readonly threads: number;
  readonly modes: readonly Mode[];

  constructor(
    private readonly child: ChildProcess,
    { name, version, backend, onAdapter, threads, modes }: Described,
  ) {
    this.name = name;
    this.version = version;
    this.backend = backend;
    this.onAdapter = onAdapter;
    this.threads = threads;
    this.modes = modes;
  }

  async run(mode: Mode, index: number): Promise<number> {
    return (await this.ask<{ ms: number }>({ kind: 'run', mode, index })).ms;
  }

  async deviceMs(mode: Mode, runMs: number): Promise<number | undefined> {
    return (await this.ask<{ deviceMs?: number }>({ kind: 'device', mode, runMs })).deviceMs;
  }

  async inFlight(mode: Mode, count: number): Promise<number> {
    return (await this.ask<{ ms: number }>({ kind: 'flight', mode, count })).ms;
  }

  async logits(index: number): Promise<Float32Array> {
    return (await this.ask<{ logits: Float32Array }>({ kind: 'logits', index })).logits;
  }

  async peakRss(): Promise<number> {
    return (await this.ask<{ peakRss: number }>({ kind: 'memory' })).peakRss;
  }

  async close(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.child.once('close', resolve));
    this.child.kill();
    await ended;
  }

  private ask<R extends Reply>(request: Request): Promise<R> {
    return ask<R>(this.child, this.name, request);
  }
}

/** One question at a time. */
function ask<R extends Reply>(child: ChildProcess, name: string, request: Request): Promise<R> {
  return new Promise((resolve, reject) => {
    const ended = () => reject(new Error(`${name}: the process has ended`));
    child.once('close', ended);
    child.once('message', (reply: Reply) => {
      child.off('close', ended);
      if ('error' in reply) reject(new (reply.missing ? MissingPeer : Error)(reply.error));
      else resolve(reply as R);
    });
    child.send(request);
  });
}
