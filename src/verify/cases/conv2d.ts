import { type Conv2dAttributes, conv2d } from '../../ops/conv2d.js';
import { type Case, makeCase, tensor, variable, withIntegers } from '../case.js';

type Shape4 = readonly [number, number, number, number];

/** x [N, C, H, W], weight [O, C/G, kh, kw] and a bias. */
function conv(x: Shape4, w: Shape4, given: Partial<Conv2dAttributes> = {}, label?: string): Case {
  return makeCase(conv2d, [tensor(...x), variable(...w), variable(w[0])], given, { label });
}

function withoutBias(x: Shape4, w: Shape4, given: Partial<Conv2dAttributes> = {}): Case {
  return makeCase(conv2d, [tensor(...x), variable(...w)], given, { label: 'no bias' });
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i);

const alexnet = [
  conv([1, 3, 227, 227], [96, 3, 11, 11], { stride: 4, activation: 'relu' }, 'conv1'),
  conv([1, 96, 27, 27], [256, 48, 5, 5], { padding: 2, groups: 2, activation: 'relu' }, 'conv2'),
  conv([1, 256, 13, 13], [384, 256, 3, 3], { padding: 1, activation: 'relu' }, 'conv3'),
  conv([1, 384, 13, 13], [384, 192, 3, 3], { padding: 1, groups: 2, activation: 'relu' }, 'conv4'),
  conv([1, 384, 13, 13], [256, 192, 3, 3], { padding: 1, groups: 2, activation: 'relu' }, 'conv5'),
];

/** AlexNet's images and kernels with few channels, at batches whose images share panels. */
const narrowed = [
  conv([2, 3, 67, 67], [5, 3, 11, 11], { stride: 4, activation: 'relu' }),
  conv([3, 8, 27, 27], [10, 4, 5, 5], { padding: 2, groups: 2 }),
  conv([4, 9, 13, 13], [16, 9, 3, 3], { padding: 1, activation: 'relu' }),
  conv([5, 12, 13, 13], [14, 6, 3, 3], { padding: 1, groups: 2 }),
];

/** Every number of output channels that a register tile can leave over. */
const outputChannels = range(1, 13).map((o) => conv([1, 3, 9, 9], [o, 3, 3, 3], { padding: 1 }));

/** 3·W pixels: every residue modulo 8. */
const pixels = range(3, 10).map((width) => conv([1, 4, 3, width], [6, 4, 3, 3], { padding: 1 }));

/** Short and uneven sums: K is the number of input channels. */
const sums = [1, 2, 3, 5, 6, 7, 8, 9, 17, 33].map((c) => conv([2, c, 5, 5], [7, c, 1, 1]));

/** More than one block of each loop of a blocked product: long sums, many pixels, many channels. */
const blocks = [
  conv([1, 70, 7, 7], [13, 70, 5, 5], { padding: 2 }),
  conv([1, 2, 70, 75], [5, 2, 3, 3], { padding: 1 }),
  conv([1, 5, 6, 6], [270, 5, 3, 3], { padding: 1 }),
  conv([1, 520, 4, 5], [9, 520, 1, 1]),
  // A product, and gradients, of more than 64 rows and columns.
  conv([1, 66, 9, 9], [67, 66, 1, 1]),
];

const strides = [
  ...[2, 3, 4].map((stride) => conv([2, 3, 15, 14], [7, 3, 3, 3], { stride })),
  ...[
    [2, 1],
    [1, 3],
    [3, 2],
    [4, 1],
  ].map((stride) => conv([1, 3, 13, 15], [7, 3, 3, 3], { stride, padding: 1 })),
  conv([2, 5, 9, 9], [6, 5, 1, 1], { stride: 3 }),
  conv([1, 4, 12, 12], [6, 4, 2, 2], { stride: 4, padding: 1 }),
  conv([1, 2, 21, 22], [4, 2, 5, 5], { stride: 4 }),
];

const paddings = [
  ...[
    [1, 0, 0, 0],
    [0, 1, 0, 0],
    [0, 0, 1, 0],
    [0, 0, 0, 1],
    [2, 1, 0, 3],
    [3, 0, 1, 2],
  ].map((padding) => conv([2, 3, 7, 8], [6, 3, 3, 3], { padding })),
  // The 2012 source: a 224 crop that reads three rows and columns of zeros at the bottom and the right.
  conv([1, 3, 32, 32], [8, 3, 11, 11], { stride: 4, padding: [0, 0, 3, 3] }),
  conv([1, 2, 5, 6], [3, 2, 3, 3], { padding: 4 }),
];

const dilations = [
  conv([2, 3, 11, 12], [6, 3, 3, 3], { dilation: 2, padding: 2 }),
  conv([1, 4, 13, 11], [5, 4, 3, 3], { dilation: 3 }),
  conv([1, 3, 10, 13], [7, 3, 3, 3], { dilation: [1, 3], padding: 1 }),
  conv([1, 3, 13, 10], [7, 3, 2, 3], { dilation: [2, 1], padding: [1, 0, 2, 1] }),
  conv([2, 2, 14, 15], [4, 2, 3, 3], { dilation: 2, stride: 2, padding: [2, 1, 0, 3] }),
  conv([1, 4, 16, 16], [6, 2, 3, 3], { dilation: [2, 3], stride: [3, 2], padding: 2, groups: 2 }),
];

