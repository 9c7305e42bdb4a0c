/**
 * Initial values, bit for bit those of `src/graph/initialValues.ts`. Element i takes word i mod 4 of block ⌊i/4⌋ of the stream
 * with counter (⌊i/4⌋, c1, c2, c3).
 */
import { at, double, lineStart, pointer, word } from './args';
import { normals, units } from './normal';
import { philox, philoxBlocks } from './philox';
import { storeLanes } from './simd';

/** (2u − 1)·limit for the four words of a block as u in (0, 1). */
function uniforms(words: v128, limit: f64): v128 {
  const first = uniformPair(words, limit);
  const second = uniformPair(v128.shuffle<f64>(words, words, 1, 1), limit);
  return v128.shuffle<f64>(first, second, 0, 2);
}

function uniformPair(words: v128, limit: f64): v128 {
  const sides = f64x2.sub(f64x2.mul(f64x2.splat(2), units(words)), f64x2.splat(1));
  return f32x4.demote_f64x2_zero(f64x2.mul(sides, f64x2.splat(limit)));
}

/** Normal of mean a and deviation b, or uniform on (−a, a). */
function values(words: v128, isNormal: bool, a: f64, b: f64): v128 {
  return isNormal ? normals(words, a, b) : uniforms(words, a);
}

/**
 * Arguments: 0 to, 1 count, 2 and 3 key, 4 to 6 c1 to c3, 7 whether normal, 8 mean or limit and 10 deviation (float64).
 */
export function drawInitial(args: usize, share: i32, shares: i32): void {
  const to = pointer(args, 0);
  const count = word(args, 1);
  const k0 = word(args, 2);
  const k1 = word(args, 3);
  const c1 = word(args, 4);
  const c2 = word(args, 5);
  const c3 = word(args, 6);
  const isNormal = word(args, 7) != 0;
  const a = double(args, 8);
  const b = double(args, 10);
  const last = lineStart(count, share + 1, shares);
  let i = lineStart(count, share, shares);
  for (; i + 16 <= last; i += 16) {
    const group = at(to, i);
    philoxBlocks(group, i >> 2, c1, c2, c3, k0, k1);
    for (let block = group; block < group + 64; block += 16) {
      v128.store(block, values(v128.load(block), isNormal, a, b));
    }
  }
  for (; i < last; i += 4) {
    storeLanes(at(to, i), values(philox(i >> 2, c1, c2, c3, k0, k1), isNormal, a, b), min(4, last - i));
  }
}
