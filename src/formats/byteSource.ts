/** Where the bytes of a file come from: a path, a Blob of a page, or memory. Node's modules are imported on use. */
import { isSystemError } from '../atomicFile.js';
import { FileError } from '../errors.js';
import { inSlices } from './slices.js';

export interface ByteSource {
  /** Its name in errors: the path in quotes. */
  readonly label: string;
  /** Of a file that was opened by its path: a format may say that some of its data are in files beside it. */
  readonly path?: string;
  /** In bytes. */
  readonly size: number;
  /**
   * Fills `into` with the bytes from an offset on.
   *
   * @throws FileError where there are not so many, or they cannot be read
   */
  read(offset: number, into: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

/**
 * @param file a path; in a page a Blob, such as a File that was chosen or `await response.blob()`
 * @throws FileError for a path that is no readable file
 */
export function openSource(file: string | Blob): Promise<ByteSource> {
  return typeof file === 'string' ? pathSource(file) : Promise.resolve(blobSource(file));
}

/** Opens a file for a reader whose result closes the source; where the reader fails it is closed here. */
export async function openWith<T>(file: string | Blob, read: (source: ByteSource) => Promise<T>): Promise<T> {
  const source = await openSource(file);
  try {
    return await read(source);
  } catch (error) {
    await source.close();
    throw error;
  }
}

/** Bytes that are in memory; `label` stands for their name in errors. */
export function memorySource(bytes: ArrayBuffer | Uint8Array, label = 'the buffer'): ByteSource {
  const all = bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes);
  return checked(
    label,
    all.length,
    async (offset, into) => into.set(all.subarray(offset, offset + into.length)),
    async () => undefined,
  );
}

/** A fresh array with `length` bytes from an offset on; let the length be one that was checked against the source's size. */
export async function readBytes(source: ByteSource, offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
  if (offset + length > source.size) throw tooShort(source, offset, length);
  const bytes = new Uint8Array(length);
  await source.read(offset, bytes);
  return bytes;
}

async function pathSource(path: string): Promise<ByteSource> {
  const { open } = await import('node:fs/promises');
  const label = `'${path}'`;
  const handle = await open(path, 'r').catch((error: unknown) => {
    throw unreadable(label, error);
  });
  const readSlice = async (offset: number, into: Uint8Array) => {
    let done = 0;
    while (done < into.length) {
      const { bytesRead } = await handle.read(into, done, into.length - done, offset + done).catch((error: unknown) => {
        throw unreadable(label, error);
      });
      if (bytesRead === 0)
        throw new FileError(`${label} ends at byte ${offset + done}, expected ${into.length - done} more`);
      done += bytesRead;
    }
  };
  try {
    const stat = await handle.stat();
    if (!stat.isFile()) throw new FileError(`cannot read ${label}: it is not a regular file`);
    const source = checked(
      label,
      stat.size,
      (offset, into) => inSlices(into, (slice, at) => readSlice(offset + at, slice)),
      () => handle.close(),
    );
    return { ...source, path };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

function blobSource(blob: Blob): ByteSource {
  const label = 'name' in blob ? `'${blob.name}'` : 'the blob';
  const readSlice = async (offset: number, into: Uint8Array) => {
    const bytes = await blob
      .slice(offset, offset + into.length)
      .arrayBuffer()
      .catch((error: unknown) => {
        throw new FileError(`cannot read ${label}: ${error instanceof Error ? error.message : error}`, {
          cause: error,
        });
      });
    into.set(new Uint8Array(bytes));
  };
  return checked(
    label,
    blob.size,
    (offset, into) => inSlices(into, (slice, at) => readSlice(offset + at, slice)),
    async () => undefined,
  );
}

function checked(label: string, size: number, read: ByteSource['read'], close: ByteSource['close']): ByteSource {
  const source: ByteSource = {
    label,
    size,
    async read(offset, into) {
      if (!(offset >= 0 && offset + into.length <= size)) throw tooShort(source, offset, into.length);
      await read(offset, into);
    },
    close,
  };
  return source;
}

function tooShort({ label, size }: ByteSource, offset: number, length: number): FileError {
  return new FileError(`${label} has ${size} bytes, expected ${length} more from byte ${offset} on`);
}

function unreadable(label: string, error: unknown): unknown {
  return isSystemError(error) ? new FileError(`cannot read ${label}: ${error.message}`, { cause: error }) : error;
}
