/**
 * A walker over the wire format of protocol buffers (protobuf.dev, "Encoding"): it goes from field to field of a message in a
 * source, and passes over what it is not asked for without reading it.
 */
import { FileError } from '../errors.js';
import { type ByteSource, readBytes } from './byteSource.js';

/** How a value is laid down; groups (3 and 4) went out of use before the formats that are read here came. */
export const wireType = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

export type WireType = (typeof wireType)[keyof typeof wireType];

/** One field of a message; offsets are bytes of the source. */
export interface Field {
  readonly number: number;
  readonly wire: WireType;
  /** Where its tag begins. */
  readonly at: number;
  /** Of its value: a varint, four or eight bytes, or the bytes that a length was before. */
  readonly begin: number;
  readonly end: number;
  /** Of a varint, as a signed integer of 64 bits, rounded where it is no safe integer; else 0. */
  readonly value: number;
}

/** Values that lie one after another, `stride` bytes from one to the next. */
export interface Run {
  readonly begin: number;
  readonly count: number;
  readonly stride: number;
}

/** Longest tag and value that are looked at together: two varints. */
const longestHead = 20;
/** Bytes that are read ahead. */
const windowBytes = 2 ** 18;
/** Fields that are believed; the largest models have some hundred thousand, and a hostile file must not keep us for minutes. */
const mostFields = 2 ** 22;

export class ProtobufWalker {
  readonly #source: ByteSource;
  readonly #window: Uint8Array;
  /** What the window holds: bytes of the source from `start` to `stop`. */
  #start = 0;
  #stop = 0;
  #fields = 0;

  constructor(source: ByteSource) {
    this.#source = source;
    this.#window = new Uint8Array(Math.min(windowBytes, source.size));
  }

  /**
   * The field that begins at a byte of a message; the next one begins at its `end`.
   *
   * @param end where the message ends
   * @param path names the message in errors: 'graph.node[2]'; '' for the whole file
   * @throws FileError for what is no field, and for one that goes on beyond the message
   */
  field(at: number, end: number, path: string): Field | Promise<Field> {
    const needed = Math.min(longestHead, end - at);
    if (this.#holds(at, needed)) return this.#parse(at, end, path);
    return this.#fill(at).then(() => this.#parse(at, end, path));
  }

  /**
   * The values of a field of four or eight bytes and of those like it that follow at once, as a message that does not pack its
   * repeated fields has them: they are counted without a step for each.
   */
  async run(first: Field, end: number): Promise<Run> {
    const head = first.begin - first.at;
    const stride = first.end - first.at;
    const tag = await this.bytes(first.at, first.begin);
    let count = 1;
    for (let at = first.end; at + stride <= end; ) {
      if (!this.#holds(at, stride)) await this.#fill(at);
      const last = Math.min(this.#stop, end) - stride;
      for (; at <= last; at += stride) {
        const place = at - this.#start;
        for (let i = 0; i < head; i++) {
          if (this.#window[place + i] !== tag[i]) return { begin: first.begin, count, stride };
        }
        count++;
      }
    }
    return { begin: first.begin, count, stride };
  }

  /** A copy of some bytes, whose number must have been checked. */
  async bytes(begin: number, end: number): Promise<Uint8Array<ArrayBuffer>> {
    if (!this.#holds(begin, end - begin)) return readBytes(this.#source, begin, end - begin);
    return this.#window.slice(begin - this.#start, end - this.#start) as Uint8Array<ArrayBuffer>;
  }

  /** An error about a byte of the source and the field that it belongs to. */
  error(at: number, path: string, what: string, cause?: unknown): FileError {
    return new FileError(`${this.#source.label}: ${path || 'the message'} at byte ${at} ${what}`, { cause });
  }

  #parse(at: number, end: number, path: string): Field {
    if (++this.#fields > mostFields)
      throw this.error(at, path, `is more than the first ${mostFields} fields, all that are read`);
    const tag = this.#varint(at, end, path);
    const number = Math.floor(tag.value / 8);
    const wire = tag.value % 8;
    if (!(number >= 1 && number < 2 ** 29)) throw this.error(at, path, `has a field ${number}, which cannot be`);
    const begin = tag.end;
    switch (wire) {
      case wireType.varint: {
        const { value, end: after } = this.#varint(begin, end, path);
        return { number, wire, at, begin, end: after, value };
      }
      case wireType.bytes: {
        const length = this.#varint(begin, end, path);
        this.#checkLength(at, length.value, end - length.end, number, path);
        return { number, wire, at, begin: length.end, end: length.end + length.value, value: 0 };
      }
      case wireType.fixed32:
      case wireType.fixed64: {
        const length = wire === wireType.fixed32 ? 4 : 8;
        this.#checkLength(at, length, end - begin, number, path);
        return { number, wire, at, begin, end: begin + length, value: 0 };
      }
      default:
        throw this.error(at, path, `has a field ${number} of wire type ${wire}, expected 0, 1, 2 or 5`);
    }
  }

  #checkLength(at: number, length: number, left: number, number: number, path: string): void {
    if (length >= 0 && length <= left) return;
    const cut = path === '' ? ': the file is cut short, or is none of this format' : '';
    throw this.error(at, path, `has a field ${number} of ${length} bytes, ${left} are left for it${cut}`);
  }

  #varint(at: number, end: number, path: string): { readonly value: number; readonly end: number } {
    const from = at - this.#start;
    const length = varintLength(this.#window, from, from + end - at);
    if (length === 0) throw this.error(at, path, 'has an integer that does not end within it, or not within 10 bytes');
    return { value: varintValue(this.#window, from, length), end: at + length };
  }

  #holds(at: number, bytes: number): boolean {
    return at >= this.#start && at + bytes <= this.#stop;
  }

  async #fill(at: number): Promise<void> {
    const length = Math.min(this.#window.length, this.#source.size - at);
    this.#stop = this.#start; // Nothing is held while a read runs, nor after one that failed.
    await this.#source.read(at, this.#window.subarray(0, length));
    this.#start = at;
    this.#stop = at + length;
  }
}

/**
 * The bytes that an integer takes: seven bits are in each, the lowest first, and all but the last have their highest bit set.
 *
 * @returns 0 where it does not end before `end`, nor within 10 bytes
 */
export function varintLength(bytes: Uint8Array, at: number, end: number): number {
  const last = Math.min(at + 10, end, bytes.length);
  for (let i = at; i < last; i++) if (bytes[i] < 128) return i + 1 - at;
  return 0;
}

/** An integer of so many bytes: 64 bits with a sign, rounded where it is no safe integer. */
export function varintValue(bytes: Uint8Array, at: number, length: number): number {
  if (length <= 7) {
    let value = 0;
    for (let i = length - 1; i >= 0; i--) value = value * 128 + (bytes[at + i] & 127);
    return value;
  }
  let value = 0n;
  for (let i = length - 1; i >= 0; i--) value = (value << 7n) | BigInt(bytes[at + i] & 127);
  return Number(BigInt.asIntN(64, value));
}
