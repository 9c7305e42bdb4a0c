// V = Bᵀ d B for each 6×6 tile d of x, four cells apart, as [image][36 positions][channel][tile]; cells outside the image are zero.
#include "lib/grid.wgsl"
#include "lib/winograd43.wgsl"

struct Params {
  tiles: u32,            // of all planes
  channels: u32,         // of an image
  planeTiles: u32, lineTiles: u32,
  height: u32, width: u32,
  top: u32, left: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> transformed: array<f32>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>, @builtin(local_invocation_index) local: u32,
) {
  let index = linearWorkgroup(workgroup, workgroups) * 64u + local;
  if (index >= params.tiles) { return; }
  let tile = index % params.planeTiles;
  let plane = index / params.planeTiles;
  // Where they are negative, they wrap to beyond the image.
  let top = tile / params.lineTiles * 4u - params.top;
  let left = tile % params.lineTiles * 4u - params.left;
  let first = plane * params.height * params.width;
  var columns: array<Line, 6>;
  for (var j = 0u; j < 6u; j++) {
    var d: Line;
    let cell = left + j;
    for (var i = 0u; i < 6u; i++) {
      let line = top + i;
      d[i] = 0.0;
      if (line < params.height && cell < params.width) { d[i] = x[first + line * params.width + cell]; }
    }
    columns[j] = transformInput(d);
  }
  let pitch = params.channels * params.planeTiles;
  let to = plane / params.channels * 36u * pitch + index % pitch;
  for (var i = 0u; i < 6u; i++) {
    let line = transformInput(Line(columns[0][i], columns[1][i], columns[2][i], columns[3][i], columns[4][i], columns[5][i]));
    for (var j = 0u; j < 6u; j++) { transformed[to + (6u * i + j) * pitch] = line[j]; }
  }
}
