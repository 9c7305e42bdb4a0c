/** Inflates DEFLATE (RFC 1951) as it comes, by the platform; whoever reads no further ends what it comes from too. */
import type { TransformOptions } from 'node:stream';
import type { ZlibOptions } from 'node:zlib';
import { crc32 } from '../crc32.js';

/** What inflates, and a CRC-32 that goes on from that of the bytes before. */
interface Inflater {
  /**
   * @param deflated pieces; each may be written over when the next one is asked for
   * @param size bytes that it will make: of few, less memory is taken
   */
  inflate(deflated: AsyncIterable<Uint8Array<ArrayBuffer>>, size: number): AsyncIterable<Uint8Array>;
  crc32(bytes: Uint8Array, before: number): number;
}

/** Bytes that Node's zlib makes at one time, on a thread of its own: of a large file at most, of any at least. */
const [mostBytes, leastBytes] = [2 ** 18, 2 ** 10];
/** Pieces of so many bytes that it makes ahead, while whoever reads is busy. */
const ahead = 3;

/** Node's own streams are faster than those of the web, and leave less behind. */
export async function platformInflater(): Promise<Inflater> {
  return globalThis.process?.versions?.node ? inflaterOfNode() : inflaterOfWeb;
}

/**
 * @param expected checksum and size of the inflated bytes
 * @throws Error when it is not DEFLATE, or the checksum is another one
 */
export async function* inflateChecked(
  inflater: Inflater,
  deflated: AsyncIterable<Uint8Array<ArrayBuffer>>,
  expected: { readonly crc: number; readonly size: number },
): AsyncGenerator<Uint8Array> {
  let crc = 0;
  for await (const piece of inflater.inflate(deflated, expected.size)) {
    crc = inflater.crc32(piece, crc);
    yield piece;
  }
  if (crc !== expected.crc) throw new Error('the checksum is another one');
}

export async function inflaterOfNode(): Promise<Inflater> {
  const zlib = await import('node:zlib');
  return {
    // Node has it since 20.15.
    crc32: zlib.crc32 ?? crc32,
    async *inflate(deflated, size) {
      // As objects, pieces that wait are handed over one by one; they would be copied into one otherwise.
      const options: ZlibOptions & TransformOptions = {
        chunkSize: Math.max(leastBytes, Math.min(size, mostBytes)),
        readableObjectMode: true,
        readableHighWaterMark: ahead,
      };
      const stream = zlib.createInflateRaw(options);
      const feed = async (): Promise<void> => {
        for await (const piece of deflated) {
          await new Promise<void>((resolve, reject) => {
            stream.write(piece, (error) => (error ? reject(error) : resolve()));
          });
        }
        stream.end();
      };
      feed().catch((error: Error) => stream.destroy(error));
      yield* stream;
    },
  };
}

export const inflaterOfWeb: Inflater = {
  crc32,
  async *inflate(deflated) {
    const pieces = deflated[Symbol.asyncIterator]();
    const source = new ReadableStream<Uint8Array<ArrayBuffer>>({
      async pull(controller) {
        const { value, done } = await pieces.next();
        if (done) controller.close();
        else controller.enqueue(value.slice());
      },
      cancel: async () => void (await pieces.return?.()),
    });
    const reader = source.pipeThrough(new DecompressionStream('deflate-raw')).getReader();
    try {
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return;
        yield value;
      }
    } finally {
      await reader.cancel().catch(() => undefined);
    }
  },
};
