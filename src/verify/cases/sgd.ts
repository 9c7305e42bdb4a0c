import { type SgdAttributes, sgd } from '../../ops/sgd.js';
import { type Case, constant, makeCase, scaled, tensor, variable } from '../case.js';

/** Weights, gradient, momentum and learning rate of one parameter. */
function update(length: number, given: Partial<SgdAttributes>, rate = 0.01, label?: string): Case {
  const gradient = scaled(0.1, tensor(length));
  return makeCase(sgd, [variable(length), gradient, variable(length), constant(rate)], given, { label });
}

const caffe = { rule: 'caffe', momentum: 0.9, weightDecay: 5e-4, learningRateMultiplier: 1 } as const;

export const cases: readonly Case[] = [
  update(34_848, caffe, 0.01, 'conv1.weight'),
  update(96, { ...caffe, weightDecay: 0, learningRateMultiplier: 2 }, 0.01, 'conv1.bias'),
  update(307_200, caffe, 0.001, 'conv2.weight'),
  ...(['caffe', 'torch', 'paper'] as const).flatMap((rule) => [
    ...[1, 3, 6, 17].map((length) => update(length, { ...caffe, rule })),
    update(40, { ...caffe, rule, momentum: 0 }),
    update(41, { ...caffe, rule, weightDecay: 0 }),
    update(42, { ...caffe, rule, learningRateMultiplier: 2 }, 0.5),
  ]),
];
