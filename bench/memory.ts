/** Peak memory of an implementation: a process of its own runs it and reports. */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import type { ModelOptions } from '../src/models/options.js';
import { ask } from './child.js';
import type { ModelFiles } from './files.js';
import type { Implementation, Mode } from './implementation.js';
import { isOwn } from './own.js';
import type { OwnSetting } from './tandem.js';

/** What the child is to run. */
export interface MemoryTask {
  /** 'tandem' or the name of a peer. */
  readonly implementation: string;
  readonly model: { readonly name: string; readonly options: ModelOptions };
  /** Of 'tandem'. */
  readonly own?: OwnSetting;
  readonly threads: number;
  readonly batch: number;
  readonly mode: Mode;
  /** Where the model's files are. */
  readonly folder: string;
}

/** In 10⁶ bytes, of each implementation; as many processes at once as there are cores. */
export async function measurePeaks(
  taking: readonly Implementation[],
  { files, mode, batch }: { readonly files: ModelFiles; readonly mode: Mode; readonly batch: number },
): Promise<(number | undefined)[]> {
  const { model, folder } = files;
  const peaks: (number | undefined)[] = taking.map(() => undefined);
  await files.safetensors();
  const waiting = [...taking.entries()];
  const work = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const [i, each] = next;
      // What a peer takes of an adapter's memory does not show in the process.
      if (each.onAdapter && !isOwn(each)) continue;
      const task: MemoryTask = {
        implementation: each.name,
        model: { name: model.name, options: model.options },
        own: isOwn(each) ? each.setting : undefined,
        threads: each.threads,
        batch,
        mode,
        folder,
      };
      peaks[i] = (await measurePeakRss(task)) / 1e6;
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, work));
  return peaks;
}

/** Bytes that were resident at most while a new process opened the implementation and ran it twice. */
export function measurePeakRss(task: MemoryTask): Promise<number> {
  return ask(new URL('./memoryChild.js', import.meta.url), task, `the memory of ${task.implementation}`);
}

/**
 * Bytes that were resident at most in this process so far. Linux hands the maximum of the process that forked us down to
 * `maxRSS`; `VmHWM` begins with our own image.
 */
export function ownPeakRss(): number {
  if (process.platform === 'linux') {
    const line = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'));
    if (line) return Number(line[1]) * 1024;
  }
  return process.resourceUsage().maxRSS * 1024;
}
