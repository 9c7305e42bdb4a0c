import { reshape } from '../../ops/reshape.js';
import { type Case, makeCase, tensor } from '../case.js';

export const cases: readonly Case[] = [
  makeCase(reshape, [tensor(2, 256, 6, 6)], { shape: [2, 9216] }, { label: 'flatten' }),
  makeCase(reshape, [tensor(3, 5, 7)], { shape: [105] }),
  makeCase(reshape, [tensor(30)], { shape: [2, 3, 5] }),
  makeCase(reshape, [tensor(1, 1)], { shape: [1, 1, 1, 1] }),
  makeCase(reshape, [tensor(3, 7)], { shape: [7, 3] }, { data: 'nonFinite' }),
];
