/** Initial values of variables: Philox4x32-10 and the Box–Muller transform, in float64, rounded once. */
import { elements } from '../ops/define.js';
import { hashName, normalAngle, normalRadius, unit } from '../ops/lib/deviates.js';
import { philox4x32, split64 } from '../ops/lib/philox.js';
import type { Initializer } from './graph.js';

/** Last counter word of all draws of initial values; dropout has the high half of the step there, which never gets so far. */
const initialDomain = 0xffffffff;

/** Where the random words of a variable come from: word i is word i mod 4 of Philox(counter = (⌊i/4⌋, …counter), key). */
export interface InitialStream {
  readonly key: readonly [number, number];
  /** The last three words of the counter. */
  readonly counter: readonly [number, number, number];
}

/** What a variable starts with depends on its name, shape and the seed, and on no other variable. */
export function initialStream(seed: number, name: string): InitialStream {
  return { key: split64(seed), counter: [hashName(name), 0, initialDomain] };
}

/** How the words become numbers, with what depends on the shape worked out. */
export type Distribution = Exclude<Initializer, { readonly kind: 'he' }>;

export function distributionOf(init: Initializer, shape: readonly number[]): Distribution {
  return init.kind === 'he' ? { kind: 'normal', std: Math.sqrt(2 / elements(shape.slice(1))) } : init;
}

/** The first content of a variable. */
export function initialValues(init: Initializer, shape: readonly number[], seed: number, name: string): Float32Array {
  const values = new Float32Array(elements(shape));
  const distribution = distributionOf(init, shape);
  switch (distribution.kind) {
    case 'constant':
      return values.fill(distribution.value);
    case 'uniform':
      forEachBlock(values.length, initialStream(seed, name), (words, at, count) => {
        for (let i = 0; i < count; i++) values[at + i] = (2 * unit(words[i]) - 1) * distribution.limit;
      });
      return values;
    case 'normal':
      drawNormal(values, distribution.mean ?? 0, distribution.std, initialStream(seed, name));
      return values;
  }
}

function drawNormal(values: Float32Array, mean: number, std: number, stream: InitialStream): void {
  forEachBlock(values.length, stream, (words, at, count) => {
    for (let i = 0; i < count; i += 2) {
      const radius = std * normalRadius(words[i]);
      const angle = normalAngle(words[i + 1]);
      values[at + i] = mean + radius * Math.cos(angle);
      if (i + 1 < count) values[at + i + 1] = mean + radius * Math.sin(angle);
    }
  });
}

/** Calls `use(words, at, count)` for each four words of a stream; the last of them may be wanted in part. */
function forEachBlock(
  length: number,
  { key, counter }: InitialStream,
  use: (words: Uint32Array, at: number, count: number) => void,
): void {
  const whole = [0, ...counter];
  const words = new Uint32Array(4);
  for (let at = 0; at < length; at += 4) {
    whole[0] = at / 4;
    philox4x32(whole, key, words);
    use(words, at, Math.min(4, length - at));
  }
}
