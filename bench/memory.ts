/** Peak memory of an implementation: a process of its own runs it and reports. */
import { fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { ModelOptions } from '../src/models/options.js';
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

export type MemoryReply = { readonly peakRss: number } | { readonly error: string };

/** Bytes that were resident at most while a new process opened the implementation and ran it twice. */
export function measurePeakRss(task: MemoryTask): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = fork(new URL('./memoryChild.js', import.meta.url), [JSON.stringify(task)], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    let reply: MemoryReply = { error: 'it ended without an answer' };
    child.once('error', reject);
    child.on('message', (message) => {
      reply = message as MemoryReply;
    });
    child.once('close', () => {
      if ('peakRss' in reply) resolve(reply.peakRss);
      else reject(new Error(`measuring the memory of ${task.implementation}: ${reply.error}`));
    });
  });
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
