import { relu } from '../../ops/relu.js';
import { type Case, makeCase, tensor } from '../case.js';

export const cases: readonly Case[] = [
  makeCase(relu, [tensor(1, 96, 55, 55)], {}, { label: 'relu1' }),
  makeCase(relu, [tensor(1, 256, 27, 27)], {}, { label: 'relu2' }),
  makeCase(relu, [tensor(2, 384, 13, 13)], {}, { label: 'relu3' }),
  makeCase(relu, [tensor(16, 4096)], {}, { label: 'relu6' }),
  ...[1, 2, 3, 4, 5, 7, 15, 17, 31, 33].map((length) => makeCase(relu, [tensor(length)])),
  makeCase(relu, [tensor(3, 5, 7, 3)]),
  makeCase(relu, [tensor(3, 41)], {}, { data: 'ties' }),
  makeCase(relu, [tensor(2, 37)], {}, { data: 'nonFinite' }),
];
