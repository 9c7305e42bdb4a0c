// y = factor*x. Four elements an invocation.
#include "lib/grid.wgsl"

struct Params { vectors: u32, factor: f32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>, @builtin(local_invocation_index) local: u32,
) {
  let i = linearWorkgroup(workgroup, workgroups) * 256u + local;
  if (i >= params.vectors) { return; }
  y[i] = params.factor * x[i];
}
