import { type LrnWithinAttributes, lrnWithin } from '../../ops/lrnWithin.js';
import { type Case, type DataKind, makeCase, tensor } from '../case.js';

type Shape4 = readonly [number, number, number, number];

function norm(shape: Shape4, given: Partial<LrnWithinAttributes>, data: DataKind = 'large', label?: string): Case {
  return makeCase(lrnWithin, [tensor(...shape)], given, { data, label });
}

/** a = 0.1 per element: with the networks' 5e-5/9 the second term of the gradient hides in rounding. */
const strong = { size: 3, alpha: 0.1, beta: 0.75, k: 1, alphaPer: 'element' } as const;

const networks = [
  norm([2, 32, 16, 16], { size: 3, alpha: 5e-5 }, 'normal', 'cifar10-18pct rnorm1'),
  norm([2, 32, 8, 8], { size: 3, alpha: 5e-5 }, 'normal', 'cifar10-18pct rnorm2'),
  norm([1, 256, 27, 27], { size: 5, alpha: 1e-3 }, 'normal', 'alexnet-2012 cnorm2'),
  norm([1, 32, 27, 27], { ...strong, size: 5, alphaPer: 'window', alpha: 2.5 }, 'large', 'alexnet-2012 cnorm2, strong'),
];

const widths = [1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 17].map((width) => norm([2, 3, 4, width], strong));

const heights = [1, 2, 3, 5].map((height) => norm([1, 2, height, 6], { ...strong, size: 5 }));

/** Odd and even windows, up to larger than the map; an even one starts further before a cell than it ends after it. */
const sizes = [1, 2, 3, 4, 5, 6, 7, 8, 13].map((size) => norm([2, 3, 6, 7], { ...strong, alpha: 0.05, size }));

const exponents = [0.5, 1, 0.6, 0.25].map((beta) => norm([2, 3, 5, 6], { ...strong, beta }));

const conventions = [
  norm([2, 3, 5, 5], { ...strong, alphaPer: 'window' }),
  norm([2, 3, 5, 5], { ...strong, alphaPer: 'window', size: 4, k: 2 }),
];

export const cases: readonly Case[] = [
  ...networks,
  ...widths,
  ...heights,
  ...sizes,
  ...exponents,
  ...conventions,
  norm([2, 3, 7, 9], strong, 'nonFinite'),
];
