import { add } from '../../ops/add.js';
import { type Case, type DataKind, makeCase, tensor } from '../case.js';

const sum = (shape: readonly number[], data?: DataKind): Case =>
  makeCase(add, [tensor(...shape), tensor(...shape)], {}, { data });

export const cases: readonly Case[] = [
  sum([1, 96, 27, 27]),
  ...[1, 2, 3, 4, 5, 6, 7, 9, 17].map((length) => sum([length])),
  sum([2, 3, 5, 7]),
  sum([3, 19], 'nonFinite'),
];
