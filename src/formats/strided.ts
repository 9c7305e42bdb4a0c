/** Floats that do not lie row-major in their file: transposed, sliced, or in Fortran's order. */
import type { ByteSource } from './byteSource.js';
import { permutation, permuted } from './permute.js';
import { bitsOf, type FloatType, floatReader, type ReadFloats } from './tensorFile.js';

/** Elements that are read at one time. */
const windowElements = 2 ** 18;

export interface Strided {
  /** Of the first element, in the source. */
  readonly begin: number;
  readonly dtype: FloatType;
  readonly bigEndian?: boolean;
  readonly shape: readonly number[];
  /** In elements; no two elements may lie at one place (see `overlaps`). */
  readonly strides: readonly number[];
}

interface Axis {
  readonly extent: number;
  readonly stride: number;
  /** A letter that stands for it. */
  readonly letter: string;
}

type Layout = Pick<Strided, 'shape' | 'strides'>;

/** The axes that matter, in the order of the tensor. */
function axesOf({ shape, strides }: Layout): readonly Axis[] {
  return shape
    .map((extent, i) => ({ extent, stride: strides[i], letter: String.fromCharCode(i + 1) }))
    .filter(({ extent }) => extent !== 1);
}

/** The same in the order of the file: from the largest stride to the smallest. */
function inFileOrder(axes: readonly Axis[]): readonly Axis[] {
  return [...axes].sort((a, b) => b.stride - a.stride);
}

/** Elements of the file that a tensor spans, holes included. */
export function span({ shape, strides }: Layout): number {
  return shape.includes(0) ? 0 : shape.reduce((last, extent, i) => last + (extent - 1) * strides[i], 1);
}

/** Whether some elements lie, or may lie, at the same place, as those of an expanded tensor do. */
export function overlaps(tensor: Layout): boolean {
  if (tensor.shape.includes(0)) return false;
  let last = 0;
  for (const { extent, stride } of inFileOrder(axesOf(tensor)).toReversed()) {
    if (stride <= last) return true;
    last += (extent - 1) * stride;
  }
  return false;
}

/** Reads a tensor in the order of its file and puts each element in its place. */
export function stridedReader(source: ByteSource, tensor: Strided): ReadFloats {
  const axes = axesOf(tensor);
  const ordered = inFileOrder(axes);
  const raw = floatReader(source, tensor.begin, tensor.dtype, tensor.bigEndian);
  const read = withoutHoles(raw, merged(ordered), span(tensor));
  const letters = (list: readonly Axis[]) => list.map(({ letter }) => letter).join('');
  const extents = new Map(axes.map(({ letter, extent }) => [letter, extent]));
  return permuted(read, permutation(extents, letters(ordered), letters(axes)));
}

/** Axes of which the outer goes on where the inner ends are one. */
function merged(ordered: readonly Axis[]): readonly Axis[] {
  const axes: Axis[] = [];
  for (const axis of ordered) {
    const last = axes.at(-1);
    if (last && last.stride === axis.stride * axis.extent) {
      axes[axes.length - 1] = { ...axis, extent: last.extent * axis.extent };
    } else axes.push(axis);
  }
  return axes;
}

/** The elements that axes in the order of the file lead to, one after another, of the `end` ones that are there. */
function withoutHoles(read: ReadFloats, axes: readonly Axis[], end: number): ReadFloats {
  const inner = axes.at(-1);
  if (!inner || (axes.length === 1 && inner.stride === 1)) return read;
  const outer = axes.slice(0, -1).reverse();
  return async (into, offset) => {
    const values = bitsOf(into);
    const window = new Float32Array(Math.min(windowElements, end));
    const known = { begin: 0, bits: bitsOf(window).subarray(0, 0) };
    for (let done = 0; done < values.length; ) {
      const index = (offset + done) % inner.extent;
      let place = index * inner.stride;
      let rest = Math.floor((offset + done) / inner.extent);
      for (const { extent, stride } of outer) {
        place += (rest % extent) * stride;
        rest = Math.floor(rest / extent);
      }
      if (place >= known.begin + known.bits.length) {
        const part = window.subarray(0, end - place);
        await read(part, place);
        known.begin = place;
        known.bits = bitsOf(part);
      }
      const from = place - known.begin;
      const there = Math.ceil((known.bits.length - from) / inner.stride);
      const run = Math.min(inner.extent - index, values.length - done, there);
      for (let i = 0; i < run; i++) values[done + i] = known.bits[from + i * inner.stride];
      done += run;
    }
  };
}
