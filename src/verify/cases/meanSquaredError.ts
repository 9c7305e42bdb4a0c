import { meanSquaredError } from '../../ops/meanSquaredError.js';
import { type Case, type DataKind, makeCase, scaled, tensor } from '../case.js';

const loss = (shape: readonly number[], data?: DataKind): Case =>
  makeCase(meanSquaredError, [tensor(...shape), tensor(...shape)], {}, { data });

export const cases: readonly Case[] = [
  loss([16, 1000]),
  loss([8, 3, 32, 32]),
  ...[1, 2, 3, 4, 5, 6, 7, 8, 9, 17, 33].map((length) => loss([length])),
  loss([2, 3, 5, 7]),
  // Differences that are small beside the values.
  makeCase(meanSquaredError, [scaled(0.01, tensor(3, 41), 1), scaled(0.01, tensor(3, 41), 1)]),
  loss([3, 43], 'nonFinite'),
];
