// y = x where x > 0, else slope*x; and dx = dy where y > 0, else slope*dy. Four elements an invocation.
#include "lib/grid.wgsl"

struct Params { vectors: u32, slope: f32 }

@group(0) @binding(0) var<uniform> params: Params;
#if GRADIENT
@group(0) @binding(1) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> y: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> dx: array<vec4<f32>>;
#else
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>;
#endif

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>, @builtin(local_invocation_index) local: u32,
) {
  let i = linearWorkgroup(workgroup, workgroups) * 256u + local;
  if (i >= params.vectors) { return; }
#if GRADIENT
  dx[i] = select(params.slope * dy[i], dy[i], y[i] > vec4<f32>());
#else
  y[i] = select(params.slope * x[i], x[i], x[i] > vec4<f32>());
#endif
}
