// What the two local response normalisations have in common: s^-beta for s = k + a*(sum of squares).

// s^-beta: by roots for beta = 3/4 and 1/2, a quotient for 1; otherwise as 2^(-beta*log2(s)).
//
// There, with s = m*2^e, m in [1/2, 1), only the logarithm of m is rounded. -beta*e is split into its nearest whole number, which becomes the
// exponent of the result, and the rest: exactly, beta being taken in two parts of which the first has 12 bits. So both functions work on
// small arguments, where they are most accurate, however large s is.
fn inversePower(s: f32, beta: f32) -> f32 {
  if (beta == 0.75) {
    let root = sqrt(s);
    return 1.0 / (root * sqrt(root));
  }
  if (beta == 0.5) { return 1.0 / sqrt(s); }
  if (beta == 1.0) { return 1.0 / s; }
  let parts = frexp(s);
  let exponent = f32(parts.exp);
  let leading = bitcast<f32>(bitcast<u32>(beta) & 0xfffff000u);
  let product = -leading * exponent;
  let whole = round(product);
  let rest = (product - whole) - (beta - leading) * exponent;
  return ldexp(exp2(rest - beta * log2(parts.fract)), i32(whole));
}
