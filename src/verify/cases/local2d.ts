import { type Local2dAttributes, local2d } from '../../ops/local2d.js';
import { type Case, makeCase, tensor, variable, withIntegers } from '../case.js';

type Shape4 = readonly [number, number, number, number];

/** x [N, C, H, W], output [O, OH, OW], kernel [kh, kw] and a bias. */
function local(
  x: Shape4,
  output: readonly [number, number, number],
  kernel: readonly [number, number],
  given: Partial<Local2dAttributes> = {},
  label?: string,
): Case {
  const inputs = [tensor(...x), variable(...output, x[1], ...kernel), variable(...output)];
  return makeCase(local2d, inputs, given, { label });
}

/** 24×24 crops leave 6×6 maps; both layers are 3×3 with a border of zeros. */
const cifar = [
  local([1, 64, 6, 6], [32, 6, 6], [3, 3], { padding: 1 }, 'cifar10-13pct local3'),
  local([2, 32, 6, 6], [32, 6, 6], [3, 3], { padding: 1 }, 'cifar10-13pct local4'),
  local([3, 64, 6, 6], [64, 6, 6], [3, 3], { padding: 1 }, 'cifar10-11pct local3'),
  local([2, 64, 6, 6], [32, 6, 6], [3, 3], { padding: 1 }, 'cifar10-11pct local4'),
];

/** Batches around the blocks of images that a position is computed in. */
const batches = [1, 2, 3, 4, 5, 7, 8, 9, 65, 130].map((n) => local([n, 3, 4, 4], [5, 4, 4], [3, 3], { padding: 1 }));

const outputChannels = [1, 2, 3, 4, 5, 6, 7, 9, 13].map((o) => local([2, 3, 4, 5], [o, 2, 3], [3, 3]));

/** Patches of every length modulo 8. */
const channels = [1, 2, 3, 4, 5, 6, 7, 8, 9, 17].map((c) => local([3, c, 4, 3], [5, 3, 3], [2, 1]));

const shapes = [
  local([2, 3, 7, 9], [4, 3, 4], [3, 3], { stride: 2 }),
  local([2, 3, 7, 9], [4, 5, 3], [3, 2], { stride: [1, 3] }),
  local([2, 3, 5, 6], [4, 5, 7], [3, 3], { padding: [1, 0, 1, 3] }),
  local([1, 2, 5, 5], [3, 3, 5], [4, 3], { padding: [0, 2, 1, 0] }),
  local([2, 2, 6, 5], [4, 4, 3], [5, 5], { padding: [2, 1, 3, 4], stride: 2 }),
  local([2, 5, 4, 4], [6, 1, 1], [4, 4]),
  local([2, 5, 3, 4], [6, 3, 4], [1, 1]),
  local([1, 1, 1, 1], [1, 1, 1], [3, 3], { padding: 1 }),
];

/** Patches that do not fit the cache with all images, nor all channels of the kernels. */
const blocks = [
  local([20, 160, 3, 3], [9, 2, 2], [5, 5], { padding: 2, stride: 2 }),
  local([66, 90, 2, 3], [40, 1, 1], [2, 3]),
];

const options = [
  makeCase(local2d, [tensor(2, 3, 4, 5), variable(5, 2, 3, 3, 3, 3)], {}, { label: 'no bias' }),
  makeCase(
    local2d,
    [tensor(2, 3, 4, 5), tensor(5, 4, 5, 3, 3, 3), tensor(5, 4, 5)],
    { padding: 1 },
    { label: 'weight as an input' },
  ),
];

/** No padding: whether a padded zero meets an incoming NaN depends on how the sum is arranged. */
const nonFinite = [
  makeCase(local2d, [tensor(3, 3, 6, 7), variable(5, 4, 5, 3, 3, 3), variable(5, 4, 5)], {}, { data: 'nonFinite' }),
];

export const cases: readonly Case[] = [
  ...withIntegers([...cifar, ...batches, ...outputChannels, ...channels, ...shapes, ...blocks, ...options]),
  ...nonFinite,
];
