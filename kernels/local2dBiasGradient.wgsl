// Bias gradient of a locally connected layer: for each feature (output channel and position) the sum of dy [images, features] over the images.
#include "lib/grid.wgsl"

struct Params { images: u32, features: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> gradient: array<f32>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>, @builtin(local_invocation_index) local: u32,
) {
  let feature = linearWorkgroup(workgroup, workgroups) * 64u + local;
  if (feature >= params.features) { return; }
  var sum = 0.0;
  for (var n = 0u; n < params.images; n++) { sum += dy[n * params.features + feature]; }
  gradient[feature] = sum;
}
