/**
 * The safetensors format (github.com/huggingface/safetensors, "Format"): eight bytes with the length of a JSON header, little
 * endian; the header, name → { dtype, shape, data_offsets } and '__metadata__' → strings; the tensors' bytes, row-major,
 * without gaps. Node's modules are imported on use, so that a page can import this file.
 */

import { isSystemError, writeAtomically } from '../atomicFile.js';
import type { WeightTensors } from '../engine/weights.js';
import { ArgumentError, FileError } from '../errors.js';
import { elements, formatShape } from '../ops/define.js';
import { inSlices } from './slices.js';

/** Bytes of one element, by the format's name of its type. */
const elementBytes: ReadonlyMap<string, number> = new Map([
  ['BOOL', 1],
  ['U8', 1],
  ['I8', 1],
  ['F8_E4M3', 1],
  ['F8_E5M2', 1],
  ['U16', 2],
  ['I16', 2],
  ['F16', 2],
  ['BF16', 2],
  ['U32', 4],
  ['I32', 4],
  ['F32', 4],
  ['U64', 8],
  ['I64', 8],
  ['F64', 8],
]);

/** Longest header that is believed, as in the format's own reader. */
const longestHeader = 100_000_000;

export interface SafetensorsEntry {
  readonly shape: readonly number[];
  /** 'F32', …: as the file has it. */
  readonly dtype: string;
}

/** An open file; a network takes it as its `weights`. */
export interface SafetensorsFile extends WeightTensors {
  /** Its name in errors. */
  readonly label: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** By name, in the order in which their bytes lie in the file. */
  readonly tensors: ReadonlyMap<string, SafetensorsEntry>;
  /**
   * The elements of one tensor, row-major, in `into` when it is given.
   *
   * @throws FileError when there is no such tensor, it is not F32, or it cannot be read; ArgumentError when `into` has another length.
   */
  read(name: string, into?: Float32Array): Promise<Float32Array>;
  /**
   * As many elements of one tensor as `into` takes, from element `offset` on.
   *
   * @throws FileError as `read` does; ArgumentError when the tensor has not so many.
   */
  readInto(name: string, into: Float32Array, offset?: number): Promise<void>;
  close(): Promise<void>;
}

export interface TensorSource {
  readonly name: string;
  readonly shape: readonly number[];
  /** The elements, or a function that is called when their turn to be written comes. */
  readonly data: Float32Array | (() => Float32Array | Promise<Float32Array>);
}

interface Placed extends SafetensorsEntry {
  /** Byte offsets within the data that follow the header. */
  readonly begin: number;
  readonly end: number;
}

interface Header {
  readonly metadata: Readonly<Record<string, string>>;
  readonly tensors: ReadonlyMap<string, Placed>;
}

/** Fills `into` with the file's bytes from an offset on. */
type ReadBytes = (offset: number, into: Uint8Array) => Promise<void>;

/**
 * Writes F32 tensors one after another, so that one at a time is in memory; see `writeAtomically`.
 *
 * @throws ArgumentError for two tensors of one name, or data that does not fill its shape; FileError when the file cannot be written.
 */
export async function writeSafetensors(
  path: string,
  tensors: Iterable<TensorSource>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  const chunks = safetensorsChunks(tensors, metadata);
  await writeAtomically(path, async (write) => {
    for await (const chunk of chunks) await write(chunk);
  });
}

/** The bytes of a safetensors file, piece by piece (a page can put them in a Blob). */
export async function* safetensorsChunks(
  tensors: Iterable<TensorSource>,
  metadata: Readonly<Record<string, string>> = {},
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const sources = [...tensors];
  const header = new Map<string, object>([['__metadata__', metadata]]);
  let end = 0;
  for (const { name, shape } of sources) {
    if (header.has(name)) throw new ArgumentError(`safetensors: the tensor name '${name}' is used twice or reserved`);
    const begin = end;
    end += 4 * elements(shape);
    header.set(name, { dtype: 'F32', shape, data_offsets: [begin, end] });
  }
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)));
  const padded = Math.ceil(json.length / 8) * 8; // spaces, so that the data is aligned
  const head = new Uint8Array(8 + padded).fill(0x20);
  new DataView(head.buffer).setBigUint64(0, BigInt(padded), true);
  head.set(json, 8);
  yield head;
  for (const { name, shape, data } of sources) {
    const values = typeof data === 'function' ? await data() : data;
    if (values.length !== elements(shape)) {
      throw new ArgumentError(
        `safetensors: tensor '${name}' of shape ${formatShape(shape)} needs ${elements(shape)} values, got ${values.length}`,
      );
    }
    yield bytesOfFloats(values);
  }
}

