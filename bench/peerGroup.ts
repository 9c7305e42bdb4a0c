/** The peers of a benchmark: which of them could be opened, and what those that could were not able to do. */
import type { Model } from '../src/models/model.js';
import type { ModelFiles } from './files.js';
import { type Implementation, MissingPeer, type Peer } from './implementation.js';
import type { Report } from './report.js';
import type { Workload } from './workload.js';

export interface PeerGroupOptions {
  readonly model: Model;
  readonly files: ModelFiles;
  readonly peers: readonly Peer[];
  readonly onProgress?: (done: number, total: number, what: string) => void;
}

export class PeerGroup {
  /** Names of those that could be opened. */
  readonly present = new Set<string>();
  /** Of the others, why not. */
  private readonly missing = new Map<string, string>();
  private readonly failures: Report['missing'][number][] = [];

  constructor(private readonly options: PeerGroupOptions) {}

  /**
   * Those that compute where ours do, all at once: most of it is waiting for files and for other processes.
   *
   * @param onAdapter of each of ours
   */
  async open(workload: Workload, threads: number, onAdapter: readonly boolean[]): Promise<Implementation[]> {
    const { model, files, peers, onProgress } = this.options;
    const { batch } = workload;
    const beside = (peer: Peer) => onAdapter.includes(peer.onAdapter ?? false);
    const candidates = peers.filter((peer) => beside(peer) && !this.missing.has(peer.name));
    if (candidates.length > 0)
      onProgress?.(0, 1, `batch ${batch}: opening ${candidates.map(({ name }) => name).join(', ')}`);
    const openings = await Promise.allSettled(
      candidates.map((peer) => peer.open({ model, batch, threads, workload, files })),
    );
    const opened: Implementation[] = [];
    for (const [i, opening] of openings.entries()) {
      const { name } = candidates[i];
      if (opening.status === 'fulfilled') {
        this.present.add(name);
        opened.push(opening.value);
      } else if (opening.reason instanceof MissingPeer) this.missing.set(name, opening.reason.message);
      else this.failures.push(failureOf(name, `could not be opened at batch ${batch}`, opening.reason));
    }
    return opened;
  }

  /** Something that a peer is to do; undefined where it fails, which the report then says. */
  async attempt<T>(peer: Implementation, what: string, work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      this.failed(peer, what, error);
      return undefined;
    }
  }

  failed({ name, backend }: Implementation, what: string, error: unknown): void {
    this.failures.push(failureOf(`${name} (${backend})`, what, error));
  }

  report(): Report['missing'] {
    return [...[...this.missing].map(([implementation, reason]) => ({ implementation, reason })), ...this.failures];
  }
}

function failureOf(implementation: string, what: string, error: unknown): Report['missing'][number] {
  const [line] = (error instanceof Error ? error.message : String(error)).split('\n');
  return { implementation, reason: `${implementation}: ${what}: ${line}` };
}

/** A peer that was being sampled has failed. */
export class PeerFailure extends Error {
  constructor(
    readonly peer: Implementation,
    override readonly cause: unknown,
  ) {
    super(`${peer.name} has failed`);
  }
}
