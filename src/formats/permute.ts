/** Tensors whose axes lie in another order in the file: it is read from its beginning to its end, and scattered to where it belongs. */
import { bitsOf, type ReadFloats } from './tensorFile.js';

/** Elements that are read at one time, while as many that were read before are scattered: 1 MiB. */
const sliceLength = 2 ** 18;
/** For readers who want small parts of a tensor: elements that are kept, each block of them by a pass over the tensor. */
const blockLength = 2 ** 23;
/** Rows and columns that are moved at one time: few enough cache lines, far apart as they are. */
const tile = 16;
/** Elements of the longest record that is put in order where it lies, by way of a copy of it: 1 MiB. AlexNet's longest has 36 KiB. */
const recordLength = 2 ** 18;

interface Axis {
  readonly extent: number;
  /** Elements from one index to the next at the destination; negative where the axis is reversed. */
  readonly stride: number;
}

/** Where the elements of a tensor go. */
export interface Permutation {
  /** Of the source, from the slowest to the fastest, those that stay neighbours as one. */
  readonly axes: readonly Axis[];
  /** Place of the first element. */
  readonly base: number;
  readonly count: number;
}

/**
 * @param extents of the axes, by a letter each
 * @param from letters in the order of the source, the slowest first
 * @param to the same letters in the order of the destination
 * @param reversed an axis whose indices run backwards at the destination
 */
export function permutation(
  extents: ReadonlyMap<string, number>,
  from: string,
  to: string,
  reversed?: string,
): Permutation {
  const strides = new Map<string, number>();
  let count = 1;
  for (const letter of [...to].reverse()) {
    strides.set(letter, count);
    count *= extents.get(letter) ?? 1;
  }
  const axes: Axis[] = [];
  let base = 0;
  for (const letter of from) {
    const extent = extents.get(letter) ?? 1;
    const forward = strides.get(letter) ?? 1;
    const stride = letter === reversed ? -forward : forward;
    if (extent === 1) continue;
    if (stride < 0) base += (extent - 1) * forward;
    const last = axes.at(-1);
    if (last && last.stride === stride * extent) axes[axes.length - 1] = { extent: last.extent * extent, stride };
    else axes.push({ extent, stride });
  }
  return { axes, base, count };
}

/** Whether every element stays where it is. */
export function isIdentity({ axes }: Permutation): boolean {
  return axes.length === 0 || (axes.length === 1 && axes[0].stride === 1);
}

/** Two permutations in turn: the first one brings records together, the second one orders the elements of each. */
interface Steps {
  readonly first: Permutation;
  readonly within: Permutation;
}

/**
 * Where the fastest axis of the source is the slowest of the destination, and the others change their order too, as from HWIO to OIHW,
 * elements that are neighbours at the destination come far apart, each in a slice of its own, and every one would bring its cache line from
 * memory and back. So the other axes stay in the source's order at first, where a slice has whole lines.
 */
function inSteps({ axes, base, count }: Permutation): Steps | undefined {
  const columns = axes[axes.length - 1];
  const length = columns.stride;
  const within = { axes: axes.slice(0, -1), base, count: length };
  if (length * columns.extent !== count || length > recordLength || isIdentity(within)) return undefined;
  return { first: { axes: [{ extent: length, stride: 1 }, columns], base: 0, count }, within };
}

/** Reads a tensor in the order of the destination. A tensor that is asked for as a whole is in no other memory but for two slices, and then a record. */
export function permuted(read: ReadFloats, order: Permutation): ReadFloats {
  if (isIdentity(order)) return read;
  const { count } = order;
  const steps = inSteps(order);
  /** Blocks have whole records. */
  const record = steps?.within.count ?? 1;
  const longest = record * Math.floor(blockLength / record);
  const fill = async (into: Float32Array, start: number, slices: Slices) => {
    await scatterAll(read, steps?.first ?? order, into, start, slices);
    if (steps) orderRecords(into, steps.within);
  };
  let block: { readonly start: number; readonly values: Float32Array } | undefined;
  let slices: Slices | undefined;
  const blockAt = async (at: number) => {
    if (block && at >= block.start && at < block.start + block.values.length) return block;
    const start = at - (at % longest);
    const length = Math.min(longest, count - start);
    const values = block?.values.length === length ? block.values : new Float32Array(length);
    block = undefined;
    slices ??= makeSlices(count);
    await fill(values, start, slices);
    block = { start, values };
    return block;
  };
  const readPart: ReadFloats = async (into, offset) => {
    for (let done = 0; done < into.length; ) {
      const at = offset + done;
      const { start, values } = await blockAt(at);
      const part = values.subarray(at - start, offset + into.length - start);
      bitsOf(into).set(bitsOf(part), done);
      done += part.length;
      if (at + part.length === count) block = slices = undefined;
    }
  };
  /** The last of the parts under way: they share a block. */
  let tail: Promise<void> = Promise.resolve();
  return (into, offset) => {
    if (into.length === count) return fill(into, offset, makeSlices(count));
    const part = tail.then(() => readPart(into, offset));
    tail = part.catch(() => undefined);
    return part;
  };
}

