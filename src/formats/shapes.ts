/** Shapes that files claim to have. */
import { formatShape } from '../ops/define.js';
import type { Fail } from './pickleValues.js';

/** NumPy has 32 dimensions, 64 since its version 2. */
const mostDimensions = 64;

/**
 * The product of a shape.
 *
 * @throws what `fail` makes of it when there are more than `most` elements, counts are no integers or there are too many of them
 */
export function countElements(shape: readonly number[], most: number, fail: Fail): number {
  if (shape.length > mostDimensions) throw fail(`${shape.length} dimensions, known are up to ${mostDimensions}`);
  if (!shape.every((extent) => Number.isSafeInteger(extent) && extent >= 0)) {
    throw fail(`the shape must be integers from 0 on, got ${formatShape(shape)}`);
  }
  const product = shape.reduce((before, extent) => before * (extent || 1), 1);
  // Also of nothing: a product on its way to infinity times 0 is no number.
  if (!Number.isSafeInteger(product)) throw fail(`shape ${formatShape(shape)} has more elements than can be counted`);
  const count = shape.includes(0) ? 0 : product;
  if (count > most) throw fail(`shape ${formatShape(shape)} has ${count} elements, there is room for ${most}`);
  return count;
}

/** Elements from one index of each dimension to the next, when the last index runs fastest. */
export function rowMajorStrides(shape: readonly number[]): readonly number[] {
  const strides = shape.map(() => 1);
  for (let i = shape.length - 2; i >= 0; i--) strides[i] = strides[i + 1] * shape[i + 1];
  return strides;
}

/** The same when the first index runs fastest: Fortran's order. */
export function columnMajorStrides(shape: readonly number[]): readonly number[] {
  return rowMajorStrides(shape.toReversed()).toReversed();
}
