import { type LinearAttributes, linear, linearSgd } from '../../ops/linear.js';
import type { SgdAttributes } from '../../ops/sgd.js';
import {
  type Case,
  constant,
  type DataKind,
  int16Variable,
  makeCase,
  scaled,
  tensor,
  variable,
  withIntegers,
} from '../case.js';

type Options = { readonly label?: string; readonly data?: DataKind };

/** x [N, K], weight [O, K] and a bias. */
function layer(n: number, k: number, o: number, given: Partial<LinearAttributes> = {}, options: Options = {}): Case {
  return makeCase(linear, [tensor(n, k), variable(o, k), variable(o)], given, options);
}

/** The same with an int16 weight and a scale for each of its rows, a power of two times the case's numbers. */
function int16Layer(
  n: number,
  k: number,
  o: number,
  given: Partial<LinearAttributes> = {},
  options: Options = {},
): Case {
  const inputs = [tensor(n, k), int16Variable(o, k), scaled(2 ** -15, variable(o)), variable(o)];
  return makeCase(linear, inputs, given, { ...options, label: options.label ? `int16 ${options.label}` : 'int16' });
}

const alexnet = [
  layer(1, 9216, 4096, { activation: 'relu' }, { label: 'fc6' }),
  layer(1, 4096, 4096, { activation: 'relu' }, { label: 'fc7' }),
  layer(1, 4096, 1000, {}, { label: 'fc8' }),
];

/** Batches around the widths of a register tile; K and O leave every remainder. */
const batches = [1, 2, 3, 4, 5, 6, 7, 8, 16, 17].map((n, i) => layer(n, 61 + i, 30 + 3 * i));

const sums = [1, 2, 3, 4, 5, 7, 9, 15, 16].map((k) => layer(3, k, 10));

const units = [1, 2, 3, 4, 5, 6, 7, 9, 11, 13].map((o) => layer(2, 19, o));

/** The matrix-vector product of batch 1: rows and columns that leave every remainder. */
const vectors = [
  [9, 1],
  [37, 2],
  [34, 3],
  [35, 5],
  [70, 6],
  [101, 7],
  [259, 9],
  [1027, 66],
].map(([k, o]) => layer(1, k, o, { activation: 'relu' }));

/** Panels of eight images with every number of images left over, and with fewer features than a tile has rows. */
const panels = [8, 9, 10, 11, 12, 13, 14, 15].map((n, i) => layer(n, 21 + i, 1 + (i % 5), { activation: 'relu' }));

/** More than one block of each loop of a blocked product. */
const blocks = [layer(9, 1031, 29), layer(70, 65, 71, { activation: 'relu' }), layer(5, 37, 530), layer(300, 421, 7)];

const options = [
  makeCase(linear, [tensor(3, 18), variable(7, 18)], {}, { label: 'no bias' }),
  makeCase(linear, [tensor(1, 18), variable(7, 18)], { activation: 'relu' }, { label: 'no bias' }),
  makeCase(linear, [tensor(3, 18), tensor(9, 18), tensor(9)], {}, { label: 'weight as an input' }),
];

/** A weight gradient is a sum over the batch. */
const longest = [layer(100_000, 3, 2)];

const nonFinite = [
  layer(1, 37, 9, { activation: 'relu' }, { data: 'nonFinite' }),
  layer(6, 21, 11, {}, { data: 'nonFinite' }),
  layer(11, 22, 7, { activation: 'relu' }, { data: 'nonFinite' }),
];

const int16 = [
  int16Layer(1, 9216, 4096, { activation: 'relu' }, { label: 'fc6' }),
  int16Layer(1, 4096, 1000, {}, { label: 'fc8' }),
  ...[1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17].map((k) => int16Layer(1, k, 11)),
  ...[1, 2, 3, 4, 5, 6, 7, 8, 16, 17].map((n, i) => int16Layer(n, 61 + i, 30 + 3 * i, { activation: 'relu' })),
  ...[1, 2, 3, 5, 9].map((o) => int16Layer(2, 19, o)),
  int16Layer(9, 1031, 29),
  int16Layer(70, 65, 71, { activation: 'relu' }),
  int16Layer(20, 4099, 9),
  makeCase(
    linear,
    [tensor(3, 18), int16Variable(7, 18), scaled(2 ** -15, variable(7))],
    {},
    { label: 'int16 no bias' },
  ),
];

/** The update of a weight [O, K] after a batch of n. */
function update(n: number, k: number, o: number, given: Partial<SgdAttributes>): Case {
  const weight = variable(o, k);
  const inputs = [weight, scaled(0.1, tensor(n, o)), tensor(n, k), weight, constant(0.01)];
  return makeCase(linearSgd, inputs, { momentum: 0.9, weightDecay: 5e-4, ...given });
}

/** Tiles that are whole and tiles that are not, every rule, and more than one block of panels. */
const updates = (['caffe', 'torch', 'paper'] as const).flatMap((rule) => [
  ...[1, 2, 3, 4, 5, 7, 8, 9].map((n) => update(n, 8 + 3 * n, 16 - n, { rule })),
  update(16, 64, 48, { rule, learningRateMultiplier: 2 }),
  update(300, 421, 7, { rule }),
]);

export const cases: readonly Case[] = [
  ...withIntegers([
    ...alexnet,
    ...batches,
    ...sums,
    ...units,
    ...vectors,
    ...panels,
    ...blocks,
    ...options,
    ...longest,
    ...int16,
  ]),
  ...updates,
  ...nonFinite,
  int16Layer(1, 37, 9, { activation: 'relu' }, { data: 'nonFinite' }),
  int16Layer(6, 21, 11, {}, { data: 'nonFinite' }),
];
