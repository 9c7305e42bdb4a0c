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
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < into.length) {
      const at = next;
      next += sliceBytes;
      try {
        await read(into.subarray(at, at + sliceBytes), at);
      } catch (error) {
        next = into.length;
        throw error;
      }
    }
  };
  const workers = await Promise.allSettled(Array.from({ length: atOnce }, work));
  for (const worker of workers) if (worker.status === 'rejected') throw worker.reason;
}
