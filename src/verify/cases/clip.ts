import { clip } from '../../ops/clip.js';
import { type Case, makeCase, scaled, tensor } from '../case.js';

export const cases: readonly Case[] = [
  makeCase(clip, [scaled(4, tensor(1, 96, 55, 55))], { min: 0, max: 6 }, { label: 'relu6' }),
  makeCase(clip, [tensor(16, 4096)], { min: -1, max: 1 }),
  ...[1, 2, 3, 4, 5, 7, 15, 17, 31, 33].map((length) => makeCase(clip, [tensor(length)], { min: -0.5, max: 0.7 })),
  makeCase(clip, [tensor(3, 5, 7, 3)], { min: 0.1 }),
  makeCase(clip, [tensor(3, 5, 7, 2)], { max: -0.1 }),
  makeCase(clip, [tensor(3, 5, 7, 5)]),
  makeCase(clip, [tensor(3, 5, 7, 1)], { min: 0.3, max: 0.3 }),
  // Values on both ends of the interval.
  makeCase(clip, [tensor(3, 41)], { min: -1, max: 1 }, { data: 'ties' }),
  makeCase(clip, [tensor(3, 42)], { min: 0, max: 1 }, { data: 'ties' }),
  makeCase(clip, [tensor(2, 37)], { min: -0.5, max: 2 }, { data: 'nonFinite' }),
  makeCase(clip, [tensor(2, 38)], {}, { data: 'nonFinite' }),
];
