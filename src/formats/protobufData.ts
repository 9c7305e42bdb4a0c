/** The data of tensors in protobuf messages: numbers out of the places where a message has them. */
import { FileError } from '../errors.js';
import { type ByteSource, readBytes } from './byteSource.js';
import { varintLength, varintValue } from './protobuf.js';
import type { Located } from './protobufMessage.js';
import { floatReader, type ReadFloats } from './tensorFile.js';

const width = { F32: 4, F64: 8 } as const;

/** Bytes, or elements, that are read at one time. */
const chunk = 2 ** 16;

/** How many floats lie in some places; no integer where a piece does not hold whole ones. */
export function countFloats(places: Located, dtype: keyof typeof width): number {
  let count = 0;
  for (const place of places) count += 'count' in place ? place.count : (place.end - place.begin) / width[dtype];
  return count;
}

/** Reads the floats of a repeated field: all in one piece, in several, or each with its tag. */
export function locatedFloats(source: ByteSource, places: Located, dtype: keyof typeof width): ReadFloats {
  if (places.length === 1 && !('count' in places[0])) return floatReader(source, places[0].begin, dtype);
  let first = 0;
  const parts = places.map((place) => {
    const count = countFloats([place], dtype);
    const load = 'count' in place ? strided(source, place, dtype) : floatReader(source, place.begin, dtype);
    const part = { first, count, load };
    first += count;
    return part;
  });
  return async (into, offset) => {
    for (const { first, count, load } of parts) {
      const from = Math.max(offset, first);
      const to = Math.min(offset + into.length, first + count);
      if (from < to) await load(into.subarray(from - offset, to - offset), from - first);
    }
  };
}

function strided(
  source: ByteSource,
  { begin, stride }: { readonly begin: number; readonly stride: number },
  dtype: keyof typeof width,
): ReadFloats {
  const size = width[dtype];
  return async (into, offset) => {
    for (let at = 0; at < into.length; at += chunk) {
      const part = into.subarray(at, at + chunk);
      const from = begin + stride * (offset + at);
      const bytes = await readBytes(source, from, stride * (part.length - 1) + size);
      const view = new DataView(bytes.buffer);
      if (dtype === 'F64') {
        for (let i = 0; i < part.length; i++) part[i] = view.getFloat64(stride * i, true);
      } else {
        // As bits, as convertFloats does it.
        const bits = new Uint32Array(part.buffer, part.byteOffset, part.length);
        for (let i = 0; i < bits.length; i++) bits[i] = view.getUint32(stride * i, true);
      }
    }
  };
}

/** Most and fewest integers that some places can hold. */
export function countIntegers(places: Located): { readonly least: number; readonly most: number } {
  let bytes = 0;
  for (const place of places) bytes += 'end' in place ? place.end - place.begin : 0;
  return { least: Math.ceil(bytes / 10), most: bytes };
}

/** Gives `count` integers from the one at `offset` on to `take`, with their places among these. */
export type ReadIntegers = (offset: number, count: number, take: (value: number, i: number) => void) => Promise<void>;

/**
 * Reads the integers of a repeated field. They differ in length, so that those before `offset` are passed over; a read that goes on
 * where the last one ended is spared that.
 *
 * @throws FileError (the function) where there are not `total` of them in the places
 */
export function locatedIntegers(source: ByteSource, places: Located, total: number): ReadIntegers {
  const pieces = places.map((place) => ({ begin: place.begin, end: 'end' in place ? place.end : place.begin }));
  const start = { index: 0, piece: 0, at: pieces[0]?.begin ?? 0 };
  let reached = start;
  return async (offset, count, take) => {
    let { index, piece, at } = reached.index <= offset ? reached : start;
    const stop = offset + count;
    const exact = stop === total;
    while (piece < pieces.length && (index < stop || exact)) {
      const { end } = pieces[piece];
      if (at >= end) {
        at = pieces[++piece]?.begin ?? at;
        continue;
      }
      const bytes = await readBytes(source, at, Math.min(chunk, end - at));
      const whole = at + bytes.length === end;
      let place = 0;
      while (place < bytes.length && (index < stop || exact)) {
        const length = varintLength(bytes, place, bytes.length);
        if (length === 0) {
          if (!whole && bytes.length - place < 10) break;
          throw new FileError(`${source.label} has an integer at byte ${at + place} that does not end`);
        }
        if (index === stop) throw new FileError(`${source.label} has more than ${total} integers up to byte ${end}`);
        if (index >= offset) take(varintValue(bytes, place, length), index - offset);
        index++;
        place += length;
      }
      at += place;
    }
    if (index < stop) throw new FileError(`${source.label} has ${index} integers up to byte ${at}, expected ${total}`);
    reached = { index, piece, at };
  };
}
