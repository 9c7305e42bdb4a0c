/**
 * What `work` gives for each item, in their order, with several under way at a time: as many as the least of their `width`s.
 * Whatever was begun has ended when this ends, by an error too.
 */
export async function* inOrder<T, R>(
  items: readonly T[],
  work: (item: T) => Promise<R>,
  width: (item: T) => number,
): AsyncGenerator<R> {
  const underWay: { readonly item: T; readonly result: Promise<R> }[] = [];
  try {
    for (const item of items) {
      const full = (): boolean =>
        underWay.length >= Math.min(width(item), ...underWay.map((other) => width(other.item)));
      while (underWay.length > 0 && full()) yield await (underWay.shift() as (typeof underWay)[number]).result;
      const result = work(item);
      result.catch(() => undefined);
      underWay.push({ item, result });
    }
    while (underWay.length > 0) yield await (underWay.shift() as (typeof underWay)[number]).result;
  } finally {
    await Promise.allSettled(underWay.map(({ result }) => result));
  }
}