/**
 * Opens a file and checks its whole header; tensors are read when asked for.
 *
 * @param file a path; in a page a Blob, such as a File that was chosen or `await response.blob()`
 * @throws FileError naming the file and the field that is wrong.
 */
export async function openSafetensors(file: string | Blob): Promise<SafetensorsFile> {
  return typeof file === 'string' ? openPath(file) : openBlob(file);
}

async function openPath(path: string): Promise<SafetensorsFile> {
  const { open } = await import('node:fs/promises');
  const handle = await open(path, 'r').catch((error: unknown) => {
    throw unreadable(`'${path}'`, error);
  });
  const readSlice: ReadBytes = async (offset, into) => {
    let done = 0;
    while (done < into.length) {
      const { bytesRead } = await handle.read(into, done, into.length - done, offset + done).catch((error: unknown) => {
        throw unreadable(`'${path}'`, error);
      });
      if (bytesRead === 0)
        throw new FileError(`'${path}' ends at byte ${offset + done}, expected ${into.length - done} more`);
      done += bytesRead;
    }
  };
  const readBytes: ReadBytes = (offset, into) => inSlices(into, (slice, at) => readSlice(offset + at, slice));
  try {
    const stat = await handle.stat();
    if (!stat.isFile()) throw new FileError(`cannot read '${path}': it is not a regular file`);
    return await readHeader(`'${path}'`, stat.size, readBytes, () => handle.close());
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function openBlob(blob: Blob): Promise<SafetensorsFile> {
  const where = 'name' in blob ? `'${blob.name}'` : 'the blob';
  const readSlice: ReadBytes = async (offset, into) => {
    const bytes = await blob
      .slice(offset, offset + into.length)
      .arrayBuffer()
      .catch((error: unknown) => {
        throw new FileError(`cannot read ${where}: ${error instanceof Error ? error.message : error}`, {
          cause: error,
        });
      });
    into.set(new Uint8Array(bytes));
  };
  const readBytes: ReadBytes = (offset, into) => inSlices(into, (slice, at) => readSlice(offset + at, slice));
  return readHeader(where, blob.size, readBytes, async () => undefined);
}

/** The same for a file that is in memory; `where` stands for its name in errors. */
export async function parseSafetensors(
  bytes: ArrayBuffer | Uint8Array,
  where = 'the buffer',
): Promise<SafetensorsFile> {
  const all = bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes);
  const readBytes: ReadBytes = async (offset, into) => into.set(all.subarray(offset, offset + into.length));
  return readHeader(where, all.length, readBytes, async () => undefined);
}

function unreadable(where: string, error: unknown): unknown {
  return isSystemError(error) ? new FileError(`cannot read ${where}: ${error.message}`, { cause: error }) : error;
}

async function readHeader(
  where: string,
  size: number,
  readBytes: ReadBytes,
  close: () => Promise<void>,
): Promise<SafetensorsFile> {
  if (size < 8)
    throw new FileError(`${where} is not a safetensors file: it has ${size} bytes, the header's length takes 8`);
  const lengthBytes = new Uint8Array(8);
  await readBytes(0, lengthBytes);
  const length = Number(new DataView(lengthBytes.buffer).getBigUint64(0, true));
  if (length > size - 8 || length > longestHeader) {
    throw new FileError(
      `${where} is not a whole safetensors file: its header would take ${length} bytes, ${size - 8} follow the length`,
    );
  }
  const headerBytes = new Uint8Array(length);
  await readBytes(8, headerBytes);
  const { metadata, tensors } = parseHeader(where, headerBytes, size - 8 - length);

  const find = (name: string): Placed => {
    const tensor = tensors.get(name);
    if (!tensor) throw new FileError(`${where} has no tensor '${name}'`);
    if (tensor.dtype !== 'F32') {
      throw new FileError(`${where}: tensor '${name}' is ${tensor.dtype}, only F32 can be read`);
    }
    return tensor;
  };
  const readInto = async (name: string, into: Float32Array, offset = 0): Promise<void> => {
    const { begin, shape } = find(name);
    if (!(offset >= 0 && offset + into.length <= elements(shape))) {
      throw new ArgumentError(
        `tensor '${name}' has ${elements(shape)} values, cannot read ${into.length} from ${offset} on`,
      );
    }
    try {
      await readBytes(8 + length + begin + 4 * offset, bytesOfFloats(into));
    } catch (error) {
      if (!(error instanceof FileError)) throw error;
      throw new FileError(`tensor '${name}': ${error.message}`, { cause: error });
    }
  };
  return {
    label: where,
    metadata,
    tensors,
    async read(name, into) {
      const count = elements(find(name).shape);
      if (into && into.length !== count) {
        throw new ArgumentError(`tensor '${name}' has ${count} values, the array to read it into has ${into.length}`);
      }
      const values = into ?? new Float32Array(count);
      await readInto(name, values);
      return values;
    },
    readInto,
    close,
  };
}

function parseHeader(where: string, bytes: Uint8Array, dataBytes: number): Header {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw new FileError(`${where} is not a safetensors file: its header is not JSON`, { cause: error });
  }
  if (!isRecord(json)) throw new FileError(`${where}: the header must be a JSON object`);
  const { __metadata__: metadata = {}, ...entries } = json;
  if (!isRecord(metadata) || !Object.values(metadata).every((value) => typeof value === 'string')) {
    throw new FileError(`${where}: __metadata__ must be an object of strings`);
  }
  const placed = Object.entries(entries).map(([name, entry]) => [name, placedTensor(where, name, entry)] as const);
  placed.sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end);
  let end = 0;
  for (const [name, tensor] of placed) {
    if (tensor.begin !== end) {
      throw new FileError(
        `${where}: the data of tensor '${name}' begin at byte ${tensor.begin}, those before end at ${end}`,
      );
    }
    end = tensor.end;
  }
  if (end !== dataBytes)
    throw new FileError(`${where}: the tensors take ${end} bytes, the file has ${dataBytes} for them`);
  return { metadata: metadata as Record<string, string>, tensors: new Map(placed) };
}

