/** Initial values of variables: Philox4x32-10 and the Box–Muller transform, in float64, rounded once. */
import type { Initializer } from '../graph/graph.js';
import { elements } from '../ops/define.js';
import { hashName, normalAngle, normalRadius, unit } from '../ops/lib/deviates.js';
import { philox4x32 } from '../ops/lib/philox.js';

/** The low and the high 32 bits of a whole number from 0 to 2⁵³ − 1. */
export function split64(value: number): readonly [number, number] {
  return [value >>> 0, Math.floor(value / 2 ** 32)];
}

/** Last counter word of all draws of initial values; dropout has the high half of the step there, which never gets so far. */
const initialDomain = 0xffffffff;

/**
 * The first content of a variable. Word i of the stream is word i mod 4 of Philox(counter = (⌊i/4⌋, hash of the name, 0,
 * 2³² − 1), key = seed): what a variable starts with depends on its name, shape and the seed, and on no other variable.
 */
export function initialValues(init: Initializer, shape: readonly number[], seed: number, name: string): Float32Array {
  const values = new Float32Array(elements(shape));
  switch (init.kind) {
    case 'constant':
      return values.fill(init.value);
    case 'uniform':
      forEachBlock(values.length, seed, name, (words, at, count) => {
        for (let i = 0; i < count; i++) values[at + i] = (2 * unit(words[i]) - 1) * init.limit;
      });
      return values;
    case 'normal':
      drawNormal(values, init.mean ?? 0, init.std, seed, name);
      return values;
    case 'he':
      drawNormal(values, 0, Math.sqrt(2 / elements(shape.slice(1))), seed, name);
      return values;
  }
}

function drawNormal(values: Float32Array, mean: number, std: number, seed: number, name: string): void {
  forEachBlock(values.length, seed, name, (words, at, count) => {
    for (let i = 0; i < count; i += 2) {
      const radius = std * normalRadius(words[i]);
      const angle = normalAngle(words[i + 1]);
      values[at + i] = mean + radius * Math.cos(angle);
      if (i + 1 < count) values[at + i + 1] = mean + radius * Math.sin(angle);
    }
  });
}

/** Calls `use(words, at, count)` for each four words of a variable's stream; the last of them may be wanted in part. */
function forEachBlock(
  length: number,
  seed: number,
  name: string,
  use: (words: Uint32Array, at: number, count: number) => void,
): void {
  const key = split64(seed);
  const counter = [0, hashName(name), 0, initialDomain];
  const words = new Uint32Array(4);
  for (let at = 0; at < length; at += 4) {
    counter[0] = at / 4;
    philox4x32(counter, key, words);
    use(words, at, Math.min(4, length - at));
  }
}
