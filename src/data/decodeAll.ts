/** Decodes many images, several at a time, and hands them on in order; what cannot be read is noted and left out. */
import { concurrently } from '../concurrently.js';
import { FileError } from '../errors.js';

export interface DecodingOptions {
  /** Leaves out images that cannot be read, instead of refusing them all. */
  readonly skipBad?: boolean;
  /** Is told of each image that is left out, and why. */
  readonly onSkipped?: (path: string, reason: string) => void;
  readonly onProgress?: (done: number, total: number, note: string) => void;
  readonly signal?: AbortSignal;
}

/** An image that cannot be read. */
export interface BadImage {
  readonly path: string;
  readonly reason: string;
}

/** Enough to keep the decoder's threads busy while others wait for the disk. */
const decodedAtOnce = 8;
/** What is decoded before it is handed on, but so many images at least. */
const bytesAtOnce = 2 ** 24;
const leastAtOnce = 2 * decodedAtOnce;
/** Bad images that an error names. */
const namedAtMost = 10;

/**
 * Decodes images 0 to count − 1. A FileError of `decode` marks a bad image; any other error, and an abort, ends it all.
 *
 * @param decode fills `into` with image i
 * @param keep takes the bytes of the next images that were good, in order; the array is filled anew when it is done
 * @returns the images that were good, in order, and why the others were not
 */
export async function decodeAll(
  paths: readonly string[],
  imageBytes: number,
  decode: (i: number, into: Uint8Array) => Promise<void>,
  keep: (bytes: Uint8Array) => Promise<void>,
  { onProgress, signal }: DecodingOptions,
): Promise<{ readonly good: number[]; readonly bad: BadImage[] }> {
  const good: number[] = [];
  const bad: BadImage[] = [];
  const atOnce = Math.max(leastAtOnce, Math.floor(bytesAtOnce / imageBytes));
  const bytes = new Uint8Array(Math.min(atOnce, paths.length) * imageBytes);
  let done = 0;
  for (let start = 0; start < paths.length; start += atOnce) {
    const end = Math.min(start + atOnce, paths.length);
    const reasons = new Map<number, string>();
    const indices = Array.from({ length: end - start }, (_, i) => start + i);
    await concurrently(indices, decodedAtOnce, async (i) => {
      try {
        signal?.throwIfAborted();
        await decode(i, bytes.subarray((i - start) * imageBytes, (i - start + 1) * imageBytes));
      } catch (error) {
        if (!(error instanceof FileError)) throw error;
        reasons.set(i, error.message);
      }
      onProgress?.(++done, paths.length, 'decoding images');
    });
    signal?.throwIfAborted();
    let kept = 0;
    for (let i = start; i < end; i++) {
      const reason = reasons.get(i);
      if (reason !== undefined) {
        bad.push({ path: paths[i], reason });
        continue;
      }
      if (kept < i - start) bytes.copyWithin(kept * imageBytes, (i - start) * imageBytes, (i - start + 1) * imageBytes);
      good.push(i);
      kept++;
    }
    if (kept > 0) await keep(bytes.subarray(0, kept * imageBytes));
  }
  return { good, bad };
}

/**
 * Refuses bad images, or reports each of them where they may be skipped.
 *
 * @param source what they are images of
 * @param total number of images, good and bad
 * @throws FileError with their number and the first of them by name
 */
export function settleBad(
  source: string,
  bad: readonly BadImage[],
  total: number,
  { skipBad, onSkipped }: DecodingOptions,
): void {
  if (skipBad) {
    for (const { path, reason } of bad) onSkipped?.(path, reason);
    return;
  }
  if (bad.length === 0) return;
  const named = bad.slice(0, namedAtMost).map(({ reason }) => reason);
  if (bad.length > namedAtMost) named.push(`… and ${bad.length - namedAtMost} more`);
  throw new FileError(
    `${bad.length} of ${total} images of ${source} cannot be read (with skipBad they are left out):\n${named.join('\n')}`,
  );
}