function placedTensor(where: string, name: string, entry: unknown): Placed {
  const fail = (what: string) => new FileError(`${where}: tensor '${name}': ${what}`);
  if (!isRecord(entry)) throw fail('the header must have an object for it');
  const { dtype, shape, data_offsets: offsets } = entry;
  const size = typeof dtype === 'string' ? elementBytes.get(dtype) : undefined;
  if (typeof dtype !== 'string' || size === undefined) {
    throw fail(`dtype must be one of ${[...elementBytes.keys()].join(', ')}, got ${JSON.stringify(dtype)}`);
  }
  if (!isCounts(shape)) throw fail(`shape must be a list of integers, got ${JSON.stringify(shape)}`);
  if (!isCounts(offsets) || offsets.length !== 2) {
    throw fail(`data_offsets must be two integers, got ${JSON.stringify(offsets)}`);
  }
  const [begin, end] = offsets;
  if (end - begin !== elements(shape) * size) {
    throw fail(
      `${dtype} ${formatShape(shape)} takes ${elements(shape) * size} bytes, data_offsets ${begin} to ${end} do not`,
    );
  }
  return { dtype, shape, begin, end };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((count) => Number.isSafeInteger(count) && count >= 0);
}

/** The memory of floats as bytes. The format is little endian, and so are the machines that Tandem runs on. */
function bytesOfFloats(values: Float32Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(values.buffer as ArrayBuffer, values.byteOffset, values.byteLength);
}