type Slices = readonly [Float32Array, Float32Array];

function makeSlices(count: number): Slices {
  return [new Float32Array(Math.min(sliceLength, count)), new Float32Array(count > sliceLength ? sliceLength : 0)];
}

/** Fills `into` with those elements whose place is there, from place `start` on. */
async function scatterAll(
  read: ReadFloats,
  order: Permutation,
  into: Float32Array,
  start: number,
  [first, second]: Slices,
): Promise<void> {
  const { count } = order;
  const target = { values: bitsOf(into), start, whole: into.length === count };
  const { length } = first;
  const slice = (at: number) => ((at / length) % 2 === 0 ? first : second).subarray(0, count - at);
  let reading = read(slice(0), 0);
  for (let at = 0; at < count; at += length) {
    await reading;
    if (at + length < count) reading = read(slice(at + length), at + length);
    scatter(bitsOf(slice(at)), at, order, target);
  }
}

function orderRecords(into: Float32Array, order: Permutation): void {
  const length = order.count;
  const bits = bitsOf(into);
  const record = new Uint32Array(length);
  for (let start = 0; start < bits.length; start += length) {
    const values = bits.subarray(start, start + length);
    record.set(values);
    scatter(record, 0, order, { values, start: 0, whole: true });
  }
}

interface Target {
  readonly values: Uint32Array;
  /** Place of the first of them. */
  readonly start: number;
  /** Whether there is room for all places. */
  readonly whole: boolean;
}

/** The columns with places at the target: not all of them where a column's places lie together. */
function columnsFor({ axes, base, count }: Permutation, { values, start }: Target): readonly [number, number] {
  const { extent, stride } = axes[axes.length - 1];
  if (base !== 0 || stride * extent !== count) return [0, extent];
  return [Math.floor(start / stride), Math.ceil((start + values.length) / stride)];
}

/**
 * Moves the elements of the source from element `from` on. Bits are moved, so that NaNs keep theirs. A few columns of all rows go
 * together: what they have in common at the destination stays in the cache meanwhile.
 */
function scatter(source: Uint32Array, from: number, order: Permutation, target: Target): void {
  const { axes, base } = order;
  const [columns, rows = { extent: 1, stride: 0 }, ...outer] = [...axes].reverse();
  const width = columns.extent;
  /** Moves `count` elements from the place `column` on of each of `height` rows. */
  const move = (row: number, height: number, column: number, count: number, at: number) => {
    for (let top = 0; top < height; ) {
      const inner = (row + top) % rows.extent;
      let place = base + column * columns.stride + inner * rows.stride;
      let index = Math.floor((row + top) / rows.extent);
      for (const { extent, stride } of outer) {
        place += (index % extent) * stride;
        index = Math.floor(index / extent);
      }
      const some = Math.min(tile, rows.extent - inner, height - top);
      moveTile(
        source,
        { at: at + top * width, width, columns: count, rows: some },
        place,
        columns.stride,
        rows.stride,
        target,
      );
      top += some;
    }
  };
  const [least, most] = columnsFor(order, target);
  const across = (row: number, height: number, first: number, end: number, at: number) => {
    const last = Math.min(end, most);
    for (let left = Math.max(first, least); left < last; left += tile) {
      move(row, height, left, Math.min(tile, last - left), at + left - first);
    }
  };
  // What is left of a row, whole rows, and the beginning of another one.
  const column = from % width;
  const head = Math.min(source.length, (width - column) % width);
  const whole = Math.floor((source.length - head) / width);
  const first = Math.ceil(from / width);
  across(first - 1, 1, column, column + head, 0);
  across(first, whole, 0, width, head);
  const tail = head + whole * width;
  across(first + whole, 1, 0, source.length - tail, tail);
}

function moveTile(
  source: Uint32Array,
  { at, width, columns, rows }: { at: number; width: number; columns: number; rows: number },
  place: number,
  columnStride: number,
  rowStride: number,
  { values, start, whole }: Target,
): void {
  let row = 0;
  if (whole && rowStride === 1) {
    // Eight rows together: one index of the destination does for eight stores.
    for (; row + 8 <= rows; row += 8) {
      const r0 = at + row * width;
      const [r1, r2, r3] = [r0 + width, r0 + 2 * width, r0 + 3 * width];
      const [r4, r5, r6, r7] = [r0 + 4 * width, r0 + 5 * width, r0 + 6 * width, r0 + 7 * width];
      let to = place + row;
      for (let column = 0; column < columns; column++, to += columnStride) {
        values[to] = source[r0 + column];
        values[to + 1] = source[r1 + column];
        values[to + 2] = source[r2 + column];
        values[to + 3] = source[r3 + column];
        values[to + 4] = source[r4 + column];
        values[to + 5] = source[r5 + column];
        values[to + 6] = source[r6 + column];
        values[to + 7] = source[r7 + column];
      }
    }
  }
  for (; row < rows; row++) {
    const from = at + row * width;
    let to = place - start + row * rowStride;
    for (let column = 0; column < columns; column++, to += columnStride) {
      if (to >= 0 && to < values.length) values[to] = source[from + column];
    }
  }
}
