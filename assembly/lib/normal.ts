/**
 * Normal deviates, bit for bit those that the host draws (`src/ops/lib/deviates.ts`): Philox words through the Box–Muller
 * transform in float64, rounded once. The logarithm, sine and cosine here are right to some units of 2⁻⁵³, and the host's
 * may differ in the last place. Where that could decide the rounding to float32, which is about one value in 2¹⁷, the
 * host's own functions are asked.
 */
/** The functions of JavaScript's Math. */
declare function log(x: f64): f64;
declare function cos(x: f64): f64;
declare function sin(x: f64): f64;

/** 2⁻⁴³: far more than the relative error of all functions together. */
const doubt: f64 = 1.1368683772161603e-13;

const perWord: f64 = 1.0 / 4294967296.0;
const twoPi: f64 = 6.283185307179586;
const twoPerPi: f64 = 0.6366197723675814;
/** ½π in two parts, the first so short that its product with 0 … 4 is exact. */
const halfPiHigh: f64 = 1.5707963267341256;
const halfPiLow: f64 = 6.077100506506192e-11;
const ln2High: f64 = 0.6931471803691238;
const ln2Low: f64 = 1.9082149292705877e-10;
/** Bits of 1 and of √½, rounded down to 20 bits. */
const oneBits: i64 = 0x3ff0000000000000;
const rootBits: i64 = 0x3fe6a09e00000000;

/** (word + ½)/2³² of the words in lanes 0 and 1, exactly. */
export function units(words: v128): v128 {
  return f64x2.mul(f64x2.add(f64x2.convert_low_i32x4_u(words), f64x2.splat(0.5)), f64x2.splat(perWord));
}

/** a·x + b */
function step(a: v128, x: v128, b: f64): v128 {
  return f64x2.add(f64x2.mul(a, x), f64x2.splat(b));
}

/**
 * Natural logarithm of normal positive numbers: k·ln 2 + log(1 + f), the latter from atanh(f/(2 + f)); coefficients of fdlibm's
 * e_log.c (Sun Microsystems 1993).
 */
function logarithm(x: v128): v128 {
  const shifted = i64x2.add(x, i64x2.splat(oneBits - rootBits));
  const exponents = i64x2.sub(i64x2.shr_u(shifted, 52), i64x2.splat(1023));
  const k = f64x2.convert_low_i32x4_s(v128.shuffle<i32>(exponents, exponents, 0, 2, 0, 2));
  const mantissa = i64x2.add(v128.and(shifted, i64x2.splat(0x000fffffffffffff)), i64x2.splat(rootBits));
  const f = f64x2.sub(mantissa, f64x2.splat(1));
  const s = f64x2.div(f, f64x2.add(f, f64x2.splat(2)));
  const z = f64x2.mul(s, s);
  let r = step(f64x2.splat(0.14798198605116586), z, 0.15313837699209373);
  r = step(r, z, 0.1818357216161805);
  r = step(r, z, 0.22222198432149784);
  r = step(r, z, 0.2857142874366239);
  r = step(r, z, 0.3999999999940942);
  r = step(r, z, 0.6666666666666735);
  r = f64x2.mul(r, z);
  const half = f64x2.mul(f64x2.mul(f, f), f64x2.splat(0.5));
  const low = f64x2.add(f64x2.mul(s, f64x2.add(half, r)), f64x2.mul(k, f64x2.splat(ln2Low)));
  return f64x2.add(f64x2.mul(k, f64x2.splat(ln2High)), f64x2.add(f, f64x2.sub(low, half)));
}

/** Sine for |x| ≤ ¼π, z = x²; fdlibm's k_sin.c. */
function sineNearZero(x: v128, z: v128): v128 {
  let p = step(f64x2.splat(1.58969099521155e-10), z, -2.5050760253406863e-8);
  p = step(p, z, 2.7557313707070068e-6);
  p = step(p, z, -1.984126982985795e-4);
  p = step(p, z, 8.33333333332249e-3);
  p = step(p, z, -0.16666666666666632);
  return f64x2.add(x, f64x2.mul(f64x2.mul(x, z), p));
}

