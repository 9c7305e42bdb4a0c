import { logSoftmax } from '../../ops/logSoftmax.js';
import { type Case, makeCase, scaled, tensor } from '../case.js';

export const cases: readonly Case[] = [
  makeCase(logSoftmax, [tensor(1, 1000)]),
  makeCase(logSoftmax, [tensor(16, 1000)]),
  ...[2, 3, 4, 5, 6, 7, 8, 9, 10, 17].map((classes) => makeCase(logSoftmax, [tensor(3, classes)])),
  // Without subtracting the maximum, exp would overflow in float32, or all of a row vanish.
  makeCase(logSoftmax, [scaled(1, tensor(5, 33), 100)]),
  makeCase(logSoftmax, [scaled(1, tensor(4, 11), -200)]),
  makeCase(logSoftmax, [scaled(5, tensor(5, 34))]),
  makeCase(logSoftmax, [scaled(100, tensor(6, 11))]),
  makeCase(logSoftmax, [scaled(0.01, tensor(7, 101))]),
  makeCase(logSoftmax, [tensor(3, 13)], {}, { data: 'nonFinite' }),
];
