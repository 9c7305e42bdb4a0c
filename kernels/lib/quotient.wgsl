// ⌊a / divisor⌋ from the float32 nearest to 1 / divisor, for quotients below 2²²: GPUs have no instruction for integer division.
// The product's relative error is below 3·2⁻²⁴, so the estimate is off by one at most, and the remainder tells.
fn quotient(a: u32, divisor: u32, inverse: f32) -> u32 {
  let estimate = u32(f32(a) * inverse);
  let remainder = i32(a - estimate * divisor);
  return estimate + select(0u, 1u, remainder >= i32(divisor)) - select(0u, 1u, remainder < 0);
}
