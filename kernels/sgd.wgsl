// One step of stochastic gradient descent with momentum and weight decay, in place, rate = learningRate*multiplier:
//
//   TORCH       v <- momentum*v + (g + decay*w)              w <- w - rate*v
//   otherwise   v <- momentum*v + sign*rate*(g + decay*w)    w <- w - sign*v       sign 1: Caffe's rule, -1: that of Krizhevsky et al. 2012
//
// Four elements an invocation.
#include "lib/grid.wgsl"

struct Params { vectors: u32, momentum: f32, decay: f32, multiplier: f32, sign: f32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> w: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> g: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> v: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> learningRate: array<f32>;

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>, @builtin(local_invocation_index) local: u32,
) {
  let i = linearWorkgroup(workgroup, workgroups) * 256u + local;
  if (i >= params.vectors) { return; }
  let rate = params.sign * (learningRate[0] * params.multiplier);
  let weight = w[i];
  let descent = g[i] + params.decay * weight;
#if TORCH
  let velocity = params.momentum * v[i] + descent;
  w[i] = weight - rate * velocity;
#else
  let velocity = params.momentum * v[i] + rate * descent;
  w[i] = weight - params.sign * velocity;
#endif
  v[i] = velocity;
}
