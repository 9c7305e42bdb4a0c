import { at, lineStart, number, pointer, scratchOf, word } from './lib/args';
import { philoxBlocks } from './lib/philox';
import { storeLanes } from './lib/simd';

/**
 * y = x·scale where the random word of the element is below the threshold, else 0. Element i takes word i mod 4 of block
 * ⌊i/4⌋: the mask is drawn again in the backward pass, not stored.
 *
 * Arguments: 0 x, 1 random (seed and step, four words), 2 y, 3 scratch (16 words), 4 scratch bytes per thread, 5 count, 6 stream,
 * 7 threshold (its low 32 bits), 8 scale, 9 whether the threshold is 2³², above every word.
 */
export function dropout(args: usize, share: i32, shares: i32): void {
  const x = pointer(args, 0);
  const random = pointer(args, 1);
  const y = pointer(args, 2);
  const words = scratchOf(args, 3);
  const count = word(args, 5);
  const stream = <u32>word(args, 6);
  const threshold = i32x4.splat(word(args, 7));
  const scale = f32x4.splat(number(args, 8));
  const always = i32x4.splat(word(args, 9) ? -1 : 0);
  const seedLow = load<u32>(random);
  const seedHigh = load<u32>(random, 4);
  const stepLow = load<u32>(random, 8);
  const stepHigh = load<u32>(random, 12);
  const last = lineStart(count, share + 1, shares);
  for (let line = lineStart(count, share, shares); line < last; line += 16) {
    philoxBlocks(words, <u32>line >> 2, stream, stepLow, stepHigh, seedLow, seedHigh);
    const end = min(line + 16, last);
    for (let i = line; i < end; i += 4) {
      const kept = v128.or(i32x4.lt_u(v128.load(at(words, i - line)), threshold), always);
      storeLanes(at(y, i), v128.and(f32x4.mul(v128.load(at(x, i)), scale), kept), min(4, end - i));
    }
  }
}
