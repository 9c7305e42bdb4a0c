// y = 1/(1 + e^-x), and dx = dy*y*(1 - y). Four elements an invocation.
#include "lib/exponential.wgsl"
#include "lib/grid.wgsl"

struct Params { vectors: u32 }

@group(0) @binding(0) var<uniform> params: Params;
#if GRADIENT
@group(0) @binding(1) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> y: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> dx: array<vec4<f32>>;
#else
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>;
#endif

#if !GRADIENT
// With e^-|x|, which cannot overflow: 1/(1 + e^-x) for x >= 0 and e^x/(1 + e^x) below.
fn logistic(x: f32) -> f32 {
  let e = exponential(-abs(x));
  return select(e, 1.0, x >= 0.0) / (1.0 + e);
}
#endif

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>, @builtin(local_invocation_index) local: u32,
) {
  let i = linearWorkgroup(workgroup, workgroups) * 256u + local;
  if (i >= params.vectors) { return; }
#if GRADIENT
  dx[i] = dy[i] * (y[i] * (1.0 - y[i]));
#else
  let z = x[i];
  y[i] = vec4<f32>(logistic(z.x), logistic(z.y), logistic(z.z), logistic(z.w));
#endif
}
