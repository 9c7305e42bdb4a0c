import { type ConvTranspose2dAttributes, convTranspose2d } from '../../ops/convTranspose2d.js';
import { type Case, makeCase, tensor, variable, withIntegers } from '../case.js';

type Shape4 = readonly [number, number, number, number];

/** x [N, C, H, W], weight [C, O/G, kh, kw] and a bias. */
function conv(x: Shape4, w: Shape4, given: Partial<ConvTranspose2dAttributes> = {}, label?: string): Case {
  const inputs = [tensor(...x), variable(...w), variable(w[1] * (given.groups ?? 1))];
  return makeCase(convTranspose2d, inputs, given, { label });
}

/** AlexNet's convolutions turned round: what a deconvolution network (Zeiler and Fergus) runs. */
const alexnet = [
  conv([1, 96, 55, 55], [96, 3, 11, 11], { stride: 4 }, 'conv1, transposed'),
  conv([1, 16, 27, 27], [16, 4, 5, 5], { padding: 2, groups: 2 }, 'conv2, transposed and narrowed'),
  conv([1, 24, 13, 13], [24, 16, 3, 3], { padding: 1 }, 'conv3, transposed and narrowed'),
];

const outputChannels = [1, 2, 3, 4, 5, 6, 7, 9, 13].map((o) => conv([2, 3, 5, 6], [3, o, 3, 3], { stride: 2 }));

const inputChannels = [1, 2, 5, 8, 9, 17].map((c) => conv([2, c, 4, 5], [c, 6, 3, 3], { padding: 1 }));

const pixels = [1, 2, 3, 4, 5, 7, 8, 9].map((width) => conv([1, 4, 3, width], [4, 5, 3, 3], { stride: 2, padding: 1 }));

const strides = [
  conv([2, 3, 5, 4], [3, 7, 2, 2], { stride: 2 }),
  conv([2, 3, 5, 4], [3, 7, 4, 4], { stride: 2, padding: 1 }),
  conv([1, 3, 4, 5], [3, 6, 3, 3], { stride: 3 }),
  conv([1, 3, 4, 5], [3, 6, 2, 3], { stride: [1, 3] }),
  // A stride beyond the kernel: some outputs are the bias alone.
  conv([2, 3, 3, 4], [3, 5, 2, 2], { stride: 4 }),
  conv([1, 2, 1, 1], [2, 3, 1, 1], { stride: 3, outputPadding: 2 }),
];

const paddings = [
  conv([2, 3, 5, 6], [3, 6, 3, 3], { stride: 2, padding: 1, outputPadding: 1 }),
  conv([2, 3, 5, 6], [3, 6, 3, 3], { stride: [2, 3], padding: [1, 0, 0, 2], outputPadding: [0, 2] }),
  conv([1, 4, 4, 4], [4, 3, 5, 5], { stride: 3, padding: [2, 1, 0, 3], outputPadding: [1, 1] }),
  conv([1, 4, 6, 7], [4, 3, 3, 3], { padding: [0, 2, 1, 1] }),
];

const dilations = [
  conv([2, 3, 5, 6], [3, 6, 3, 3], { dilation: 2 }),
  conv([1, 3, 5, 4], [3, 5, 3, 2], { dilation: [2, 3], stride: [2, 1], padding: [1, 2] }),
  conv([1, 3, 5, 4], [3, 5, 3, 3], { dilation: 3, stride: 2, padding: 1, outputPadding: 1 }),
];

const groups = [
  conv([2, 4, 5, 5], [4, 3, 3, 3], { groups: 2, stride: 2, padding: 1 }),
  conv([1, 9, 4, 5], [9, 5, 3, 3], { groups: 3 }),
  conv([2, 6, 4, 4], [6, 1, 2, 2], { groups: 6, stride: 2 }),
];

/** More than one block of depth. */
const blocks = [
  conv([1, 70, 5, 5], [70, 9, 5, 5], { padding: 2 }),
  conv([1, 520, 3, 4], [520, 5, 2, 2], { stride: 2 }),
  conv([1, 67, 9, 9], [67, 66, 1, 1]),
];

const options = [
  makeCase(convTranspose2d, [tensor(2, 3, 4, 5), variable(3, 7, 3, 3)], { stride: 2 }, { label: 'no bias' }),
  makeCase(
    convTranspose2d,
    [tensor(2, 3, 4, 5), tensor(3, 7, 3, 3), tensor(7)],
    { stride: 2, padding: 1 },
    { label: 'weight as an input' },
  ),
];

/** One position for each kernel, so that no border of zeros meets a value that is not finite. */
const nonFinite = [
  makeCase(
    convTranspose2d,
    [tensor(2, 3, 4, 5), variable(3, 5, 2, 2), variable(5)],
    { stride: 2 },
    { data: 'nonFinite' },
  ),
];

export const cases: readonly Case[] = [
  ...withIntegers([
    ...alexnet,
    ...outputChannels,
    ...inputChannels,
    ...pixels,
    ...strides,
    ...paddings,
    ...dilations,
    ...groups,
    ...blocks,
    ...options,
  ]),
  ...nonFinite,
];
