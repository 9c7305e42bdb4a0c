import { BackendError } from '../../errors.js';

export const pageBytes = 65536;
/** One page less than 4 GiB, so that the address behind the last byte is still an address. */
export const mostPages = 65535;
const alignment = 64;
/** Kernels read up to this many bytes past the end of a tensor. */
const slack = 64;

interface Gap {
  start: number;
  end: number;
}

/**
 * Blocks of linear memory, first fit, growing the memory when none fits. Addresses go up to 4 GiB: they are doubles here and
 * unsigned in the kernels.
 */
export class Heap {
  private readonly gaps: Gap[];
  private readonly sizes = new Map<number, number>();
  private end: number;

  constructor(
    readonly memory: WebAssembly.Memory,
    base: number,
    private readonly limit = mostPages * pageBytes,
  ) {
    this.end = memory.buffer.byteLength;
    this.gaps = [{ start: alignUp(base), end: this.end }];
  }

  /** Address of a new block; its content is not defined. */
  allocate(bytes: number, label: string): number {
    const size = alignUp(bytes + slack);
    let gap = this.gaps.find((candidate) => candidate.end - candidate.start >= size);
    if (!gap) gap = this.grow(size, label);
    const address = gap.start;
    gap.start += size;
    if (gap.start === gap.end) this.gaps.splice(this.gaps.indexOf(gap), 1);
    this.sizes.set(address, size);
    return address;
  }

  free(address: number): void {
    const size = this.sizes.get(address);
    if (size === undefined) return;
    this.sizes.delete(address);
    const at = this.gaps.findIndex((gap) => gap.start > address);
    const index = at < 0 ? this.gaps.length : at;
    this.gaps.splice(index, 0, { start: address, end: address + size });
    for (const i of [index, index - 1]) {
      const [left, right] = [this.gaps[i], this.gaps[i + 1]];
      if (!left || !right || left.end !== right.start) continue;
      left.end = right.end;
      this.gaps.splice(i + 1, 1);
    }
  }

  /** Bytes of all blocks. */
  get used(): number {
    let bytes = 0;
    for (const size of this.sizes.values()) bytes += size;
    return bytes;
  }

  /** Whether arrays over the memory stay what they are when it grows. */
  get shared(): boolean {
    return typeof SharedArrayBuffer !== 'undefined' && this.memory.buffer instanceof SharedArrayBuffer;
  }

  floats(address: number, count: number): Float32Array {
    return new Float32Array(this.memory.buffer, address, count);
  }

  words(address: number, count: number): Uint32Array {
    return new Uint32Array(this.memory.buffer, address, count);
  }

  bytes(address: number, count: number): Uint8Array {
    return new Uint8Array(this.memory.buffer, address, count);
  }

  private grow(size: number, label: string): Gap {
    let gap = this.gaps.at(-1);
    if (!gap || gap.end !== this.end) {
      gap = { start: this.end, end: this.end };
      this.gaps.push(gap);
    }
    const missing = Math.ceil((size - (gap.end - gap.start)) / pageBytes);
    const wanted = this.end + missing * pageBytes;
    try {
      if (wanted > this.limit) throw new RangeError('limit');
      this.memory.grow(missing);
    } catch (error) {
      if (gap.start === gap.end) this.gaps.splice(this.gaps.indexOf(gap), 1);
      throw new BackendError(
        `out of memory: ${label} needs ${mebibytes(size)} where ${mebibytes(this.used)} are in use of ${mebibytes(this.limit)}`,
        { cause: error },
      );
    }
    this.end = wanted;
    gap.end = wanted;
    return gap;
  }
}

export function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}

function alignUp(bytes: number): number {
  return Math.ceil(bytes / alignment) * alignment;
}
