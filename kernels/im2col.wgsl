// The right matrix of a convolution, written out: columns[n][(c, u, v)][(i, j)] = x[n, c, i·strideY + u·dilationY − top, j·strideX + v·dilationX − left],
// zero outside the image, in rows of `pitch` elements. One element an invocation.
#include "lib/grid.wgsl"

struct Params {
  elements: u32,
  height: u32, width: u32,
  outWidth: u32, positions: u32, pitch: u32,   // pitch: elements of a row of columns
  taps: u32, tapsX: u32,
  strideY: i32, strideX: i32,
  dilationY: i32, dilationX: i32,
  top: i32, left: i32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> columns: array<f32>;

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>, @builtin(local_invocation_index) local: u32,
) {
  let index = linearWorkgroup(workgroup, workgroups) * 256u + local;
  if (index >= params.elements) { return; }
  let position = index % params.pitch;
  let row = index / params.pitch;
  let tap = row % params.taps;
  let plane = row / params.taps;
  let line = u32(i32(position / params.outWidth) * params.strideY + i32(tap / params.tapsX) * params.dilationY - params.top);
  let cell = u32(i32(position % params.outWidth) * params.strideX + i32(tap % params.tapsX) * params.dilationX - params.left);
  var value = 0.0;
  if (position < params.positions && line < params.height && cell < params.width) { value = x[(plane * params.height + line) * params.width + cell]; }
  columns[index] = value;
}
