// total[i] = Σ_s partial[s][i], always in the order of the slices. SCALE, BIAS, least: what is then done to it, by feature: each has `run`
// elements one after another (see lib/affine.wgsl).
#include "lib/grid.wgsl"

struct Params { elements: u32, slices: u32, features: u32, run: u32, least: f32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> partial: array<f32>;
@group(0) @binding(2) var<storage, read_write> total: array<f32>;
const affineBinding = 3u;
#include "lib/affine.wgsl"

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>, @builtin(local_invocation_index) local: u32,
) {
  let i = linearWorkgroup(workgroup, workgroups) * 64u + local;
  if (i >= params.elements) { return; }
  var sum = 0.0;
  for (var s = 0u; s < params.slices; s++) { sum += partial[s * params.elements + i]; }
  total[i] = affine(sum, i / params.run % params.features);
}
