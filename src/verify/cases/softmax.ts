import { softmax } from '../../ops/softmax.js';
import { type Case, makeCase, scaled, tensor } from '../case.js';

export const cases: readonly Case[] = [
  makeCase(softmax, [tensor(1, 1000)], {}, { label: 'prob' }),
  makeCase(softmax, [tensor(16, 1000)], {}, { label: 'prob' }),
  ...[2, 3, 4, 5, 6, 7, 8, 9, 10, 17].map((classes) => makeCase(softmax, [tensor(3, classes)])),
  // Without subtracting the maximum, exp would overflow in float32, or all of a row vanish.
  makeCase(softmax, [scaled(1, tensor(5, 33), 100)]),
  makeCase(softmax, [scaled(1, tensor(4, 11), -200)]),
  makeCase(softmax, [scaled(5, tensor(5, 34))]),
  makeCase(softmax, [scaled(0.01, tensor(7, 101))]),
  makeCase(softmax, [tensor(3, 13)], {}, { data: 'nonFinite' }),
];
