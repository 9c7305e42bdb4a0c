// Softmax over the classes of each row, y = e^(x - m)/sum of e^(x - m), m the row's maximum; and dx = y*(dy - sum of dy*y). A workgroup a row.
#include "lib/grid.wgsl"
#if GRADIENT
#include "lib/lanes.wgsl"
#else
#include "lib/softmaxRow.wgsl"
#endif

struct Params { rows: u32, classes: u32 }

@group(0) @binding(0) var<uniform> params: Params;
#if GRADIENT
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read> y: array<f32>;
@group(0) @binding(3) var<storage, read_write> dx: array<f32>;
#else
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
#endif

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>, @builtin(local_invocation_index) lane: u32,
) {
  let row = linearWorkgroup(workgroup, workgroups);
  if (row >= params.rows) { return; }
  let start = row * params.classes;
  let end = start + params.classes;
#if GRADIENT
  var share = 0.0;
  for (var i = start + lane; i < end; i += LANES) { share += dy[i] * y[i]; }
  let sum = sumOfLanes(share, lane);
  for (var i = start + lane; i < end; i += LANES) { dx[i] = y[i] * (dy[i] - sum); }
#else
  let known = exponentialSum(start, end, lane);
  for (var i = start + lane; i < end; i += LANES) { y[i] = exponential(x[i] - known.maximum) / known.sum; }
#endif
}
