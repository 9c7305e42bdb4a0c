// Cross-entropy of softmax(x) of each row, m its maximum, against the index of a class or, with PROBABILITIES, against a probability t of each:
//
//   terms[n] = log(sum of e^(x - m)) + m - x[label]          terms[n] = sum over k of t[k]*(log(sum of e^(x - m)) + m - x[k])
//
// The loss is the mean of the terms: see mean.wgsl. A workgroup a row.
#include "lib/grid.wgsl"
#include "lib/softmaxRow.wgsl"

struct Params { rows: u32, classes: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
#if PROBABILITIES
@group(0) @binding(2) var<storage, read> t: array<f32>;
#else
@group(0) @binding(2) var<storage, read> labels: array<u32>;
#endif
@group(0) @binding(3) var<storage, read_write> terms: array<f32>;

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>, @builtin(local_invocation_index) lane: u32,
) {
  let row = linearWorkgroup(workgroup, workgroups);
  if (row >= params.rows) { return; }
  let start = row * params.classes;
  let end = start + params.classes;
  let known = exponentialSum(start, end, lane);
  let logarithm = log(known.sum);
#if PROBABILITIES
  var share = 0.0;
  for (var i = start + lane; i < end; i += LANES) { share += t[i] * (logarithm + (known.maximum - x[i])); }
  let term = sumOfLanes(share, lane);
#else
  let term = logarithm + (known.maximum - x[start + labels[row]]);
#endif
  if (lane == 0u) { terms[row] = term; }
}
