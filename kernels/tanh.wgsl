// y = a*tanh(b*x); with y at hand, dx = dy*slope*(a - y)*(a + y) with slope = b/a. Four elements an invocation.
#include "lib/exponential.wgsl"
#include "lib/grid.wgsl"

#if GRADIENT
struct Params { vectors: u32, a: f32, slope: f32 }
#else
struct Params { vectors: u32, a: f32, b: f32 }
#endif

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
// WGSL's own tanh may be off by 1e-5, however small the result. Here near 0 Lambert's continued fraction
// z/(1 + z^2/(3 + z^2/(5 + z^2/(7 + z^2/9)))), whose relative error is below 1e-8 there; elsewhere 1 - 2/(1 + e^(2|z|)), where nothing cancels.
fn hyperbolicTangent(z: f32) -> f32 {
  let square = z * z;
  let near = z * (945.0 + square * (105.0 + square)) / (945.0 + square * (420.0 + 15.0 * square));
  let far = 1.0 - 2.0 / (1.0 + exponential(min(2.0 * abs(z), 30.0)));
  return select(select(far, -far, z < 0.0), near, abs(z) < 0.75);
}
#endif

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>, @builtin(local_invocation_index) local: u32,
) {
  let i = linearWorkgroup(workgroup, workgroups) * 256u + local;
  if (i >= params.vectors) { return; }
#if GRADIENT
  dx[i] = dy[i] * (params.slope * ((params.a - y[i]) * (params.a + y[i])));
#else
  let z = params.b * x[i];
  y[i] = params.a * vec4<f32>(hyperbolicTangent(z.x), hyperbolicTangent(z.y), hyperbolicTangent(z.z), hyperbolicTangent(z.w));
#endif
}
