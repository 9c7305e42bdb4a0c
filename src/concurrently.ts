/**
 * Does the work for every item, begun in their order, several at a time. Settles when nothing is under way any more; after an error no
 * other item is begun.
 *
 * @param atOnce items that are under way at one time
 * @throws what `work` throws, the first of it
 */
export async function concurrently<T>(
  items: Iterable<T>,
  atOnce: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const left = items[Symbol.iterator]();
  const errors: unknown[] = [];
  const worker = async (): Promise<void> => {
    for (let item = left.next(); !item.done && errors.length === 0; item = left.next()) {
      await work(item.value).catch((error: unknown) => errors.push(error));
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  if (errors.length > 0) throw errors[0];
}
