/**
 * Places buffers with known lifetimes in one arena: largest first, each at the lowest offset where it overlaps no buffer
 * that lives at the same time (greedy by size; Pisarchyk and Lee, Efficient Memory Management for Deep Neural Net
 * Inference, 2020, §4.2).
 */
export interface BufferRequest {
  readonly name: string;
  readonly bytes: number;
  /** First and last step that touches the buffer; both ends count. */
  readonly first: number;
  readonly last: number;
}

export interface Placement {
  /** Byte offset of each request, in their order; multiples of `alignment`. */
  readonly offsets: readonly number[];
  readonly bytes: number;
}

export function placeBuffers(requests: readonly BufferRequest[], alignment = 64): Placement {
  const align = (bytes: number): number => Math.ceil(bytes / alignment) * alignment;
  const order = requests.map((_, i) => i).sort((a, b) => requests[b].bytes - requests[a].bytes || a - b);
  const offsets = new Array<number>(requests.length).fill(0);
  const placed: number[] = [];
  let bytes = 0;
  for (const i of order) {
    const { first, last } = requests[i];
    const size = align(requests[i].bytes);
    let offset = 0;
    // Those that live at the same time, from low to high: take the first gap that is wide enough.
    for (const j of placed) {
      if (requests[j].last < first || requests[j].first > last) continue;
      if (offset + size <= offsets[j]) break;
      offset = Math.max(offset, offsets[j] + align(requests[j].bytes));
    }
    offsets[i] = offset;
    bytes = Math.max(bytes, offset + size);
    const at = placed.findIndex((j) => offsets[j] > offset);
    placed.splice(at < 0 ? placed.length : at, 0, i);
  }
  return { offsets, bytes };
}
