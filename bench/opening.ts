/**
 * From the path of a file of weights, which is in the page cache, to a network that is ready to run: for us, reading the
 * weights, compiling the program for the batch and packing the weights for it; for onnxruntime, the creation of its session
 * from a file of the same weights. Loading either library, and our `openEngine`, come before. Every opening has a new process,
 * and all take turns.
 */
import { statSync } from 'node:fs';
import { median } from '../src/engine/profile.js';
import { ask } from './child.js';
import type { ModelFiles } from './files.js';
import type { OpeningTask } from './openingChild.js';
import type { OwnSetting } from './tandem.js';

const rounds = 5;

/** One opening. */
export interface OpeningSample {
  readonly openMs: number;
  readonly firstRunMs: number;
}

/** Times of one implementation: medians over new processes. */
export interface Opening {
  readonly implementation: string;
  readonly model: string;
  readonly threads: number;
  readonly batch: number;
  /** Size of the file, in 10⁶ bytes. */
  readonly fileMB: number;
  readonly medianMs: number;
  readonly minMs: number;
  readonly samplesMs: readonly number[];
  /** The first forward run afterwards. */
  readonly firstRunMs: number;
  /** Our time over this one's, round by round: the median. */
  readonly ratio?: number;
}

export interface OpeningOptions {
  readonly files: ModelFiles;
  readonly own: OwnSetting;
  /** Others that open a file, by name. */
  readonly peers: readonly string[];
  readonly threads: number;
  readonly batch: number;
  readonly onRound?: (done: number, total: number) => void;
}

/** Ours first, then those of the peers. */
export async function measureOpenings({
  files,
  own,
  peers,
  threads,
  batch,
  onRound,
}: OpeningOptions): Promise<Opening[]> {
  const { name, options } = files.model;
  const sizes = [await files.safetensors(), ...(peers.length > 0 ? [await files.onnx(batch)] : [])].map(
    (path) => statSync(path).size / 1e6,
  );
  const names = ['tandem', ...peers];
  const samples: OpeningSample[][] = names.map(() => []);
  for (let round = 0; round < rounds; round++) {
    onRound?.(round, rounds);
    for (const [i, implementation] of names.entries()) {
      const task: OpeningTask = { implementation, model: { name, options }, own, threads, batch, folder: files.folder };
      const url = new URL('./openingChild.js', import.meta.url);
      samples[i].push(await ask<OpeningSample>(url, task, `the opening of ${implementation}`));
    }
  }
  return names.map((implementation, i) => {
    const samplesMs = samples[i].map(({ openMs }) => openMs);
    const ratios = samples[0].map(({ openMs }, round) => openMs / samplesMs[round]);
    return {
      implementation,
      model: name,
      threads,
      batch,
      fileMB: sizes[Math.min(i, 1)],
      medianMs: median(samplesMs),
      minMs: Math.min(...samplesMs),
      samplesMs,
      firstRunMs: median(samples[i].map(({ firstRunMs }) => firstRunMs)),
      ...(i > 0 && { ratio: median(ratios) }),
    };
  });
}
