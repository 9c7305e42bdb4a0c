/** NumPy's .npz format: a zip archive of .npy files, stored by savez and deflated by savez_compressed. */
import { FileError } from '../errors.js';
import type { ByteSource } from './byteSource.js';
import { npyTensors } from './npy.js';
import { type StoredTensor, type TensorFile, tensorFile } from './tensorFile.js';
import { readZip, type ZipEntry } from './zip.js';

const ending = '.npy';

/**
 * The arrays of a file by name ('conv1' for 'conv1.npy'), in its order; an array of objects gives what `readNpy` says.
 *
 * @throws FileError naming the file and the entry or field that is wrong
 */
export async function readNpz(source: ByteSource): Promise<TensorFile> {
  return npzFile(source, await readZip(source));
}

export function isNpz(entries: readonly ZipEntry[]): boolean {
  return entries.some(({ name }) => name.endsWith(ending));
}

/** The same for an archive whose entries have been found. */
export async function npzFile(source: ByteSource, entries: readonly ZipEntry[]): Promise<TensorFile> {
  const tensors = new Map<string, StoredTensor>();
  let streams = true;
  for (const entry of entries) {
    if (!entry.name.endsWith(ending))
      throw new FileError(`${source.label}: entry '${entry.name}' is no ${ending} file`);
    const inEntry = await npyTensors(entry.source, entry.name.slice(0, -ending.length));
    streams &&= inEntry.size === 1;
    for (const [name, tensor] of inEntry) {
      if (tensors.has(name)) throw new FileError(`${source.label} has two arrays named '${name}'`);
      tensors.set(name, tensor);
    }
    // Ends the stream that inflated the header, until the elements are asked for.
    await entry.source.close();
  }
  return tensorFile({ ...source, streams }, tensors);
}
