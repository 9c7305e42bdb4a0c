/** Byte sources within others: a range of one, or bytes that can only be made from the front on. */
import { FileError } from '../errors.js';
import type { ByteSource } from './byteSource.js';

/** The bytes of a range, which must lie within the source; closing it closes nothing. */
export function rangeSource(source: ByteSource, begin: number, size: number, label: string): ByteSource {
  return {
    label,
    size,
    async read(offset, into) {
      checkRange(label, size, offset, into.length);
      await source.read(begin + offset, into);
    },
    close: async () => undefined,
  };
}

/**
 * Bytes that a generator makes one after another. Whoever reads on gets the next ones; whoever reads from further back starts it
 * anew, so let reads go from the front to the back. Closing it ends the generator.
 *
 * @param size bytes that the generator must make; one more or less is an error when the end is reached
 */
export function sequentialSource(label: string, size: number, start: () => AsyncGenerator<Uint8Array>): ByteSource {
  let chunks: AsyncGenerator<Uint8Array> | undefined;
  let chunk: Uint8Array = new Uint8Array(0);
  /** Of the chunk's first byte. */
  let begin = 0;
  let turn: Promise<unknown> = Promise.resolve();

  const restart = async (): Promise<void> => {
    const ended = chunks;
    chunks = undefined;
    chunk = new Uint8Array(0);
    begin = 0;
    await ended?.return(undefined);
  };
  const next = async (generator: AsyncGenerator<Uint8Array>): Promise<void> => {
    begin += chunk.length;
    chunk = new Uint8Array(0);
    const { value, done } = await generator.next();
    if (done) throw new FileError(`${label} ends after ${begin} bytes, expected ${size}`);
    if (begin + value.length > size)
      throw new FileError(`${label} has more than the ${size} bytes that it should have`);
    chunk = value;
  };
  const readNow = async (offset: number, into: Uint8Array): Promise<void> => {
    if (into.length === 0) return;
    if (offset < begin) await restart();
    chunks ??= start();
    for (let done = 0; done < into.length; ) {
      const from = offset + done - begin;
      if (from >= chunk.length) await next(chunks);
      else {
        const part = chunk.subarray(from, from + into.length - done);
        into.set(part, done);
        done += part.length;
      }
    }
    if (offset + into.length < size) return;
    // What checks the whole, such as a checksum, does it at the end.
    for (let rest = await chunks.next(); !rest.done; rest = await chunks.next()) {
      if (rest.value.length > 0) throw new FileError(`${label} has more than the ${size} bytes that it should have`);
    }
    await restart();
  };
  return {
    label,
    size,
    read(offset, into) {
      checkRange(label, size, offset, into.length);
      const reading = turn.then(async () => {
        try {
          await readNow(offset, into);
        } catch (error) {
          await restart();
          throw error;
        }
      });
      turn = reading.catch(() => undefined);
      return reading;
    },
    close: restart,
  };
}

function checkRange(label: string, size: number, offset: number, length: number): void {
  if (!(offset >= 0 && offset + length <= size)) {
    throw new FileError(`${label} has ${size} bytes, expected ${length} more from byte ${offset} on`);
  }
}
