// Batch normalisation with given statistics, for each channel c with r = 1/sqrt(variance_c + epsilon):
//
//   y = scale_c*(x - mean_c)*r + bias_c          dx = dy*scale_c*r
//
// x [images, channels, plane]. One element an invocation. count: elements. Constant: GRADIENT.
#include "lib/grid.wgsl"

struct Params { count: u32, channels: u32, plane: u32, epsilon: f32 }

@group(0) @binding(0) var<uniform> params: Params;
#if GRADIENT
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read> scale: array<f32>;
@group(0) @binding(3) var<storage, read> variance: array<f32>;
@group(0) @binding(4) var<storage, read_write> dx: array<f32>;
#else
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> scale: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> mean: array<f32>;
@group(0) @binding(5) var<storage, read> variance: array<f32>;
@group(0) @binding(6) var<storage, read_write> y: array<f32>;
#endif

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>, @builtin(local_invocation_index) local: u32,
) {
  let index = linearWorkgroup(workgroup, workgroups) * 256u + local;
  if (index >= params.count) { return; }
  let c = index / params.plane % params.channels;
  let factor = scale[c] / sqrt(variance[c] + params.epsilon);
#if GRADIENT
  dx[index] = dy[index] * factor;
#else
  y[index] = (x[index] - mean[c]) * factor + bias[c];
#endif
}
