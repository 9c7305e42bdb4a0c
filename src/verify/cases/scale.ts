import { scale } from '../../ops/scale.js';
import { type Case, makeCase, tensor } from '../case.js';

export const cases: readonly Case[] = [
  makeCase(scale, [tensor(16, 4096)], { factor: 0.5 }, { label: 'drop6 at test' }),
  makeCase(scale, [tensor(1, 9216)], { factor: 0.8 }),
  ...[1, 2, 3, 4, 5, 7, 15, 17, 31, 33].map((length) => makeCase(scale, [tensor(length)], { factor: 0.5 })),
  ...[0.1, 1, -3, 1 / 3, 1e-3].map((factor) => makeCase(scale, [tensor(3, 5, 7, 3)], { factor })),
  makeCase(scale, [tensor(2, 37)], { factor: 0.7 }, { data: 'nonFinite' }),
  makeCase(scale, [tensor(2, 37)], { factor: 0 }, { data: 'nonFinite' }),
];
