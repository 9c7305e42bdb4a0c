/** What a reader costs: bytes that it asks of its source, and bytes of the arrays that it makes meanwhile. */
import type { ByteSource } from '../../src/formats/byteSource.js';

export interface MeteredSource extends ByteSource {
  /** Bytes that were read. */
  readonly asked: number;
  readonly closed: boolean;
}

export function metered(source: ByteSource): MeteredSource {
  let asked = 0;
  let closed = false;
  return {
    label: source.label,
    size: source.size,
    async read(offset, into) {
      asked += into.length;
      await source.read(offset, into);
    },
    async close() {
      closed = true;
      await source.close();
    },
    get asked() {
      return asked;
    },
    get closed() {
      return closed;
    },
  };
}

export interface Allocated {
  readonly total: number;
  readonly largest: number;
}

/** Buffers and arrays of numbers that JavaScript can make; each is replaced by one that counts while something runs. */
const kinds = ['ArrayBuffer', 'Uint8Array', 'Uint16Array', 'Uint32Array', 'Float32Array', 'Float64Array'] as const;

/**
 * Runs something and counts the bytes of all buffers that are made meanwhile by a length. A length above `most` is refused before it is
 * tried, as the error that such a lack of memory is.
 */
export async function allocations(most: number, run: () => Promise<void>): Promise<Allocated> {
  let total = 0;
  let largest = 0;
  const globals = globalThis as unknown as Record<string, new (...args: unknown[]) => object>;
  const originals = new Map(kinds.map((kind) => [kind, globals[kind]]));
  for (const [kind, original] of originals) {
    const { BYTES_PER_ELEMENT: unit = 1 } = original as { BYTES_PER_ELEMENT?: number };
    globals[kind] = new Proxy(original, {
      construct(target, args, newTarget) {
        const bytes = typeof args[0] === 'number' ? unit * args[0] : 0;
        if (!(bytes <= most)) throw new RangeError(`${kind} of ${bytes} bytes, allowed are ${most}`);
        total += bytes;
        largest = Math.max(largest, bytes);
        return Reflect.construct(target, args, newTarget);
      },
    });
  }
  try {
    await run();
  } finally {
    for (const [kind, original] of originals) globals[kind] = original;
  }
  return { total, largest };
}
