import { type AugmentAttributes, augment, augmentIsRandom } from '../../ops/augment.js';
import { type Case, type CaseInput, type DataKind, key, makeCase, pixels, scaled, tensor, variable } from '../case.js';

type Given = Partial<AugmentAttributes>;

/** Images, and what the attributes ask for: a key, colour offsets, a mean image. */
function images(input: CaseInput, given: Given, options: { data?: DataKind; label?: string } = {}): Case {
  const [batch, channels, height, width] = input.shape;
  const inputs = [input];
  if (augmentIsRandom(given)) inputs.push(key());
  if (given.colour) inputs.push(scaled(12, tensor(batch, channels)));
  if (given.meanImage && given.meanImage !== 'none') {
    inputs.push(scaled(30, variable(channels, height, width), 120));
  }
  return makeCase(augment, inputs, given, options);
}

const bytes = (shape: readonly number[], given: Given, label?: string): Case =>
  images(pixels(...shape), given, { label });
const floats = (shape: readonly number[], given: Given, data?: DataKind): Case =>
  images(tensor(...shape), given, { data });

const caffe = { mean: [104.00698793, 116.66876762, 122.67891434], reverseChannels: true } as const;
const stds = [58.395, 57.12, 57.375].map((std) => 1 / std);

const networks = [
  bytes([4, 3, 256, 256], { size: 227, crop: 'random', flipHorizontal: 0.5, stream: 1, ...caffe }, 'caffe-alexnet'),
  bytes([1, 3, 256, 256], { size: 227, ...caffe }, 'caffe-alexnet, centre'),
  bytes(
    [2, 3, 256, 256],
    {
      size: 224,
      crop: 'random',
      flipHorizontal: 0.5,
      meanImage: 'centre',
      colour: true,
      scale: 1 / 1.1,
      sharedBy: 2,
      stream: 2,
    },
    'alexnet-2012',
  ),
  bytes(
    [1, 3, 256, 256],
    { size: 224, mean: [123.675, 116.28, 103.53], scale: stds, flipHorizontal: 1 },
    'alexnet-owt',
  ),
  bytes([8, 3, 32, 32], { size: 24, crop: 'random', flipHorizontal: 0.5, meanImage: 'centre', stream: 3 }, 'cifar10'),
  bytes([8, 1, 28, 28], { translate: 2, scale: 1 / 255, stream: 4 }, 'mnist'),
];

/** Every remainder of a row, forwards and backwards, from bytes and from floats. */
const tails = [1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 17].flatMap((width) => [
  bytes([2, 3, 5, width + 3], { size: [4, width], crop: 'random', flipHorizontal: 0.5, stream: 5 }),
  floats([2, 2, 5, width], { flipVertical: 0.5, flipHorizontal: 0.5, noise: 0.5, stream: 6 }),
]);

const flips = [0, 0.3, 1].flatMap((flipHorizontal) =>
  [0, 0.7, 1].map((flipVertical) => bytes([5, 2, 6, 7], { flipHorizontal, flipVertical, stream: 7 })),
);

const corners = [
  [0, 0],
  [0, 4],
  [3, 0],
  [3, 4],
  [2, 1],
].map((offset) => bytes([2, 3, 9, 11], { size: [6, 7], crop: 'fixed', offset }));

/** Shifts that leave nothing of the image, and both kinds of what comes in, under each kind of mean. */
const shifts = (['zero', 'edge'] as const).flatMap((fill) => [
  ...[1, 3, [0, 9], [9, 0], 40].map((translate) =>
    bytes([6, 2, 8, 9], { translate, fill, flipHorizontal: 0.5, flipVertical: 0.5, stream: 8 }),
  ),
  bytes([4, 3, 12, 13], {
    size: [8, 9],
    crop: 'random',
    translate: [3, 4],
    fill,
    mean: [100.3, 90.7, 110.1],
    stream: 9,
  }),
  ...(['crop', 'centre'] as const).map((meanImage) =>
    bytes([4, 2, 12, 13], {
      size: [8, 9],
      crop: 'random',
      translate: 4,
      fill,
      flipHorizontal: 0.5,
      flipVertical: 0.5,
      meanImage,
      colour: true,
      noise: 5,
      scale: 1 / 1.1,
      stream: 10,
    }),
  ),
]);

const noises = [
  bytes([3, 3, 15, 15], { noise: 8, stream: 11 }),
  bytes([3, 3, 15, 15], { noise: 0.25, scale: 1 / 255, stream: 12 }),
  bytes([2, 4, 6, 6], { colour: true, reverseChannels: true, scale: [1, 2, -3, 0.1], mean: 127.5 }),
  floats([2, 3, 6, 10], { colour: true, noise: 0.1, scale: 3, mean: [0.1, 0.2, 0.3], stream: 13 }),
];

const others = [
  ...[1, 2, 3, 7].map((sharedBy) =>
    bytes([7, 1, 9, 9], { size: 5, crop: 'random', flipVertical: 0.5, sharedBy, stream: 14 }),
  ),
  bytes([1, 1, 1, 1], {}),
  bytes([3, 5, 4, 4], { reverseChannels: true }),
  floats([2, 3, 8, 8], { size: 5, crop: 'random', meanImage: 'crop', flipHorizontal: 0.5, stream: 15 }),
  floats([2, 3, 8, 9], { size: 5, crop: 'random', translate: 3, fill: 'edge', stream: 2 ** 31 - 1 }, 'nonFinite'),
  images(tensor(2, 2, 5, 6), { colour: true, meanImage: 'centre', size: 4 }, { data: 'nonFinite' }),
];

export const cases: readonly Case[] = [...networks, ...tails, ...flips, ...corners, ...shifts, ...noises, ...others];
