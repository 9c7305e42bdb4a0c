// U = G g Gᵀ for each 3×3 filter g, as matrices [36 positions][group][row][channel]. The strides say which filter is which row's and
// channel's; the data gradient has them transposed, and turned by 180°.
#include "lib/grid.wgsl"
#include "lib/winograd43.wgsl"

struct Params {
  filters: u32,
  rows: u32, channels: u32,
  weightGroup: u32, weightRow: u32, weightChannel: u32,
  turned: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read_write> transformed: array<f32>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>, @builtin(local_invocation_index) local: u32,
) {
  let index = linearWorkgroup(workgroup, workgroups) * 64u + local;
  if (index >= params.filters) { return; }
  let channel = index % params.channels;
  let row = index / params.channels % params.rows;
  let group = index / params.channels / params.rows;
  let first = group * params.weightGroup + row * params.weightRow + channel * params.weightChannel;
  var g: array<f32, 9>;
  for (var i = 0u; i < 9u; i++) { g[i] = w[first + select(i, 8u - i, params.turned != 0u)]; }
  var columns: array<Line, 3>;
  for (var j = 0u; j < 3u; j++) { columns[j] = transformFilter(vec3<f32>(g[j], g[3u + j], g[6u + j])); }
  for (var i = 0u; i < 6u; i++) {
    let line = transformFilter(vec3<f32>(columns[0][i], columns[1][i], columns[2][i]));
    for (var j = 0u; j < 6u; j++) { transformed[(6u * i + j) * params.filters + index] = line[j]; }
  }
}
