/** A seeded order of things: the same on every platform, and drawn anew for any epoch without those before it. */
import { ArgumentError } from '../errors.js';
import { hashName } from '../ops/lib/deviates.js';
import { multiplyHigh, philox4x32, split64 } from '../ops/lib/philox.js';

/** Last counter word of all draws about data; no step of a training gets there, and initial values have another. */
export const dataDomain = 0xfffffffe;

/**
 * Shuffles `indices` in place (Fisher and Yates; Knuth, TAOCP 2, algorithm P). Place i is exchanged with place ⌊w·(i + 1)/2³²⌋, where w
 * is word i mod 4 of Philox(counter = (⌊i/4⌋, hash of `purpose`, epoch, `dataDomain`), key = seed).
 *
 * @param purpose tells these draws from others under the same seed
 */
export function shuffle(indices: Int32Array, purpose: string, seed: number, epoch = 0): void {
  checkWhole('seed', seed);
  checkWhole('epoch', epoch);
  const [key, counter] = [split64(seed), [0, hashName(purpose), epoch, dataDomain]];
  const words = new Uint32Array(4);
  let drawn = -1;
  for (let i = indices.length - 1; i > 0; i--) {
    if (i >>> 2 !== drawn) {
      drawn = i >>> 2;
      counter[0] = drawn;
      philox4x32(counter, key, words);
    }
    const j = multiplyHigh(words[i & 3], i + 1);
    const moved = indices[i];
    indices[i] = indices[j];
    indices[j] = moved;
  }
}

/** [0, 1, …, count − 1] in a seeded order. */
export function permutation(count: number, purpose: string, seed: number, epoch = 0): Int32Array {
  const indices = Int32Array.from({ length: count }, (_, i) => i);
  shuffle(indices, purpose, seed, epoch);
  return indices;
}

/** @throws ArgumentError unless `value` is a whole number from `least` to 2⁵³ − 1 */
export function checkWhole(name: string, value: number, least = 0): void {
  if (!Number.isSafeInteger(value) || value < least) {
    throw new ArgumentError(`${name} must be a whole number from ${least} on, got ${value}`);
  }
}
