import { type TanhAttributes, tanh } from '../../ops/tanh.js';
import { type Case, type CaseInput, type DataKind, makeCase, scaled, tensor } from '../case.js';

function squash(input: CaseInput, given: Partial<TanhAttributes> = {}, data?: DataKind, label?: string): Case {
  return makeCase(tanh, [input], given, { data, label });
}

/** Krizhevsky's neuron with LeCun's constants. */
const lecun = { a: 1.7159, b: 2 / 3 } as const;

export const cases: readonly Case[] = [
  squash(tensor(1, 96, 55, 55), {}, 'normal', 'tanh1'),
  squash(tensor(16, 4096), {}, 'normal', 'tanh6'),
  squash(tensor(8, 32, 16, 16), lecun, 'normal', 'conv2 of the CIFAR nets'),
  ...[1, 2, 3, 4, 5, 7, 15, 17, 31, 33].map((length) => squash(tensor(length))),
  ...[1, 3, 6, 35].map((length) => squash(tensor(length), lecun)),
  squash(tensor(3, 5, 7, 3), { a: -2, b: 0.5 }),
  squash(tensor(3, 41), { b: -3 }),
  // Where tanh is its argument, where it is 1, and in between.
  squash(scaled(1e-6, tensor(3, 37))),
  squash(scaled(0.01, tensor(3, 37)), lecun),
  squash(tensor(5, 103), {}, 'large'),
  squash(tensor(5, 103), lecun, 'large'),
  squash(scaled(30, tensor(3, 37))),
  squash(tensor(2, 37), {}, 'nonFinite'),
  squash(tensor(2, 38), lecun, 'nonFinite'),
];
