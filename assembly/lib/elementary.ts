/**
 * e^x and tanh x of four lanes by argument reduction and a polynomial. Largest relative errors against float64, with and without
 * fused multiply-adds: 1.42·2⁻²⁴ for e^x with a normal result (every fifth float32), 3.12·2⁻²⁴ for tanh (every float32 of
 * magnitude 2⁻¹² to 10; below the argument itself comes out, above ±1). NaN stays NaN.
 */
import { madd } from './simd';

/** 1/ln 2, and ln 2 in two parts, the first so short that its product with a whole number below 2¹⁴ is exact. */
const perLn2: f32 = 1.4426950408889634;
const ln2High: f32 = 0.693359375;
const ln2Low: f32 = -2.12194440054690583e-4;

/** x − n·ln 2, at most ½·ln 2 in magnitude, for the nearest whole number n = round(x/ln 2). */
function remainder(x: v128, n: v128): v128 {
  return madd(f32x4.splat(-ln2Low), n, madd(f32x4.splat(-ln2High), n, x));
}

/** e^r − 1 for |r| ≤ ½·ln 2: r + r²·Q(r), Q of degree 4 fitted for the least relative error, 0.23 · 2⁻²⁴. */
function polynomial(r: v128): v128 {
  let q = f32x4.splat(0.0013882489045334632);
  q = madd(q, r, f32x4.splat(0.00836669156522411));
  q = madd(q, r, f32x4.splat(0.041667205361067466));
  q = madd(q, r, f32x4.splat(0.1666654235142954));
  q = madd(q, r, f32x4.splat(0.4999999812540741));
  return madd(f32x4.mul(r, r), q, r);
}

/** 1.5·2²³: a number of magnitude below 2²² added to it is rounded to a whole one, which its low bits then hold. */
const shifter: f32 = 12582912;

/** round(x/ln 2), plus the shifter. */
function shifted(x: v128): v128 {
  return f32x4.add(f32x4.mul(x, f32x4.splat(perLn2)), f32x4.splat(shifter));
}

/** The whole number that was shifted: as a float, and as an integer. */
function asFloat(shifted: v128): v128 {
  return f32x4.sub(shifted, f32x4.splat(shifter));
}

function asInteger(shifted: v128): v128 {
  return i32x4.sub(shifted, i32x4.splat(reinterpret<i32>(shifter)));
}

/** 2ⁿ for whole numbers n from −126 to 127. */
function powerOfTwo(n: v128): v128 {
  return i32x4.shl(i32x4.add(n, i32x4.splat(127)), 23);
}

/** e^x. */
export function exp(x: v128): v128 {
  // Beyond these ends the result is 0 or ∞ anyway; scaling by 2ⁿ in two halves gets there. pmin and pmax let NaN through.
  const within = f32x4.pmax(f32x4.pmin(x, f32x4.splat(128)), f32x4.splat(-128));
  const n = shifted(within);
  const e = f32x4.add(f32x4.splat(1), polynomial(remainder(within, asFloat(n))));
  const whole = asInteger(n);
  const half = i32x4.shr_s(whole, 1);
  return f32x4.mul(f32x4.mul(e, powerOfTwo(half)), powerOfTwo(i32x4.sub(whole, half)));
}

/** tanh |x| = (e^2|x| − 1)/(e^2|x| + 1), with the sign of x: nothing cancels, however small x is. */
// @ts-ignore: decorator
@inline
export function tanh(x: v128): v128 {
  const sign = f32x4.splat(-0.0);
  // From |x| = 9.1 on the result rounds to 1.
  const twice = f32x4.pmin(f32x4.mul(f32x4.abs(x), f32x4.splat(2)), f32x4.splat(20));
  const n = shifted(twice);
  const power = powerOfTwo(asInteger(n));
  const less = madd(power, polynomial(remainder(twice, asFloat(n))), f32x4.sub(power, f32x4.splat(1)));
  return v128.or(f32x4.div(less, f32x4.add(less, f32x4.splat(2))), v128.and(x, sign));
}
