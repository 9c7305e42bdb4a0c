/** The bytes of a pickle, a window at a time: short pieces are read, long ones located and passed over. */
import { FileError } from '../errors.js';
import { type ByteSource, readBytes } from './byteSource.js';

/** Bytes of the window; a line of protocol 0 must fit. */
const windowBytes = 2 ** 16;

export class PickleInput {
  private window = new Uint8Array(0);
  private begin: number;
  private at = 0;
  private readonly view = new DataView(new ArrayBuffer(8));

  constructor(
    readonly source: ByteSource,
    offset = 0,
  ) {
    this.begin = offset;
  }

  /** Offset in the source of the byte that comes next. */
  get position(): number {
    return this.begin + this.at;
  }

  /** Whether `count` bytes are in memory, or as many as the source has. */
  has(count: number): boolean {
    return this.at + count <= this.window.length || this.begin + this.window.length >= this.source.size;
  }

  async fill(): Promise<void> {
    const { position } = this;
    this.window = await readBytes(this.source, position, Math.min(windowBytes, this.source.size - position));
    this.begin = position;
    this.at = 0;
  }

  /** The next bytes, which `has` has seen; valid until the next `fill`. */
  take(count: number): Uint8Array {
    const { window, at } = this;
    if (at + count > window.length) throw this.tooShort(count);
    this.at += count;
    return window.subarray(at, at + count);
  }

  byte(): number {
    if (this.at >= this.window.length) throw this.tooShort(1);
    return this.window[this.at++];
  }

  /** An unsigned little-endian integer of 1, 2, 4 or 8 bytes; one of 8 may be rounded, to more than any file has. */
  count(bytes: 1 | 2 | 4 | 8): number {
    let value = 0;
    for (let i = 0, unit = 1; i < bytes; i++, unit *= 256) value += unit * this.byte();
    return value;
  }

  int32(): number {
    return this.count(4) | 0;
  }

  /** Big endian, as protocol 1 has them. */
  double(): number {
    for (let i = 0; i < 8; i++) this.view.setUint8(i, this.byte());
    return this.view.getFloat64(0);
  }

  /** Passes over bytes, which the source must have. */
  skip(count: number): void {
    if (count > this.source.size - this.position) throw this.tooShort(count);
    this.at += count;
    if (this.at <= this.window.length) return;
    this.begin += this.at;
    this.at = 0;
    this.window = new Uint8Array(0);
  }

  /** The bytes up to a line feed, as Latin-1. */
  async line(): Promise<string> {
    let end = this.window.indexOf(10, this.at);
    if (end < 0) {
      await this.fill();
      end = this.window.indexOf(10);
    }
    if (end < 0) {
      throw new FileError(`${this.source.label}: the line at byte ${this.position} of the pickle does not end`);
    }
    const text = latin1(this.take(end - this.at));
    this.at++;
    return text;
  }

  private tooShort(count: number): FileError {
    const { source, position } = this;
    return new FileError(
      `${source.label}: the pickle ends at byte ${source.size}, expected ${count} bytes from byte ${position} on`,
    );
  }
}

/** One character for each byte. */
export function latin1(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += 4096) text += String.fromCharCode(...bytes.subarray(at, at + 4096));
  return text;
}
