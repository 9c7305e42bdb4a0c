import { split, splitGradient } from '../../ops/split.js';
import { type Case, type DataKind, makeCase, tensor } from '../case.js';

/** Cuts a tensor whose extent along the axis is the sum of the sizes. */
function cut(shape: readonly number[], axis: number, sizes: readonly number[], data?: DataKind, label?: string): Case {
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const x = tensor(...shape.map((extent, i) => (i === axis ? total : extent)));
  return makeCase(split, [x], { axis, sizes }, { data, label });
}

/** The gradient where the loss depends on some of the pieces only. */
function partial(shape: readonly number[], axis: number, sizes: readonly number[], present: readonly number[]): Case {
  const pieces = sizes
    .filter((_, i) => present[i])
    .map((size) => tensor(...shape.map((extent, i) => (i === axis ? size : extent))));
  return makeCase(splitGradient, pieces, { axis, sizes, present });
}

export const cases: readonly Case[] = [
  cut([1, 0, 27, 27], 1, [48, 48], 'normal', 'towers 1'),
  cut([4, 0, 13, 13], 1, [192, 192], 'normal', 'towers 3'),
  cut([16, 0], 1, [2048, 2048], 'normal', 'towers 6'),
  ...[1, 2, 3, 5, 8, 17].map((size) => cut([3, 0, 1, 1], 1, [size, 4])),
  ...[1, 3, 7, 16, 33].map((size) => cut([2, 0], 1, [3, size, 2])),
  cut([2, 0, 3, 5], 1, [1, 2, 3, 4, 5]),
  cut([0, 3, 5, 2], 0, [1, 4, 2]),
  cut([2, 3, 0, 5], 2, [3, 1]),
  cut([2, 3, 5, 0], 3, [1, 6]),
  cut([0], 0, [19, 1, 40]),
  cut([3, 0, 7], 1, [4]),
  cut([2, 0, 5], 1, [3, 4], 'nonFinite'),
  partial([4, 0, 13, 13], 1, [48, 48], [0, 1]),
  partial([2, 0, 3, 5], 1, [1, 2, 3], [1, 0, 1]),
  partial([5, 0], 1, [7, 1, 17, 3], [0, 1, 0, 0]),
  partial([0, 3], 0, [2, 5], [1, 0]),
];
