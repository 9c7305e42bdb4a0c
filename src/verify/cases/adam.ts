import { type AdamAttributes, adam } from '../../ops/adam.js';
import { type Case, constant, makeCase, scaled, tensor, variable } from '../case.js';

interface Options {
  readonly rate?: number;
  readonly step?: number;
  /** Size of the gradients. */
  readonly gradient?: number;
  readonly label?: string;
}

/** Weights, gradient, both moments (the second positive), learning rate and step of one parameter. */
function update(length: number, given: Partial<AdamAttributes>, options: Options = {}): Case {
  const { rate = 0.001, step = 7, gradient = 0.1, label = `step ${step}` } = options;
  const first = scaled(0.3 * gradient, variable(length));
  const second = scaled(0.1 * gradient ** 2, variable(length), gradient ** 2);
  const inputs = [variable(length), scaled(gradient, tensor(length)), first, second, constant(rate), constant(step)];
  return makeCase(adam, inputs, given, { label });
}

export const cases: readonly Case[] = [
  update(34_848, {}, { label: 'conv1.weight' }),
  update(96, { learningRateMultiplier: 2 }, { label: 'conv1.bias' }),
  update(307_200, { weightDecay: 5e-4 }, { label: 'conv2.weight' }),
  ...[1, 2, 3, 4, 6, 17, 31].map((length) => update(length, {})),
  // The first steps, where 1 − βᵗ is small, and a late one, where it is 1.
  ...[1, 2, 3, 10, 100, 1000, 100_000].map((step) => update(40, {}, { step })),
  update(41, { beta1: 0, beta2: 0.9 }),
  update(42, { beta1: 0.5, beta2: 0 }, { step: 1 }),
  update(43, { epsilon: 0.1 }),
  update(44, { weightDecay: 0.01 }, { rate: 0.5 }),
  update(45, { learningRateMultiplier: 0.1 }, { rate: 0.5 }),
  // Gradients so small that ε counts, and large ones.
  update(46, {}, { gradient: 1e-8 }),
  update(47, {}, { gradient: 1e4 }),
];
