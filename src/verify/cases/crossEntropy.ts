import { crossEntropy } from '../../ops/crossEntropy.js';
import { type Case, labels, makeCase, probabilities, scaled, tensor } from '../case.js';

const loss = (batch: number, classes: number, label?: string): Case =>
  makeCase(crossEntropy, [tensor(batch, classes), labels(batch, classes)], {}, { label });

/** Against probabilities. */
const soft = (batch: number, classes: number, scale = 1, offset = 0): Case =>
  makeCase(
    crossEntropy,
    [scaled(scale, tensor(batch, classes), offset), probabilities(batch, classes)],
    {},
    { label: 'soft' },
  );

export const cases: readonly Case[] = [
  loss(1, 1000, 'loss'),
  loss(16, 1000, 'loss'),
  loss(128, 100),
  ...[2, 3, 4, 5, 6, 7, 8, 9, 10, 17].map((classes) => loss(3, classes)),
  ...[1, 2, 4, 5, 7].map((batch) => loss(batch, 11)),
  // Without subtracting the maximum, exp would overflow in float32, or all of a row vanish.
  makeCase(crossEntropy, [scaled(1, tensor(5, 33), 100), labels(5, 33)]),
  makeCase(crossEntropy, [scaled(1, tensor(4, 12), -200), labels(4, 12)]),
  makeCase(crossEntropy, [scaled(10, tensor(5, 34)), labels(5, 34)]),
  makeCase(crossEntropy, [scaled(100, tensor(6, 11)), labels(6, 11)]),
  makeCase(crossEntropy, [scaled(0.01, tensor(7, 101)), labels(7, 101)]),
  soft(1, 1000),
  soft(16, 1000),
  ...[2, 3, 4, 5, 7, 8, 17].map((classes) => soft(3, classes)),
  ...[1, 2, 5].map((batch) => soft(batch, 11)),
  soft(5, 33, 1, 100),
  soft(4, 12, 1, -200),
  soft(5, 34, 10),
  soft(6, 11, 100),
  soft(7, 101, 0.01),
];
