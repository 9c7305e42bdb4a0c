// Gradient of batch normalisation's scale: for each channel the sum of dy*(x - mean_c)/sqrt(variance_c + epsilon) over images and plane.
//
// Two steps: PARTIAL sums over the plane of each image and channel, and the other over the images. x, dy [images, channels, plane], partial
// [images, channels], gradient [channels].
#include "lib/grid.wgsl"

#if PARTIAL
// LANES invocations, a power of two, share a plane: each adds up every LANES-th element, and a tree the sums of all. planes: images times
// channels.
struct Params { planes: u32, channels: u32, plane: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read> mean: array<f32>;
@group(0) @binding(4) var<storage, read_write> partial: array<f32>;

var<workgroup> sums: array<f32, 256>;

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>, @builtin(local_invocation_index) local: u32,
) {
  let at = linearWorkgroup(workgroup, workgroups) * (256u / LANES) + local / LANES;
  let lane = local % LANES;
  var sum = 0.0;
  if (at < params.planes) {
    let center = mean[at % params.channels];
    for (var i = lane; i < params.plane; i += LANES) {
      let index = at * params.plane + i;
      sum += dy[index] * (x[index] - center);
    }
  }
  sums[local] = sum;
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { sums[local] += sums[local + half]; }
  }
  if (lane == 0u && at < params.planes) { partial[at] = sums[local]; }
}
#else
struct Params { images: u32, channels: u32, epsilon: f32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> partial: array<f32>;
@group(0) @binding(2) var<storage, read> variance: array<f32>;
@group(0) @binding(3) var<storage, read_write> gradient: array<f32>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>, @builtin(local_invocation_index) local: u32,
) {
  let c = linearWorkgroup(workgroup, workgroups) * 64u + local;
  if (c >= params.channels) { return; }
  var sum = 0.0;
  for (var n = 0u; n < params.images; n++) { sum += partial[n * params.channels + c]; }
  gradient[c] = sum / sqrt(variance[c] + params.epsilon);
}
#endif
