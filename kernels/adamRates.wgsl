// The two factors of a step of Adam that depend on its number t:
//
//   rates = [learningRate*multiplier/(1 - beta1^t), 1/sqrt(1 - beta2^t)]
//
// 1 - beta^t cancels: there is no float64 here, so the powers are taken of fractions of 64 bits, in whole numbers, which are alike on every
// device. beta1 and beta2 come as such fractions, the high word first.
#include "lib/multiplyHigh.wgsl"

struct Params { beta1High: u32, beta1Low: u32, beta2High: u32, beta2Low: u32, multiplier: f32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> learningRate: array<f32>;
@group(0) @binding(2) var<storage, read> step: array<f32>;
@group(0) @binding(3) var<storage, read_write> rates: array<f32>;

// Product of two fractions, short by less than 4 in the last place.
fn times(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
  let low = a.x * b.x;
  let part = low + multiplyHigh(a.x, b.y);
  let whole = part + multiplyHigh(a.y, b.x);
  return vec2<u32>(multiplyHigh(a.x, b.x) + u32(part < low) + u32(whole < part), whole);
}

// 1 - fraction^exponent, by squaring. 1 itself is taken as the largest fraction.
fn oneMinusPower(fraction: vec2<u32>, exponent: u32) -> f32 {
  var power = vec2<u32>(0xffffffffu);
  var square = fraction;
  for (var bits = exponent; bits > 0u; bits >>= 1u) {
    if ((bits & 1u) == 1u) { power = times(power, square); }
    square = times(square, square);
  }
  let rest = ~power;
  return f32(rest.x) * 0x1p-32 + f32(rest.y) * 0x1p-64;
}

@compute @workgroup_size(1)
fn main() {
  let t = u32(step[0]);
  rates[0] = learningRate[0] * params.multiplier / oneMinusPower(vec2<u32>(params.beta1High, params.beta1Low), t);
  rates[1] = 1.0 / sqrt(oneMinusPower(vec2<u32>(params.beta2High, params.beta2Low), t));
}
