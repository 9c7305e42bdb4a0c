import { type BatchNormAttributes, batchNorm } from '../../ops/batchNorm.js';
import { type Case, type DataKind, makeCase, scaled, tensor, variable } from '../case.js';

/** x, and for its channels scale, bias, mean and a positive variance. */
function norm(
  shape: readonly number[],
  given: Partial<BatchNormAttributes> = {},
  data?: DataKind,
  label?: string,
): Case {
  const perChannel = variable(shape[1]);
  const variance = scaled(0.1, perChannel, 1);
  return makeCase(batchNorm, [tensor(...shape), perChannel, perChannel, perChannel, variance], given, { data, label });
}

export const cases: readonly Case[] = [
  norm([1, 96, 55, 55], {}, 'normal', 'bn1'),
  norm([2, 256, 13, 13], {}, 'normal', 'bn5'),
  norm([16, 4096], {}, 'normal', 'bn6'),
  ...[1, 2, 3, 4, 5, 7, 9, 17].map((width) => norm([2, 3, 1, width])),
  ...[1, 2, 5, 8, 13].map((channels) => norm([3, channels, 3, 3])),
  ...[1, 3, 6].map((channels) => norm([5, channels])),
  norm([2, 6, 5, 5], { epsilon: 0.1 }),
  norm([2, 6, 5, 4], { epsilon: 0 }),
  norm([2, 6, 5, 3], {}, 'nonFinite'),
];
