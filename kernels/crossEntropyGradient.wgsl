// Gradients of the mean cross-entropy of softmax(x) over N rows. For the logits x, against class indices or, with PROBABILITIES, against
// probabilities t:
//
//   dx[n][i] = (softmax(x)[n][i] - [i = label n])*dloss/N          dx[n][i] = (softmax(x)[n][i]*(sum over k of t[n][k]) - t[n][i])*dloss/N
//
// and, with TARGET, for the probabilities: dt[n][i] = (log(sum of e^(x - m)) + m - x[n][i])*dloss/N, m the row's maximum. A workgroup a row.
//
// rows: of the dispatch. batch: N.
#include "lib/grid.wgsl"
#include "lib/softmaxRow.wgsl"

struct Params { rows: u32, classes: u32, batch: f32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dloss: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
#if TARGET
@group(0) @binding(3) var<storage, read_write> dt: array<f32>;
#else
#if PROBABILITIES
@group(0) @binding(3) var<storage, read> t: array<f32>;
#else
@group(0) @binding(3) var<storage, read> labels: array<u32>;
#endif
@group(0) @binding(4) var<storage, read_write> dx: array<f32>;
#endif

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>, @builtin(local_invocation_index) lane: u32,
) {
  let row = linearWorkgroup(workgroup, workgroups);
  if (row >= params.rows) { return; }
  let start = row * params.classes;
  let end = start + params.classes;
  let scale = dloss[0] / params.batch;
  let known = exponentialSum(start, end, lane);
#if TARGET
  let logarithm = log(known.sum);
  for (var i = start + lane; i < end; i += LANES) { dt[i] = (logarithm + (known.maximum - x[i])) * scale; }
#elif PROBABILITIES
  var share = 0.0;
  for (var i = start + lane; i < end; i += LANES) { share += t[i]; }
  let weight = sumOfLanes(share, lane);
  for (var i = start + lane; i < end; i += LANES) {
    dx[i] = (weight * (exponential(x[i] - known.maximum) / known.sum) - t[i]) * scale;
  }
#else
  let label = start + labels[row];
  for (var i = start + lane; i < end; i += LANES) {
    dx[i] = (exponential(x[i] - known.maximum) / known.sum - select(0.0, 1.0, i == label)) * scale;
  }
#endif
}
