import { type AvgPoolAttributes, avgPool } from '../../ops/avgPool.js';
import { type Case, type DataKind, makeCase, tensor } from '../case.js';

type Shape4 = readonly [number, number, number, number];

function pool(shape: Shape4, given: Partial<AvgPoolAttributes>, data: DataKind = 'normal', label?: string): Case {
  return makeCase(avgPool, [tensor(...shape)], given, { data, label });
}

const overlapping = { kernel: 3, stride: 2 } as const;
const ceil = { ...overlapping, rounding: 'ceil' } as const;

/** The CIFAR-10 nets round up: 16 → 8 → 4. */
const cifar = [
  pool([2, 32, 16, 16], ceil, 'normal', 'cifar10 pool2'),
  pool([2, 64, 8, 8], ceil, 'normal', 'cifar10 pool3'),
  pool([2, 32, 16, 16], { ...ceil, count: 'all' }, 'normal', 'cifar10 pool2'),
];

const widths = [3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 17, 18].map((width) =>
  pool([2, 3, 7, width], { ...overlapping, rounding: width % 2 === 0 ? 'ceil' : 'floor' }),
);

const channels = [1, 2, 3, 5, 9].map((c) => pool([2, c, 7, 7], overlapping));

const kernels = [
  pool([2, 5, 8, 8], { kernel: 2, stride: 2 }),
  pool([2, 5, 8, 8], { kernel: 2, stride: 2 }, 'integers'),
  pool([2, 5, 7, 9], { kernel: 2, stride: 2, rounding: 'ceil' }),
  pool([1, 4, 9, 9], { kernel: 3, stride: 3, rounding: 'ceil' }),
  pool([1, 4, 8, 9], { kernel: 3, stride: 1 }),
  pool([2, 3, 11, 10], { kernel: 5, stride: 2, rounding: 'ceil' }),
  pool([2, 3, 9, 12], { kernel: [2, 3], stride: [1, 2] }),
  pool([2, 3, 9, 9], { kernel: 1, stride: 2 }),
  pool([1, 6, 6, 5], { kernel: [6, 5], stride: 1 }),
  pool([1, 3, 10, 10], { kernel: 2, stride: 3 }),
];

/** Per-side padding under both counts: the mean is over the image's cells, or over the padding's too. */
const paddings = (['inside', 'all'] as const).flatMap((count) => [
  pool([2, 3, 7, 7], { ...overlapping, padding: 1, count }),
  pool([2, 3, 8, 8], { ...ceil, padding: 1, count }),
  pool([2, 3, 14, 14], { ...overlapping, padding: [0, 0, 1, 1], count }),
  pool([1, 5, 6, 7], { kernel: 3, stride: 1, padding: [1, 0, 0, 1], count }),
  pool([1, 5, 6, 7], { kernel: 3, stride: 2, padding: [0, 1, 1, 0], count }),
  pool([1, 4, 9, 10], { kernel: [5, 4], stride: [3, 2], padding: [4, 1, 2, 3], rounding: 'ceil', count }),
  pool([1, 2, 1, 1], { kernel: 3, stride: 2, padding: 1, count }),
]);

export const cases: readonly Case[] = [
  ...cifar,
  ...widths,
  ...channels,
  ...kernels,
  ...paddings,
  pool([2, 3, 9, 9], overlapping, 'nonFinite'),
];
