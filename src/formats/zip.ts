/**
 * Zip archives: zip.js reads the central directory (APPNOTE.TXT of PKWARE describes it), what follows each local header is found
 * here. Stored entries are read where they stand; deflated ones are inflated as they are read, by the platform.
 */
import type { Entry, Reader } from '@zip.js/zip.js';
import { FileError } from '../errors.js';
import { type ByteSource, readBytes } from './byteSource.js';
import { inflateChecked, platformInflater } from './inflate.js';
import { rangeSource, sequentialSource } from './sourceParts.js';

export interface ZipEntry {
  readonly name: string;
  /** Its content, inflated; closing the source of the archive closes it. */
  readonly source: ByteSource;
}

/** Entries that are believed: zip.js makes a large object of each, and a network has one for a tensor. */
const mostEntries = 2 ** 14;
/** Signature and size of a local header, without the name and the extra field that follow. */
const localSignature = 0x04034b50;
const localBytes = 30;
/** Compression methods. */
const stored = 0;
const deflated = 8;
/** DEFLATE makes at most 258 bytes of 2 bits, and a header takes some more. */
const largestExpansion = 1032;
/** Deflated bytes that are read at one time; the first few hold the header of what is in the entry, and often no more is wanted. */
const [pieceBytes, firstBytes] = [2 ** 22, 2 ** 10];

/**
 * The files of an archive, in its order; nothing of their content is read.
 *
 * @throws FileError for an archive that is broken or can be read in two ways: entries that overlap, sizes that cannot be, names
 * that are there twice
 */
export async function readZip(source: ByteSource): Promise<readonly ZipEntry[]> {
  const placed: Placed[] = [];
  const names = new Set<string>();
  for (const entry of await directory(source)) {
    if (names.has(entry.filename)) throw new FileError(`${source.label} has two entries '${entry.filename}'`);
    names.add(entry.filename);
    if (!entry.directory) placed.push(await place(source, entry));
  }
  const inOrder = [...placed].sort((a, b) => a.header - b.header);
  for (const [i, { name, end }] of inOrder.entries()) {
    const next = inOrder[i + 1];
    if (next && next.header < end) throw new FileError(`${source.label}: entries '${name}' and '${next.name}' overlap`);
  }
  return placed;
}

async function directory(source: ByteSource): Promise<readonly Entry[]> {
  // Of the whole of zip.js, what reads directories.
  const { ZipReader } = await import('@zip.js/zip.js/lib/zip-core-reader.js');
  const bytes: Pick<Reader<unknown>, 'size' | 'readUint8Array'> = {
    size: source.size,
    readUint8Array: (offset, length) => readBytes(source, offset, Math.max(0, Math.min(length, source.size - offset))),
  };
  const reader = new ZipReader(bytes as Reader<unknown>, { filenameValidation: 'tolerant' });
  const entries: Entry[] = [];
  try {
    for await (const entry of reader.getEntriesGenerator()) {
      if (entries.length === mostEntries) throw new FileError(`${source.label} has more than ${mostEntries} entries`);
      entries.push(entry);
    }
  } catch (error) {
    if (error instanceof FileError || !(error instanceof Error)) throw error;
    throw new FileError(`${source.label} is not a whole zip archive: ${error.message}`, { cause: error });
  }
  return entries;
}

interface Placed extends ZipEntry {
  /** Offset of the local header. */
  readonly header: number;
  /** Offset behind the content. */
  readonly end: number;
}

async function place(source: ByteSource, entry: Entry): Promise<Placed> {
  const { filename: name, offset: header, compressedSize, uncompressedSize: size, compressionMethod: method } = entry;
  const fail = (what: string) => new FileError(`${source.label}: entry '${name}' ${what}`);
  if (entry.encrypted) throw fail('is encrypted');
  if (method !== stored && method !== deflated) {
    throw fail(`is compressed by method ${method}, known are ${stored} (stored) and ${deflated} (deflated)`);
  }
  const counts = [header, compressedSize, size];
  if (!counts.every((count) => Number.isSafeInteger(count) && count >= 0))
    throw fail(`claims ${counts.join(', ')} bytes`);
  if (header + localBytes > source.size) throw fail(`begins at byte ${header}, the archive has ${source.size}`);
  const local = new DataView((await readBytes(source, header, localBytes)).buffer);
  if (local.getUint32(0, true) !== localSignature) throw fail(`has no local header at byte ${header}`);
  if (local.getUint16(8, true) !== method) throw fail('has two compression methods');
  const begin = header + localBytes + local.getUint16(26, true) + local.getUint16(28, true);
  const end = begin + compressedSize;
  if (end > source.size) throw fail(`ends at byte ${end}, the archive has ${source.size}`);
  const label = `${source.label}, entry '${name}'`;
  if (method === stored) {
    if (compressedSize !== size) throw fail(`is stored, but claims ${compressedSize} and ${size} bytes`);
    return { name, header, end, source: rangeSource(source, begin, size, label) };
  }
  if (size > largestExpansion * compressedSize) throw fail(`claims ${size} bytes, deflated to ${compressedSize}`);
  const { crc32 } = entry;
  if (crc32 === undefined) throw fail('has no checksum');
  const packed = rangeSource(source, begin, compressedSize, label);
  return { name, header, end, source: sequentialSource(label, size, () => inflated(packed, crc32, size)) };
}

/** What DEFLATE made small. */
async function* inflated(packed: ByteSource, crc: number, size: number): AsyncGenerator<Uint8Array> {
  try {
    yield* inflateChecked(await platformInflater(), pieces(packed), { crc, size });
  } catch (error) {
    if (error instanceof FileError || !(error instanceof Error)) throw error;
    throw new FileError(`${packed.label} is not what was deflated: ${error.message}`, { cause: error });
  }
}

/** A source piece by piece, each where the one before was. */
async function* pieces(source: ByteSource): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(Math.min(pieceBytes, source.size));
  for (let at = 0, count = firstBytes; at < source.size; at += count, count = pieceBytes) {
    const piece = bytes.subarray(0, Math.min(count, source.size - at));
    await source.read(at, piece);
    yield piece;
  }
}