/** Cosine likewise; k_cos.c. */
function cosineNearZero(z: v128): v128 {
  let p = step(f64x2.splat(-1.1359647557788195e-11), z, 2.087572321298175e-9);
  p = step(p, z, -2.7557314351390663e-7);
  p = step(p, z, 2.480158728947673e-5);
  p = step(p, z, -1.388888888887411e-3);
  p = step(p, z, 4.1666666666666602e-2);
  p = step(p, z, -0.5);
  return step(p, z, 1);
}

/** The block as the host draws it. */
function normalsOfHost(words: v128, mean: f64, deviation: f64): v128 {
  const pair = hostPair(i32x4.extract_lane(words, 0), i32x4.extract_lane(words, 1), mean, deviation);
  const other = hostPair(i32x4.extract_lane(words, 2), i32x4.extract_lane(words, 3), mean, deviation);
  return v128.shuffle<f64>(pair, other, 0, 2);
}

function hostPair(radiusWord: u32, angleWord: u32, mean: f64, deviation: f64): v128 {
  const radius = deviation * Math.sqrt(-2.0 * log((<f64>radiusWord + 0.5) * perWord));
  const angle = twoPi * ((<f64>angleWord + 0.5) * perWord);
  const cosine = f32x4.splat(<f32>(mean + radius * cos(angle)));
  return f32x4.replace_lane(cosine, 1, <f32>(mean + radius * sin(angle)));
}

/** Pairs (cosine, sine), rounded to float32. */
function interleave(cosines: v128, sines: v128): v128 {
  return v128.shuffle<f32>(f32x4.demote_f64x2_zero(cosines), f32x4.demote_f64x2_zero(sines), 0, 4, 1, 5);
}

/** mean + deviation·N(0, 1) from the words of a block: radius and angle of two deviates, and of two more. */
export function normals(words: v128, mean: f64, deviation: f64): v128 {
  const radius = f64x2.mul(
    f64x2.splat(deviation),
    f64x2.sqrt(f64x2.mul(f64x2.splat(-2), logarithm(units(v128.shuffle<i32>(words, words, 0, 2, 0, 2))))),
  );
  const angle = f64x2.mul(f64x2.splat(twoPi), units(v128.shuffle<i32>(words, words, 1, 3, 1, 3)));
  const turns = f64x2.nearest(f64x2.mul(angle, f64x2.splat(twoPerPi)));
  const rest = f64x2.sub(
    f64x2.sub(angle, f64x2.mul(turns, f64x2.splat(halfPiHigh))),
    f64x2.mul(turns, f64x2.splat(halfPiLow)),
  );
  const z = f64x2.mul(rest, rest);
  const s = sineNearZero(rest, z);
  const c = cosineNearZero(z);
  // Quarter turns swap sine and cosine and change their signs.
  const quarter = i64x2.extend_low_i32x4_u(i32x4.trunc_sat_f64x2_u_zero(turns));
  const odd = i64x2.neg(v128.and(quarter, i64x2.splat(1)));
  const cosineSign = i64x2.shl(v128.and(i64x2.add(quarter, i64x2.splat(1)), i64x2.splat(2)), 62);
  const sineSign = i64x2.shl(v128.and(quarter, i64x2.splat(2)), 62);
  const cosine = f64x2.mul(radius, v128.xor(v128.bitselect(s, c, odd), cosineSign));
  const sine = f64x2.mul(radius, v128.xor(v128.bitselect(c, s, odd), sineSign));
  const x = f64x2.add(f64x2.splat(mean), cosine);
  const y = f64x2.add(f64x2.splat(mean), sine);
  // The sum has the error of what was added to the mean, and its own.
  const cosineDoubt = f64x2.mul(f64x2.add(f64x2.abs(cosine), f64x2.abs(x)), f64x2.splat(doubt));
  const sineDoubt = f64x2.mul(f64x2.add(f64x2.abs(sine), f64x2.abs(y)), f64x2.splat(doubt));
  const low = interleave(f64x2.sub(x, cosineDoubt), f64x2.sub(y, sineDoubt));
  const high = interleave(f64x2.add(x, cosineDoubt), f64x2.add(y, sineDoubt));
  return i32x4.all_true(i32x4.eq(low, high)) ? low : normalsOfHost(words, mean, deviation);
}
