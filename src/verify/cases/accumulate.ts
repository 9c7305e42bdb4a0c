import { accumulate } from '../../ops/accumulate.js';
import { type Case, constant, type DataKind, makeCase, tensor, variable } from '../case.js';

function sum(shape: readonly number[], keep: number, data?: DataKind): Case {
  const label = keep === 0 ? `begins [${shape}]` : `adds [${shape}]`;
  // A variable holds finite numbers only; where the sum begins anew it may hold anything.
  const before = data === 'nonFinite' ? tensor(...shape) : variable(...shape);
  return makeCase(accumulate, [before, tensor(...shape), constant(keep)], {}, { data, label });
}

export const cases: readonly Case[] = [
  sum([96, 3, 11, 11], 1),
  ...[0, 1].flatMap((keep) => [
    ...[1, 2, 3, 4, 5, 7, 9, 17].map((length) => sum([length], keep)),
    sum([2, 3, 5, 7], keep),
    sum([3, 19], keep, 'nonFinite'),
  ]),
];
