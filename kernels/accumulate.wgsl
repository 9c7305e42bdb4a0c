// sum <- sum + x while keep is not 0, x where it is, in place. Four elements an invocation.
#include "lib/grid.wgsl"

struct Params { vectors: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> sum: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> keep: array<f32>;

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>, @builtin(local_invocation_index) local: u32,
) {
  let i = linearWorkgroup(workgroup, workgroups) * 256u + local;
  if (i >= params.vectors) { return; }
  // Not a choice of two values: adding to a sum that is not finite may be undefined, even where the result is not used.
  if (keep[0] != 0.0) {
    sum[i] = sum[i] + x[i];
  } else {
    sum[i] = x[i];
  }
}