const groups = [
  conv([2, 4, 7, 7], [6, 2, 3, 3], { groups: 2, padding: 1 }),
  conv([1, 9, 6, 7], [15, 3, 3, 3], { groups: 3, padding: 1, activation: 'relu' }),
  conv([3, 8, 5, 5], [4, 2, 3, 3], { groups: 4, stride: 2, padding: 1 }),
  conv([1, 7, 9, 8], [7, 1, 3, 3], { groups: 7, padding: 1 }),
  conv([2, 3, 8, 9], [9, 1, 5, 5], { groups: 3, padding: 2, stride: 2 }),
  conv([1, 26, 5, 5], [14, 13, 1, 1], { groups: 2 }),
];

const kernels = [
  conv([1, 3, 9, 11], [5, 3, 1, 7], { padding: [0, 3] }),
  conv([1, 3, 11, 9], [5, 3, 7, 1], { padding: [3, 0] }),
  conv([2, 3, 8, 7], [6, 3, 2, 2]),
  conv([2, 3, 8, 7], [6, 3, 4, 4], { padding: [1, 1, 2, 2] }),
  conv([1, 2, 12, 13], [4, 2, 5, 3], { stride: [1, 2], padding: [2, 1] }),
  // As large as the image, and larger than it.
  conv([3, 4, 6, 6], [10, 4, 6, 6]),
  conv([1, 3, 1, 1], [5, 3, 3, 3], { padding: 1 }),
  conv([2, 2, 3, 3], [4, 2, 5, 5], { padding: 2 }),
  conv([1, 2, 2, 3], [3, 2, 11, 11], { padding: 5, stride: 2 }),
  conv([1, 1, 1, 1], [1, 1, 1, 1]),
];

const options = [
  withoutBias([2, 3, 6, 7], [7, 3, 3, 3], { padding: 1 }),
  withoutBias([1, 4, 9, 9], [6, 2, 3, 3], { groups: 2, stride: 2, activation: 'relu' }),
  makeCase(
    conv2d,
    [tensor(2, 3, 7, 5), tensor(7, 3, 3, 3), tensor(7)],
    { padding: 1 },
    { label: 'weight as an input' },
  ),
];

/** What Winograd's algorithm can have left over: rows and columns of tiles, channels, tiles of a batch; and its strides. */
const tiles = [
  // 3×3 in tiles of 4 and 5 outputs, 5×5 in tiles of 4.
  ...[1, 3, 4, 5, 6, 8, 10, 16, 21].map((size) => conv([1, 5, size, 11], [9, 5, 3, 3], { padding: 1 })),
  ...[1, 2, 4, 5, 7, 8, 12, 17].map((size) => conv([1, 5, 11, size], [9, 5, 5, 5], { padding: 2 })),
  ...[0, 1, [2, 1, 0, 3], [0, 2, 1, 1]].flatMap((padding) => [
    conv([3, 6, 8, 9], [7, 6, 3, 3], { padding }),
    conv([3, 3, 9, 8], [5, 3, 5, 5], { padding }),
  ]),
  conv([1, 131, 6, 5], [9, 131, 3, 3], { padding: 1, activation: 'relu' }),
  conv([1, 2, 41, 43], [3, 2, 5, 5], { padding: 2 }),
  conv([3, 14, 13, 13], [22, 7, 3, 3], { padding: 1, groups: 2 }),
  conv([3, 9, 11, 10], [15, 3, 5, 5], { padding: 2, groups: 3, activation: 'relu' }),
  conv([1, 3, 12, 12], [69, 3, 5, 5]),
  // 3×3 and 5×5 once the phases of the stride are channels.
  conv([3, 3, 35, 31], [6, 3, 11, 11], { stride: 4 }),
  conv([1, 2, 40, 37], [5, 2, 11, 11], { stride: 4, padding: [2, 1, 3, 0] }),
  conv([1, 3, 33, 34], [4, 3, 9, 12], { stride: 4, padding: 1 }),
  conv([1, 4, 17, 18], [6, 4, 5, 5], { stride: 2, padding: 2 }),
  conv([3, 6, 15, 14], [10, 3, 6, 6], { stride: 2, padding: 1, groups: 2 }),
  conv([1, 3, 25, 27], [5, 3, 7, 8], { stride: 3, padding: [0, 3, 1, 2] }),
  conv([1, 2, 29, 26], [5, 2, 9, 10], { stride: 2, padding: 3 }),
];

/** Weight gradients at batch 128 on conv1's 55×55 outputs: sums of 387,200 products, the longest that AlexNet has. */
const longest = [
  conv([128, 1, 55, 55], [2, 1, 1, 1]),
  conv([128, 1, 57, 57], [2, 1, 3, 3]),
  conv([128, 1, 227, 227], [1, 1, 11, 11], { stride: 4 }, 'conv1, one channel, batch 128'),
];

/** No padding: whether a padded zero meets an incoming NaN depends on how the sum is arranged. */
const nonFinite = [
  makeCase(conv2d, [tensor(2, 3, 9, 10), variable(7, 3, 3, 3), variable(7)], {}, { data: 'nonFinite' }),
  makeCase(
    conv2d,
    [tensor(2, 4, 9, 9), variable(6, 2, 3, 3), variable(6)],
    { stride: 2, groups: 2, activation: 'relu' },
    { data: 'nonFinite' },
  ),
];

export const cases: readonly Case[] = [
  ...withIntegers([
    ...alexnet,
    ...narrowed,
    ...outputChannels,
    ...pixels,
    ...sums,
    ...blocks,
    ...strides,
    ...paddings,
    ...dilations,
    ...groups,
    ...kernels,
    ...options,
    ...tiles,
    ...longest,
  ]),
  ...nonFinite,
];
