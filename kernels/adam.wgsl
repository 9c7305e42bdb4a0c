// One step of Adam (Kingma and Ba 2015), in place, four elements an invocation:
//
//   g <- g + decay*w    m <- keepMean*m + newMean*g    v <- keepSquare*v + newSquare*g^2    w <- w - rate*m/(sqrt(v)*correction + epsilon)
//
// keepMean = beta1, newMean = 1 - beta1, and so with the square and beta2. rates: rate and correction, from adamRates.wgsl.
#include "lib/grid.wgsl"

struct Params { vectors: u32, decay: f32, epsilon: f32, keepMean: f32, newMean: f32, keepSquare: f32, newSquare: f32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> w: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> g: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> m: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> v: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> rates: array<f32>;

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>, @builtin(local_invocation_index) local: u32,
) {
  let i = linearWorkgroup(workgroup, workgroups) * 256u + local;
  if (i >= params.vectors) { return; }
  let weight = w[i];
  let gradient = g[i] + params.decay * weight;
  let mean = params.keepMean * m[i] + params.newMean * gradient;
  let square = params.keepSquare * v[i] + params.newSquare * (gradient * gradient);
  m[i] = mean;
  v[i] = square;
  w[i] = weight - rates[0] * mean / (sqrt(square) * rates[1] + params.epsilon);
}
