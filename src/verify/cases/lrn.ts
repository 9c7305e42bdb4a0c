import { type LrnAttributes, lrn } from '../../ops/lrn.js';
import { type Case, type DataKind, makeCase, tensor } from '../case.js';

type Shape4 = readonly [number, number, number, number];

function norm(shape: Shape4, given: Partial<LrnAttributes>, data: DataKind = 'large', label?: string): Case {
  return makeCase(lrn, [tensor(...shape)], given, { data, label });
}

const caffe = { size: 5, alpha: 1e-4, beta: 0.75, k: 1, alphaPer: 'window' } as const;
const paper = { size: 5, alpha: 1e-4, beta: 0.75, k: 2, alphaPer: 'element' } as const;
/** a = 0.1 per element: at AlexNet's 2e-5 the second term of the gradient hides in rounding. */
const strong = { ...paper, alpha: 0.1, k: 1 } as const;

const alexnet = [
  norm([1, 96, 55, 55], caffe, 'normal', 'norm1'),
  norm([1, 256, 27, 27], caffe, 'normal', 'norm2'),
  norm([1, 96, 27, 27], strong, 'large', 'norm1, strong'),
  norm([1, 256, 13, 13], { ...strong, alphaPer: 'window', alpha: 0.5 }, 'large', 'norm2, strong'),
];

/** Fewer channels than the window, as many, and one more of each remainder. */
const channels = [1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 17].map((c) => norm([2, c, 3, 5], strong));

const pixels = [1, 2, 3, 4, 5, 6, 7, 9].map((width) => norm([1, 6, 1, width], { ...strong, k: 2 }));

/** Odd and even windows; an even one reaches further down than up, and its gradient the other way round. */
const sizes = [1, 2, 3, 4, 6, 7, 8, 9].map((size) => norm([2, 10, 3, 3], { ...strong, size }));

/** ONNX's even windows lean the other way. */
const mirrored = [2, 4, 5, 8].map((size) => norm([2, 10, 3, 3], { ...strong, size, evenWindow: 'onnx' }));

/** Windows that stop at the border of a group, down to groups smaller than the window. */
const groups = [
  norm([1, 96, 27, 27], { ...paper, groups: 2 }, 'normal', 'norm1, two towers'),
  norm([1, 256, 13, 13], { ...strong, groups: 2 }, 'large', 'norm2, two towers, strong'),
  norm([2, 12, 3, 5], { ...strong, groups: 2 }),
  norm([2, 12, 3, 5], { ...strong, groups: 4, size: 4 }),
  norm([2, 12, 3, 5], { ...strong, groups: 6, size: 4, evenWindow: 'onnx' }),
  norm([2, 7, 3, 3], { ...strong, groups: 7 }),
];

const exponents = [0.5, 1, 0.6, 0.25].map((beta) => norm([2, 8, 3, 5], { ...strong, beta }));

const conventions = [
  norm([2, 8, 5, 5], { ...strong, alphaPer: 'window' }),
  norm([2, 8, 5, 5], { ...strong, alphaPer: 'window', size: 4 }),
  norm([3, 8, 5, 5], { ...paper, alpha: 0.05 }),
  norm([5, 9, 7, 6], caffe),
  norm([1, 16, 4, 4], { size: 9, alpha: 1e-3, beta: 0.75, k: 1, alphaPer: 'window' }),
];

export const cases: readonly Case[] = [
  ...alexnet,
  ...channels,
  ...pixels,
  ...sizes,
  ...mirrored,
  ...groups,
  ...exponents,
  ...conventions,
  norm([2, 11, 3, 3], strong, 'nonFinite'),
];
