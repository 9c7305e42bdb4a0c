/** Peak memory of an implementation: a process of its own runs it and reports. */
import { readFileSync } from 'node:fs';
import type { ModelOptions } from '../src/models/options.js';
import { ask } from './child.js';
import type { Mode } from './implementation.js';
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
