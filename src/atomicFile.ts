/** Files that are either written whole or not at all. Node's modules are imported on use, so that a page can import this file. */
import type { FileHandle } from 'node:fs/promises';
import { FileError, TandemError } from './errors.js';

/** Appends bytes to the file that is being written. */
export type Write = (bytes: Uint8Array) => Promise<void>;

/**
 * Calls `fill` with a function that appends to a temporary file beside `path`, then flushes it to the disk and renames it to
 * `path`. When anything fails or throws, the temporary file is removed and a file that was there before stands as it was.
 *
 * @throws FileError when the file cannot be written; what `fill` throws is passed on.
 */
export async function writeAtomically(path: string, fill: (write: Write) => Promise<void>): Promise<void> {
  const { open, rename, rm } = await import('node:fs/promises');
  const target = await regularFile(path);
  const temporary = `${target}.${process.pid}-${Math.random().toString(36).slice(2, 8)}.tmp`;
  let handle: FileHandle | undefined;
  try {
    const file = await open(temporary, 'wx');
    handle = file;
    await fill(async (bytes) => {
      let written = 0;
      while (written < bytes.length) written += (await file.write(bytes, written)).bytesWritten;
    });
    await file.sync();
    await file.close();
    handle = undefined;
    await rename(temporary, target);
  } catch (error) {
    await handle?.close().catch(() => undefined);
    await rm(temporary, { force: true }).catch(() => undefined);
    if (error instanceof TandemError || !isSystemError(error)) throw error;
    throw new FileError(`cannot write '${path}': ${error.message}`, { cause: error });
  }
  await syncFolder(target);
}

/** An error of the operating system, as node:fs throws them. */
export function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error;
}

/** The file that `path` means once links are followed; throws when something other than a regular file is there. */
async function regularFile(path: string): Promise<string> {
  const { realpath, stat } = await import('node:fs/promises');
  try {
    const target = await realpath(path);
    if ((await stat(target)).isFile()) return target;
  } catch (error) {
    if (isSystemError(error) && error.code === 'ENOENT') return path;
    throw new FileError(`cannot write '${path}': ${error instanceof Error ? error.message : error}`, { cause: error });
  }
  throw new FileError(`cannot write '${path}': there is something that is not a regular file`);
}

/** Makes a rename durable where the platform lets folders be flushed (Windows does not, and needs it not). */
async function syncFolder(path: string): Promise<void> {
  const [{ open }, { dirname }] = await Promise.all([import('node:fs/promises'), import('node:path')]);
  const folder = await open(dirname(path), 'r').catch(() => undefined);
  await folder?.sync().catch(() => undefined);
  await folder?.close();
}
