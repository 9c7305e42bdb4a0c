// e^x with the accuracy of WGSL's exp near 0 (3 ULP) for every x: exp itself has 3 + 2·|x| ULP.
//
// x = n·ln 2 + r with |r| ≤ ln(2)/2, so e^x = 2^n·e^r. Of ln 2 in two parts the first has ten bits: n times it is exact, and so is its
// difference from x. Results below the normal numbers are zero.
fn exponential(x: f32) -> f32 {
  let n = round(clamp(x, -87.33654, 88.72) * 1.442695);
  let r = (x - n * 0.693359375) + n * 2.12194440e-4;
  return select(0.0, ldexp(exp(r), i32(n)), x >= -87.33654);
}
