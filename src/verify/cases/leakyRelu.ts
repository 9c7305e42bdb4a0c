import { leakyRelu } from '../../ops/leakyRelu.js';
import { type Case, makeCase, tensor } from '../case.js';

export const cases: readonly Case[] = [
  makeCase(leakyRelu, [tensor(1, 96, 55, 55)], {}, { label: 'leaky1' }),
  makeCase(leakyRelu, [tensor(16, 4096)], {}, { label: 'leaky6' }),
  ...[1, 2, 3, 4, 5, 7, 15, 17, 31, 33].map((length) => makeCase(leakyRelu, [tensor(length)], { slope: 0.1 })),
  ...[0, 0.25, 1 / 3, 1, 1.5].map((slope) => makeCase(leakyRelu, [tensor(3, 5, 7, 3)], { slope })),
  makeCase(leakyRelu, [tensor(3, 41)], { slope: 0.2 }, { data: 'ties' }),
  makeCase(leakyRelu, [tensor(2, 37)], { slope: 0.2 }, { data: 'nonFinite' }),
];
