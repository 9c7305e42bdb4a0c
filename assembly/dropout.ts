import { at, lineStart, number, pointer, word } from './lib/args';
import { philox } from './lib/philox';

/**
 * y = x·scale where the random word of the element is below the threshold, else 0. Element i takes word i mod 4 of block
 * ⌊i/4⌋: the mask is drawn again in the backward pass, not stored.
 *
 * Arguments: 0 x, 1 random (seed and step, four words), 2 y, 3 count, 4 stream, 5 threshold (its low 32 bits), 6 scale,
 * 7 whether the threshold is 2³², above every word.
 */
export function dropout(args: usize, thread: i32, threads: i32): void {
  const x = pointer(args, 0);
  const random = pointer(args, 1);
  const y = pointer(args, 2);
  const count = word(args, 3);
  const stream = <u32>word(args, 4);
  const threshold = i32x4.splat(word(args, 5));
  const scale = f32x4.splat(number(args, 6));
  const always = i32x4.splat(word(args, 7) ? -1 : 0);
  const seedLow = load<u32>(random);
  const seedHigh = load<u32>(random, 4);
  const stepLow = load<u32>(random, 8);
  const stepHigh = load<u32>(random, 12);
  const last = lineStart(count, thread + 1, threads);
  for (let i = lineStart(count, thread, threads); i < last; i += 4) {
    const words = philox(<u32>i >> 2, stream, stepLow, stepHigh, seedLow, seedHigh);
    const kept = v128.and(f32x4.mul(v128.load(at(x, i)), scale), v128.or(i32x4.lt_u(words, threshold), always));
    if (i + 4 <= last) {
      v128.store(at(y, i), kept);
    } else {
      store<f32>(at(y, i), f32x4.extract_lane(kept, 0));
      if (i + 1 < last) store<f32>(at(y, i + 1), f32x4.extract_lane(kept, 1));
      if (i + 2 < last) store<f32>(at(y, i + 2), f32x4.extract_lane(kept, 2));
    }
  }
}
