/**
 * The packed cache of decoded images: one file, so that a second opening decodes nothing. N images [C, H, W] of bytes one after
 * another; N labels, 32-bit, little endian; a description as JSON; its length in 8 bytes, little endian; 8 bytes that say what it is.
 * The description comes last because it is known last. Node only; its modules are imported on use, so that a page can import this file.
 */
import type { FileHandle } from 'node:fs/promises';
import { isSystemError, type Write, writeAtomically } from '../atomicFile.js';
import { FileError } from '../errors.js';
import { elements } from '../ops/define.js';
import { checkRead, type Dataset, memoryDataset } from './dataset.js';
import type { BadImage } from './decodeAll.js';

/** What is known of the images beside their bytes. */
export interface PackedDescription {
  /** Says what the file was made of, and how: it is of no use for anything else. */
  readonly key: string;
  readonly shape: Dataset['shape'];
  readonly classes: readonly string[];
  /** Images that were to be packed but could not be read. */
  readonly bad: readonly BadImage[];
}

export interface Packed extends PackedDescription {
  readonly dataset: Dataset;
}

const magic = 'TandemI1';
const trailerBytes = 16;

/**
 * Writes a packed file whole or not at all. `fill` writes the images and then returns their labels and the description.
 *
 * @throws FileError naming the file when it cannot be written (the disk is full, the folder is not to be had); what `fill` throws
 */
export async function writePacked(
  path: string,
  fill: (write: Write) => Promise<{ readonly labels: Int32Array; readonly description: PackedDescription }>,
): Promise<void> {
  const [{ mkdir }, { dirname }] = await Promise.all([import('node:fs/promises'), import('node:path')]);
  await mkdir(dirname(path), { recursive: true }).catch((error: unknown) => {
    throw isSystemError(error) ? unwritable(path, error) : error;
  });
  await writeAtomically(path, async (write) => {
    const { labels, description } = await fill(async (bytes) => {
      await write(bytes).catch((error: unknown) => {
        throw isSystemError(error) ? unwritable(path, error) : error;
      });
    });
    const json = new TextEncoder().encode(JSON.stringify(description));
    const trailer = new Uint8Array(trailerBytes);
    new DataView(trailer.buffer).setBigUint64(0, BigInt(json.length), true);
    trailer.set(new TextEncoder().encode(magic), 8);
    await write(new Uint8Array(labels.buffer, labels.byteOffset, labels.byteLength));
    await write(json);
    await write(trailer);
  });
}

function unwritable(path: string, error: Error): FileError {
  return new FileError(`cannot write the cache of decoded images '${path}': ${error.message}`, { cause: error });
}

/**
 * Opens a packed file; undefined where there is none, or one that is not whole or was made of something else.
 *
 * @param inMemory up to so many bytes of images are read at once and kept; above, each is read from its place when asked for
 * @throws FileError when the file is there but cannot be read
 */
export async function openPacked(
  path: string,
  name: string,
  key: string,
  inMemory: number,
): Promise<Packed | undefined> {
  const { open } = await import('node:fs/promises');
  let handle: FileHandle;
  try {
    handle = await open(path, 'r');
  } catch (error) {
    if (isSystemError(error) && error.code === 'ENOENT') return undefined;
    throw unreadable(path, error);
  }
  let keep = false;
  try {
    const found = await describe(handle, path, key);
    if (!found) return undefined;
    const { labels, description } = found;
    const { shape, classes } = description;
    const total = labels.length * elements(shape);
    if (total <= inMemory) {
      const bytes = new Uint8Array(total);
      await readAt(handle, path, bytes, 0);
      return { ...description, dataset: memoryDataset(name, shape, classes, labels, bytes) };
    }
    keep = true;
    return { ...description, dataset: fileDataset(name, description, labels, handle, path) };
  } finally {
    if (!keep) await handle.close();
  }
}

async function describe(
  handle: FileHandle,
  path: string,
  key: string,
): Promise<{ labels: Int32Array; description: PackedDescription } | undefined> {
  const { size } = await handle.stat();
  if (size < trailerBytes) return undefined;
  const trailer = new Uint8Array(trailerBytes);
  await readAt(handle, path, trailer, size - trailerBytes);
  if (new TextDecoder().decode(trailer.subarray(8)) !== magic) return undefined;
  const length = Number(new DataView(trailer.buffer).getBigUint64(0, true));
  if (length > size - trailerBytes) return undefined;
  const json = new Uint8Array(length);
  await readAt(handle, path, json, size - trailerBytes - length);
  let description: PackedDescription;
  try {
    description = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(json));
  } catch {
    return undefined;
  }
  // The key covers the version of the format: with it, the description has the fields it had when it was written.
  if (description?.key !== key) return undefined;
  const count = (size - trailerBytes - length) / (elements(description.shape) + 4);
  if (!Number.isInteger(count)) return undefined;
  const labels = new Int32Array(count);
  await readAt(handle, path, new Uint8Array(labels.buffer), count * elements(description.shape));
  const whole = labels.every((label) => label >= 0 && label < description.classes.length);
  return whole ? { labels, description } : undefined;
}

/** Images that stay in their file: neighbours are read together, all runs of a call at one time. */
function fileDataset(
  name: string,
  { shape, classes }: PackedDescription,
  labels: Int32Array,
  handle: FileHandle,
  path: string,
): Dataset {
  const size = elements(shape);
  const dataset: Dataset = {
    name,
    shape,
    classes,
    labels,
    async read(indices, into) {
      checkRead(dataset, indices, into);
      const reads: Promise<void>[] = [];
      for (let start = 0; start < indices.length; ) {
        let end = start + 1;
        while (end < indices.length && indices[end] === indices[end - 1] + 1) end++;
        reads.push(readAt(handle, path, into.subarray(start * size, end * size), indices[start] * size));
        start = end;
      }
      // All of them end before this does: nothing writes into `into` afterwards.
      for (const outcome of await Promise.allSettled(reads)) if (outcome.status === 'rejected') throw outcome.reason;
    },
    close: () => handle.close(),
  };
  return dataset;
}

async function readAt(handle: FileHandle, path: string, into: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < into.length; ) {
    const { bytesRead } = await handle.read(into, done, into.length - done, position + done).catch((error: unknown) => {
      throw unreadable(path, error);
    });
    if (bytesRead === 0) {
      throw new FileError(`'${path}' ends at byte ${position + done}, expected ${into.length - done} more`);
    }
    done += bytesRead;
  }
}

function unreadable(path: string, error: unknown): unknown {
  if (!isSystemError(error)) return error;
  return new FileError(`cannot read the cache of decoded images '${path}': ${error.message}`, { cause: error });
}
