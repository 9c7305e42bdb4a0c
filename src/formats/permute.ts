/** Tensors whose axes lie in another order in the file: it is read from its beginning to its end, and scattered to where it belongs. */
import type { ReadFloats } from './tensorFile.js';

/** Elements that are read at one time, while as many that were read before are scattered. */
const sliceLength = 2 ** 21;
/** Elements that are kept for readers who want small parts of a tensor: each block of them takes a pass over the file. */
const blockLength = 2 ** 22;
/** Rows and columns that are moved at one time: few enough cache lines on both sides. */
const tile = 32;

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

/** Reads a tensor in the order of the destination. A tensor that is asked for as a whole is in no other memory but for two slices. */
export function permuted(read: ReadFloats, order: Permutation): ReadFloats {
  if (isIdentity(order)) return read;
  const { count } = order;
  let block: { readonly start: number; readonly values: Float32Array } | undefined;
  const blockAt = async (at: number) => {
    if (block && at >= block.start && at < block.start + block.values.length) return block;
    const start = at - (at % blockLength);
    const values = new Float32Array(Math.min(blockLength, count - start));
    await scatterAll(read, order, values, start);
    block = { start, values };
    return block;
  };
  return async (into, offset) => {
    if (into.length >= Math.min(blockLength, count)) return scatterAll(read, order, into, offset);
    for (let done = 0; done < into.length; ) {
      const at = offset + done;
      const { start, values } = await blockAt(at);
      const part = values.subarray(at - start, offset + into.length - start);
      bits(into).set(bits(part), done);
      done += part.length;
      if (at + part.length === start + values.length) block = undefined;
    }
  };
}

/** The same for an array; a fresh one. */
export function permute(values: Float32Array, { axes, base, count }: Permutation): Float32Array {
  const into = new Float32Array(count);
  scatter(bits(values), 0, axes, base, { values: bits(into), start: 0, whole: true });
  return into;
}

/** Fills `into` with those elements whose place is there, from place `start` on. */
async function scatterAll(
  read: ReadFloats,
  { axes, base, count }: Permutation,
  into: Float32Array,
  start: number,
): Promise<void> {
  const target = { values: bits(into), start, whole: into.length === count };
  const length = Math.min(sliceLength, count);
  let slices = [new Float32Array(length), new Float32Array(count > length ? length : 0)];
  const slice = (at: number) => slices[0].subarray(0, count - at);
  let reading = read(slice(0), 0);
  for (let at = 0; at < count; at += length) {
    await reading;
    const ready = slice(at);
    slices = [slices[1], slices[0]];
    if (at + length < count) reading = read(slice(at + length), at + length);
    scatter(bits(ready), at, axes, base, target);
  }
}

interface Target {
  readonly values: Uint32Array;
  /** Place of the first of them. */
  readonly start: number;
  /** Whether there is room for all places. */
  readonly whole: boolean;
}

/** Moves the elements of the source from element `from` on. Bits are moved, so that NaNs keep theirs. */
function scatter(source: Uint32Array, from: number, axes: readonly Axis[], base: number, target: Target): void {
  const [columns, rows = { extent: 1, stride: 0 }, ...outer] = [...axes].reverse();
  for (let done = 0; done < source.length; ) {
    const at = from + done;
    const column = at % columns.extent;
    const row = Math.floor(at / columns.extent);
    const left = source.length - done;
    const width = Math.min(columns.extent - column, left);
    const inner = row % rows.extent;
    // Whole rows go together, the rest of one that is cut goes alone.
    const height = width < columns.extent ? 1 : Math.min(rows.extent - inner, Math.floor(left / width));
    let place = base + column * columns.stride + inner * rows.stride;
    let index = Math.floor(row / rows.extent);
    for (const { extent, stride } of outer) {
      place += (index % extent) * stride;
      index = Math.floor(index / extent);
    }
    moveRows(source, done, { width, height, place }, columns.stride, rows.stride, target);
    done += width * height;
  }
}

function moveRows(
  source: Uint32Array,
  from: number,
  { width, height, place }: { readonly width: number; readonly height: number; readonly place: number },
  columnStride: number,
  rowStride: number,
  { values, start, whole }: Target,
): void {
  for (let left = 0; left < width; left += tile) {
    const right = Math.min(width, left + tile);
    for (let top = 0; top < height; top += tile) {
      const bottom = Math.min(height, top + tile);
      for (let column = left; column < right; column++) {
        let to = place - start + column * columnStride + top * rowStride;
        let at = from + top * width + column;
        for (let row = top; row < bottom; row++, to += rowStride, at += width) {
          if (whole || (to >= 0 && to < values.length)) values[to] = source[at];
        }
      }
    }
  }
}

function bits(values: Float32Array): Uint32Array {
  return new Uint32Array(values.buffer, values.byteOffset, values.length);
}
