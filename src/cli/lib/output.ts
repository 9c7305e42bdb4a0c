import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { dirname } from 'node:path';
import { CommanderError } from 'commander';
import { writeAtomically } from '../../atomicFile.js';
import { DivergenceError, FileError, TandemError } from '../../errors.js';

/** Exit statuses of all commands. */
export const exit = { fine: 0, checkFailed: 1, badInput: 2, interrupted: 130 } as const;

export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Before a long job: the folder that its figures will go to is there. */
export async function expectFolder(path: string): Promise<void> {
  if (path === '-') return;
  await access(dirname(path), constants.W_OK).catch((error: Error) => {
    throw new FileError(`cannot write '${path}': ${error.message}`, { cause: error });
  });
}

/** Writes figures for scripts, whole or not at all; '-' stands for the standard output. */
export async function writeJson(path: string, content: unknown): Promise<void> {
  const text = `${JSON.stringify(content, null, 2)}\n`;
  if (path === '-') {
    process.stdout.write(text);
    return;
  }
  await writeAtomically(path, (write) => write(new TextEncoder().encode(text)));
}

/** The exit status for what a command threw; everything that was thrown on purpose is one line on stderr. */
export function reportFailure(error: unknown): number {
  // Commander has printed its own message already.
  if (error instanceof CommanderError) return error.exitCode === 0 ? exit.fine : exit.badInput;
  if (error instanceof TandemError) {
    process.stderr.write(`tandem: ${oneLine(error.message)}\n`);
    return error instanceof DivergenceError ? exit.checkFailed : exit.badInput;
  }
  process.stderr.write(`tandem: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  return exit.checkFailed;
}

export function oneLine(text: string): string {
  return text.trim().replace(/\s*\n\s*/g, ' ');
}
