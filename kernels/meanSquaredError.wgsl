// Mean of squared differences of M elements. Forward, the sum of (x - t)^2 over a block of 4*LANES elements for each workgroup, of which
// mean.wgsl makes the loss; and the gradient dx = 2*dloss/M*(x - t), four elements an invocation.
#include "lib/grid.wgsl"

#if GRADIENT
struct Params { vectors: u32, size: f32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dloss: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> t: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> dx: array<vec4<f32>>;

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>, @builtin(local_invocation_index) local: u32,
) {
  let i = linearWorkgroup(workgroup, workgroups) * 256u + local;
  if (i >= params.vectors) { return; }
  dx[i] = 2.0 * dloss[0] / params.size * (x[i] - t[i]);
}
#else
#include "lib/lanes.wgsl"

struct Params { blocks: u32, count: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> t: array<f32>;
@group(0) @binding(3) var<storage, read_write> partial: array<f32>;

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>, @builtin(local_invocation_index) lane: u32,
) {
  let block = linearWorkgroup(workgroup, workgroups);
  if (block >= params.blocks) { return; }
  let start = block * 4u * LANES;
  let end = min(start + 4u * LANES, params.count);
  var share = 0.0;
  for (var i = start + lane; i < end; i += LANES) {
    let difference = x[i] - t[i];
    share += difference * difference;
  }
  let sum = sumOfLanes(share, lane);
  if (lane == 0u) { partial[block] = sum; }
}
#endif
