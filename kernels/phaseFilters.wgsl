// The weights of one phase of a convolution's data gradient (see lower/conv2d.ts) as matrices [group][row][channel, tap], one element an invocation:
// filters[g][c][(o, u, v)] = w[g, o, c, firstY + u·tapStepY, firstX + v·tapStepX], with w [groups, channels, rows, height, width].
#include "lib/grid.wgsl"

struct Params {
  elements: u32,
  rows: u32, channels: u32,
  tapsY: u32, tapsX: u32,
  height: u32, width: u32,
  firstY: u32, firstX: u32,
  tapStepY: u32, tapStepX: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read_write> filters: array<f32>;

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>, @builtin(local_invocation_index) local: u32,
) {
  let index = linearWorkgroup(workgroup, workgroups) * 256u + local;
  if (index >= params.elements) { return; }
  let v = index % params.tapsX * params.tapStepX + params.firstX;
  let line = index / params.tapsX;
  let u = line % params.tapsY * params.tapStepY + params.firstY;
  let plane = line / params.tapsY;
  let channel = plane % params.channels;
  let row = plane / params.channels % params.rows;
  let group = plane / params.channels / params.rows;
  filters[index] = w[(((group * params.channels + channel) * params.rows + row) * params.height + u) * params.width + v];
}
