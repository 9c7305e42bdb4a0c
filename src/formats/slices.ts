import { concurrently } from '../concurrently.js';

/** Bytes of a slice: large against what a call costs, small enough for the last ones to end together. */
const sliceBytes = 4 * 2 ** 20;
/** Node reads files on four threads; one copy alone does not use all of the memory's speed. */
const atOnce = 4;

/**
 * Fills an array by slices, several at once. Settles when no slice is being written any more.
 *
 * @param read fills a slice of the array, which begins at byte `at` of it
 */
export async function inSlices(
  into: Uint8Array,
  read: (slice: Uint8Array, at: number) => Promise<void>,
): Promise<void> {
  const begins = Array.from({ length: Math.ceil(into.length / sliceBytes) }, (_, i) => i * sliceBytes);
  await concurrently(begins, atOnce, (at) => read(into.subarray(at, at + sliceBytes), at));
}
