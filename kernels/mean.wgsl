// mean = (sum of the partial sums)/count, by one workgroup: each invocation adds up every 256th, and a tree the sums of all.
#include "lib/lanes.wgsl"

struct Params { partials: u32, count: f32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> partial: array<f32>;
@group(0) @binding(2) var<storage, read_write> mean: array<f32>;

@compute @workgroup_size(LANES)
fn main(@builtin(local_invocation_index) lane: u32) {
  var share = 0.0;
  for (var i = lane; i < params.partials; i += LANES) { share += partial[i]; }
  let sum = sumOfLanes(share, lane);
  if (lane == 0u) { mean[0] = sum / params.count; }
}
