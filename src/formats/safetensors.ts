/**
 * The safetensors format (github.com/huggingface/safetensors, "Format"): eight bytes with the length of a JSON header, little
 * endian; the header, name → { dtype, shape, data_offsets } and '__metadata__' → strings; the tensors' bytes, row-major,
 * without gaps. Node's modules are imported on use, so that a page can import this file.
 */

import { writeAtomically } from '../atomicFile.js';
import { ArgumentError, FileError } from '../errors.js';
import { elements, formatShape } from '../ops/define.js';
import { type ByteSource, memorySource, openWith, readBytes } from './byteSource.js';
import {
  bytesOfFloats,
  floatReader,
  isFloatType,
  type TensorEntry,
  type TensorFile,
  tensorFile,
} from './tensorFile.js';

/** Bytes of one element, by the format's name of its type. */
export const elementBytes: ReadonlyMap<string, number> = new Map([
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

export interface TensorSource {
  readonly name: string;
  readonly shape: readonly number[];
  /** The elements, or a function that is called when their turn to be written comes. */
  readonly data: Float32Array | (() => Float32Array | Promise<Float32Array>);
}

interface Placed extends TensorEntry {
  /** Byte offsets within the data that follow the header. */
  readonly begin: number;
  readonly end: number;
}

interface Header {
  readonly metadata: Readonly<Record<string, string>>;
  readonly tensors: ReadonlyMap<string, Placed>;
}

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
export function openSafetensors(file: string | Blob): Promise<TensorFile> {
  return openWith(file, readSafetensors);
}

/** The same for a file that is in memory; `where` stands for its name in errors. */
export function parseSafetensors(bytes: ArrayBuffer | Uint8Array, where = 'the buffer'): Promise<TensorFile> {
  return readSafetensors(memorySource(bytes, where));
}

/** The same for a source, which the file then closes; a source whose header is broken stays open. */
export async function readSafetensors(source: ByteSource): Promise<TensorFile> {
  const { label: where, size } = source;
  if (size < 8)
    throw new FileError(`${where} is not a safetensors file: it has ${size} bytes, the header's length takes 8`);
  const lengthBytes = await readBytes(source, 0, 8);
  const length = Number(new DataView(lengthBytes.buffer).getBigUint64(0, true));
  if (length > size - 8 || length > longestHeader) {
    throw new FileError(
      `${where} is not a whole safetensors file: its header would take ${length} bytes, ${size - 8} follow the length`,
    );
  }
  const { metadata, tensors } = parseHeader(where, await readBytes(source, 8, length), size - 8 - length);
  const stored = [...tensors].map(([name, { dtype, shape, begin }]) => {
    const load = isFloatType(dtype) ? floatReader(source, 8 + length + begin, dtype) : undefined;
    return [name, { dtype, shape, ...(load ? { load } : {}) }] as const;
  });
  return tensorFile(source, new Map(stored), metadata);
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
