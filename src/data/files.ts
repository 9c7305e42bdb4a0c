/** Reading of data files. Node's modules are imported on use, so that a page can import this file. */
import { isSystemError } from '../atomicFile.js';
import { FileError } from '../errors.js';

/** @throws FileError naming the file when it cannot be read */
export async function readWhole(path: string): Promise<Uint8Array> {
  const { readFile } = await import('node:fs/promises');
  return readFile(path).catch((error: unknown) => {
    throw isSystemError(error) ? new FileError(`cannot read '${path}': ${error.message}`, { cause: error }) : error;
  });
}
