import { type MaxPoolAttributes, maxPool } from '../../ops/maxPool.js';
import { type Case, type DataKind, makeCase, tensor } from '../case.js';

type Shape4 = readonly [number, number, number, number];

function pool(shape: Shape4, given: Partial<MaxPoolAttributes>, data: DataKind = 'normal', label?: string): Case {
  return makeCase(maxPool, [tensor(...shape)], given, { data, label });
}

const overlapping = { kernel: 3, stride: 2 } as const;

const alexnet = [
  pool([1, 96, 55, 55], overlapping, 'normal', 'pool1'),
  pool([1, 256, 27, 27], overlapping, 'normal', 'pool2'),
  pool([1, 256, 13, 13], overlapping, 'normal', 'pool5'),
  pool([3, 16, 13, 13], overlapping, 'ties', 'pool5, narrowed'),
];

const widths = [3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 17, 18].map((width) =>
  pool([2, 3, 7, width], { ...overlapping, rounding: width % 2 === 0 ? 'ceil' : 'floor' }),
);

const channels = [1, 2, 3, 4, 5, 7, 9].map((c) => pool([2, c, 7, 7], overlapping));

const kernels = [
  pool([2, 5, 8, 8], { kernel: 2, stride: 2 }),
  pool([2, 5, 7, 9], { kernel: 2, stride: 2, rounding: 'ceil' }),
  pool([1, 4, 9, 9], { kernel: 3, stride: 3, rounding: 'ceil' }),
  pool([1, 4, 8, 9], { kernel: 3, stride: 1 }, 'ties'),
  pool([1, 4, 8, 9], { kernel: 2, stride: 1 }, 'ties'),
  pool([2, 3, 11, 10], { kernel: 5, stride: 2, rounding: 'ceil' }),
  pool([2, 3, 9, 12], { kernel: [2, 3], stride: [1, 2] }),
  pool([2, 3, 9, 9], { kernel: 1, stride: 2 }),
  pool([1, 6, 6, 5], { kernel: [6, 5], stride: 1 }),
  pool([1, 3, 10, 10], { kernel: 2, stride: 3 }),
];

/** Padded cells never win, not even over negative numbers; a last window that would start in the padding is dropped. */
const paddings = [
  pool([2, 3, 7, 7], { ...overlapping, padding: 1 }),
  pool([2, 3, 8, 8], { ...overlapping, padding: 1, rounding: 'ceil' }),
  pool([2, 3, 6, 9], { ...overlapping, padding: 1, rounding: 'ceil' }, 'ties'),
  pool([2, 3, 14, 14], { ...overlapping, padding: [0, 0, 1, 1] }),
  pool([2, 3, 7, 7], { kernel: 2, stride: 2, padding: [0, 0, 1, 1] }),
  pool([1, 5, 6, 7], { kernel: 3, stride: 1, padding: [1, 0, 0, 1] }),
  pool([1, 5, 6, 7], { kernel: 3, stride: 2, padding: [0, 1, 1, 0] }, 'ties'),
  pool([1, 2, 1, 1], { kernel: 3, stride: 2, padding: 1 }),
];

/** The 2012 source: every maximum of a window gets the gradient. */
const toAll = [
  pool([1, 16, 27, 27], { ...overlapping, ties: 'all' }, 'ties', 'pool2, narrowed'),
  pool([2, 3, 9, 10], { kernel: 2, stride: 2, ties: 'all' }, 'ties'),
  pool([1, 4, 8, 9], { kernel: 3, stride: 1, ties: 'all' }, 'ties'),
  pool([2, 3, 6, 9], { ...overlapping, padding: 1, rounding: 'ceil', ties: 'all' }, 'ties'),
  pool([1, 5, 6, 7], { kernel: [2, 3], stride: 2, padding: [0, 1, 1, 0], ties: 'all' }, 'ties'),
  pool([2, 3, 7, 7], { ...overlapping, ties: 'all' }),
  pool([2, 3, 9, 9], { ...overlapping, ties: 'all' }, 'nonFinite'),
];

export const cases: readonly Case[] = [
  ...alexnet,
  ...widths,
  ...channels,
  ...kernels,
  ...paddings,
  ...toAll,
  pool([2, 3, 9, 9], overlapping, 'nonFinite'),
];
