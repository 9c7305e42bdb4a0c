/** Floats that do not lie row-major in their file: transposed, sliced, or in Fortran's order. */
import type { ByteSource } from './byteSource.js';
import { rowMajorStrides } from './shapes.js';
import { type FloatType, floatReader, type ReadFloats } from './tensorFile.js';

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
  /** Elements of the file from one index to the next. */
  readonly stride: number;
  /** The same in the row-major result. */
  readonly step: number;
}

/** The axes that matter, from the one with the largest stride to the one with the smallest. */
function axesOf({ shape, strides }: Pick<Strided, 'shape' | 'strides'>): readonly Axis[] {
  const steps = rowMajorStrides(shape);
  return shape
    .map((extent, i) => ({ extent, stride: strides[i], step: steps[i] }))
    .filter(({ extent }) => extent !== 1)
    .sort((a, b) => b.stride - a.stride);
}

/** Elements of the file that a tensor spans, holes included. */
export function span({ shape, strides }: Pick<Strided, 'shape' | 'strides'>): number {
  return shape.includes(0) ? 0 : shape.reduce((last, extent, i) => last + (extent - 1) * strides[i], 1);
}

/** Whether some elements lie, or may lie, at the same place, as those of an expanded tensor do. */
export function overlaps(tensor: Pick<Strided, 'shape' | 'strides'>): boolean {
  let last = 0;
  for (const { extent, stride } of axesOf(tensor).toReversed()) {
    if (extent === 0) return false;
    if (stride <= last) return true;
    last += (extent - 1) * stride;
  }
  return false;
}

/** Reads a tensor in the order of its file, once from the beginning to the end, and puts each element in its place. */
export function stridedReader(source: ByteSource, tensor: Strided): ReadFloats {
  const axes = axesOf(tensor);
  const inOrder = floatReader(source, tensor.begin, tensor.dtype, tensor.bigEndian);
  if (axes.every(({ stride, step }) => stride === step)) return inOrder;
  const end = span(tensor);
  const { extent, stride, step } = axes[axes.length - 1];
  const outer = axes.slice(0, -1);
  return async (into, offset) => {
    if (into.length === 0) return;
    const window = new Float32Array(Math.min(windowElements, end));
    let first = 0;
    let known = 0;
    const index = outer.map(() => 0);
    let place = 0; // of the run along the last axis, in the file
    let target = -offset; // the same in `into`
    for (;;) {
      for (let i = 0; i < extent; i++) {
        const at = target + i * step;
        if (at < 0 || at >= into.length) continue;
        const from = place + i * stride;
        if (from >= first + known) {
          first = from;
          known = Math.min(window.length, end - first);
          await inOrder(window.subarray(0, known), first);
        }
        into[at] = window[from - first];
      }
      let axis = outer.length - 1;
      for (; axis >= 0; axis--) {
        place += outer[axis].stride;
        target += outer[axis].step;
        if (++index[axis] < outer[axis].extent) break;
        place -= outer[axis].stride * outer[axis].extent;
        target -= outer[axis].step * outer[axis].extent;
        index[axis] = 0;
      }
      if (axis < 0) return;
    }
  };
}
