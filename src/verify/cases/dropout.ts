import { type DropoutAttributes, dropout } from '../../ops/dropout.js';
import { type Case, key, makeCase, tensor } from '../case.js';

function drop(shape: readonly number[], given: Partial<DropoutAttributes>, label?: string): Case {
  return makeCase(dropout, [tensor(...shape), key()], given, { label });
}

export const cases: readonly Case[] = [
  drop([1, 4096], { probability: 0.5, stream: 0 }, 'drop6'),
  drop([16, 4096], { probability: 0.5, stream: 1 }, 'drop7'),
  // Four elements share a Philox block, eight a vector: every remainder.
  ...[1, 2, 3, 4, 5, 6, 7, 8, 9, 17].map((length) => drop([3, length], { probability: 0.5, stream: 2 })),
  ...[0, 0.1, 0.2, 0.3, 0.8, 0.99].map((probability) => drop([2, 5, 7, 3], { probability, stream: 3 })),
  // Scaled at test: what is kept stays as it is.
  drop([16, 4096], { probability: 0.5, stream: 6, scaleAt: 'test' }, 'drop6 of 2012'),
  ...[0, 0.2, 0.5, 0.9].map((probability) => drop([3, 5, 7, 3], { probability, stream: 7, scaleAt: 'test' })),
  makeCase(dropout, [tensor(2, 57), key()], { probability: 0.5, stream: 4 }, { data: 'nonFinite' }),
];
