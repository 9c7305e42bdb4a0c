import { concat } from '../../ops/concat.js';
import { type Case, type DataKind, makeCase, tensor } from '../case.js';

/** Joins tensors of one shape but for the extents along the axis. */
function join(shape: readonly number[], axis: number, sizes: readonly number[], data?: DataKind, label?: string): Case {
  const inputs = sizes.map((size) => tensor(...shape.map((extent, i) => (i === axis ? size : extent))));
  return makeCase(concat, inputs, { axis }, { data, label });
}

export const cases: readonly Case[] = [
  join([1, 0, 27, 27], 1, [48, 48], 'normal', 'towers 1'),
  join([4, 0, 13, 13], 1, [192, 192], 'normal', 'towers 3'),
  join([16, 0], 1, [2048, 2048], 'normal', 'towers 6'),
  ...[1, 2, 3, 5, 8, 17].map((size) => join([3, 0, 1, 1], 1, [size, 4])),
  ...[1, 3, 7, 16, 33].map((size) => join([2, 0], 1, [3, size, 2])),
  join([2, 0, 3, 5], 1, [1, 2, 3, 4, 5]),
  join([0, 3, 5, 2], 0, [1, 4, 2]),
  join([2, 3, 0, 5], 2, [3, 1]),
  join([2, 3, 5, 0], 3, [1, 6]),
  join([0], 0, [19, 1, 40]),
  join([3, 0, 7], 1, [4]),
  join([2, 0, 5], 1, [3, 4], 'nonFinite'),
];
