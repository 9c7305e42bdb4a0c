import { madd } from './lib/simd';

/**
 * What a core can do at best: twelve independent chains of multiply-adds in registers. Returns a sum of the lanes, so that
 * nothing can be left out; `rounds` × 12 × 8 floating-point operations.
 */
export function peak(rounds: i32, factor: f32): f32 {
  const f = f32x4.splat(factor);
  let a = f32x4.splat(0), b = a, c = a, d = a, e = a, g = a, h = a, i = a, j = a, k = a, l = a, m = a;
  for (let round = 0; round < rounds; round++) {
    a = madd(a, f, f); b = madd(b, f, f); c = madd(c, f, f); d = madd(d, f, f);
    e = madd(e, f, f); g = madd(g, f, f); h = madd(h, f, f); i = madd(i, f, f);
    j = madd(j, f, f); k = madd(k, f, f); l = madd(l, f, f); m = madd(m, f, f);
  }
  const sum = f32x4.add(
    f32x4.add(f32x4.add(a, b), f32x4.add(c, d)),
    f32x4.add(f32x4.add(f32x4.add(e, g), f32x4.add(h, i)), f32x4.add(f32x4.add(j, k), f32x4.add(l, m))),
  );
  return f32x4.extract_lane(sum, 0) + f32x4.extract_lane(sum, 3);
}
