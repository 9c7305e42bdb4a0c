/** What is measured: one implementation of a network, at one batch size, on inputs that it was given when it was opened. */
import { TandemError } from '../src/errors.js';
import type { Model } from '../src/models/model.js';
import type { ModelFiles } from './files.js';
import type { Workload } from './workload.js';

/**
 * 'forward' is inference up to the probabilities, copied out. 'step' is forward with dropout, loss, backward and update, until
 * the loss can be read. 'backward' is the part of a gradient computation that follows the loss.
 */
export const modes = ['forward', 'backward', 'step'] as const;
export type Mode = (typeof modes)[number];

export interface Implementation {
  /** 'tandem', 'onnxruntime-node', … */
  readonly name: string;
  /** Of a peer. */
  readonly version?: string;
  /** What it computes on: 'wasm', 'cpu', … */
  readonly backend: string;
  /** Tells several of our own apart: 'plain SIMD'. */
  readonly variant?: string;
  /** Whether it stores weights at a loss: its logits are held to a bound of their own, and called lossy. */
  readonly lossy?: boolean;
  /** Whether it computes on a graphics adapter: the peak of a core says nothing of it. */
  readonly onAdapter?: boolean;
  /** Threads that it really has. */
  readonly threads: number;
  readonly modes: readonly Mode[];
  /**
   * Runs once on input `index` of the workload. Resolves to milliseconds when it timed itself, else to undefined.
   */
  run(mode: Mode, index: number): Promise<number | undefined>;
  /**
   * Of those on an adapter that can: milliseconds of one run by the adapter's own clock, without copying in and out and without what the
   * host does beside it.
   *
   * @param runMs about what a run takes
   */
  deviceMs?(mode: Mode, runMs: number): Promise<number | undefined>;
  /** Of those on an adapter: milliseconds of each of `count` runs that are all submitted before any of them is waited for. */
  inFlight?(mode: Mode, count: number): Promise<number>;
  /** [N, classes] of input `index`. */
  logits(index: number): Promise<Float32Array>;
  /** Peak resident bytes, for those that do not compute in this process. */
  peakRss?(): Promise<number>;
  close(): Promise<void>;
}

/** What a peer is opened with. */
export interface PeerSetting {
  readonly model: Model;
  readonly batch: number;
  readonly threads: number;
  readonly workload: Workload;
  readonly files: ModelFiles;
}

export interface Peer {
  readonly name: string;
  /** Whether it computes on a graphics adapter: it is measured where one of ours does. */
  readonly onAdapter?: boolean;
  /** Rejects with a `MissingPeer` when it is not installed. */
  open(setting: PeerSetting): Promise<Implementation>;
}

/** A peer that is not installed here, or cannot run the network: reported, not a failure. */
export class MissingPeer extends TandemError {
  override name = 'MissingPeer';
}

/** Loads a package that need not be there. */
export async function importPeer<T>(name: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (error) {
    const [line] = (error instanceof Error ? error.message : String(error)).split('\n');
    throw new MissingPeer(`${name} cannot be loaded: ${line}`, { cause: error });
  }
}
