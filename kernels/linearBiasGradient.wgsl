// ∂loss/∂b of a fully connected layer, db[o] = Σ_n dy[n, o], in slices of images: an invocation adds one column of a slice. sumSlices.wgsl
// adds up partial[slice][o].
#include "lib/grid.wgsl"

struct Params {
  images: u32,
  features: u32,
  blocks: u32,                // workgroups to a slice
  slices: u32, sliceImages: u32,
  firstSlice: u32,            // of this dispatch
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> partial: array<f32>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>, @builtin(local_invocation_index) local: u32,
) {
  let index = linearWorkgroup(workgroup, workgroups);
  let slice = index / params.blocks;
  let o = index % params.blocks * 64u + local;
  if (slice >= params.slices || o >= params.features) { return; }
  var sum = 0.0;
  for (var n = slice * params.sliceImages; n < min(params.images, (slice + 1u) * params.sliceImages); n++) {
    sum += dy[n * params.features + o];
  }
  partial[(params.firstSlice + slice) * params.features + o] = sum;
}
