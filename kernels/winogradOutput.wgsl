// Y = Aᵀ m A for each tile m of products [image][36 positions][channel][tile], 4×4 cells of y [image, channel, height, width].
// BIAS adds b[channel].
#include "lib/grid.wgsl"
#include "lib/winograd43.wgsl"

struct Params {
  tiles: u32,            // of all planes
  channels: u32,         // of an image
  planeTiles: u32, lineTiles: u32,
  height: u32, width: u32,
  least: f32,            // of what is stored: 0 for a ReLU
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> products: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
#if BIAS
@group(0) @binding(3) var<storage, read> bias: array<f32>;
#endif

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>, @builtin(local_invocation_index) local: u32,
) {
  let index = linearWorkgroup(workgroup, workgroups) * 64u + local;
  if (index >= params.tiles) { return; }
  let tile = index % params.planeTiles;
  let plane = index / params.planeTiles;
  let pitch = params.channels * params.planeTiles;
  let source = plane / params.channels * 36u * pitch + index % pitch;
  var columns: array<vec4<f32>, 6>;
  for (var j = 0u; j < 6u; j++) {
    var m: Line;
    for (var i = 0u; i < 6u; i++) { m[i] = products[source + (6u * i + j) * pitch]; }
    columns[j] = transformOutput(m);
  }
  let top = tile / params.lineTiles * 4u;
  let left = tile % params.lineTiles * 4u;
  for (var i = 0u; i < 4u; i++) {
    var line = transformOutput(Line(columns[0][i], columns[1][i], columns[2][i], columns[3][i], columns[4][i], columns[5][i]));
#if BIAS
    line += bias[plane % params.channels];
#endif
    line = max(line, vec4<f32>(params.least));
    for (var j = 0u; j < 4u; j++) {
      if (top + i < params.height && left + j < params.width) {
        y[(plane * params.height + top + i) * params.width + left + j] = line[j];
      }
    }
  }
}
