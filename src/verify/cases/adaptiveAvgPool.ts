import { adaptiveAvgPool } from '../../ops/adaptiveAvgPool.js';
import { type Case, type DataKind, makeCase, tensor } from '../case.js';

type Shape4 = readonly [number, number, number, number];

function pool(shape: Shape4, size: number | readonly number[], data: DataKind = 'normal', label?: string): Case {
  return makeCase(adaptiveAvgPool, [tensor(...shape)], { size }, { data, label });
}

export const cases: readonly Case[] = [
  pool([1, 256, 6, 6], 6, 'normal', 'torchvision at 224'),
  pool([1, 256, 7, 7], 6, 'normal', 'torchvision at 256'),
  pool([1, 256, 1, 1], 6, 'normal', 'torchvision at 63'),
  pool([2, 16, 13, 15], 6),
  ...[1, 2, 3, 4, 5, 6, 7, 8, 9, 11].map((width) => pool([2, 3, 5, width], [3, 4])),
  ...[1, 2, 3, 5, 9].map((c) => pool([2, c, 8, 7], [3, 5])),
  pool([2, 4, 9, 11], 1),
  pool([2, 4, 8, 12], [4, 3]),
  pool([2, 4, 8, 12], [4, 3], 'integers'),
  pool([1, 3, 3, 2], [7, 5]),
  pool([2, 3, 9, 10], [4, 3], 'nonFinite'),
];
