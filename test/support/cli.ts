/** The command line as users have it: a process of its own. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));

export interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `tandem` with arguments to its end. */
export function tandem(...args: string[]): Promise<Finished> {
  return new Promise((resolve) => {
    execFile(process.execPath, [main, ...args], { maxBuffer: 2 ** 26 }, (error, stdout, stderr) => {
      // A process that was killed has no exit status.
      const code = error ? (typeof error.code === 'number' ? error.code : -1) : 0;
      resolve({ code, stdout, stderr });
    });
  });
}

/** An empty folder that is removed with the test. */
export async function emptyFolder(test: {
  teardown(done: () => Promise<void>): void;
}): Promise<(name: string) => string> {
  const folder = await mkdtemp(join(tmpdir(), 'tandem-test-'));
  test.teardown(() => rm(folder, { recursive: true, force: true }));
  return (name) => join(folder, name);
}
