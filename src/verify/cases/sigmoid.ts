import { sigmoid } from '../../ops/sigmoid.js';
import { type Case, makeCase, scaled, tensor } from '../case.js';

export const cases: readonly Case[] = [
  makeCase(sigmoid, [tensor(1, 96, 55, 55)], {}, { label: 'sigmoid1' }),
  makeCase(sigmoid, [tensor(16, 4096)], {}, { label: 'sigmoid6' }),
  ...[1, 2, 3, 4, 5, 7, 15, 17, 31, 33].map((length) => makeCase(sigmoid, [tensor(length)])),
  makeCase(sigmoid, [tensor(3, 5, 7, 3)]),
  makeCase(sigmoid, [tensor(5, 103)], {}, { data: 'large' }),
  makeCase(sigmoid, [scaled(1e-4, tensor(3, 37))]),
  // Both ends, where the exponential vanishes and where it overflows.
  makeCase(sigmoid, [scaled(50, tensor(5, 103))]),
  makeCase(sigmoid, [tensor(2, 37)], {}, { data: 'nonFinite' }),
];
