// What im2col does, turned about: y[n, c, i, j] = b[c] + Σ_(u, v) columns[n][(c, u, v)][(i', j')] over the taps (u, v) that lead from cell (i, j) to a
// position, i = i'·strideY + u·dilationY − top and j = j'·strideX + v·dilationX − left. One element an invocation. BIAS: whether there is b.
#include "lib/grid.wgsl"
#include "lib/quotient.wgsl"

struct Params {
  elements: u32,
#if BIAS
  channels: u32,         // of an image
#endif
  height: u32, width: u32,          // of y
  gridHeight: u32, gridWidth: u32,  // of a line of columns
  tapsY: u32, tapsX: u32,
  strideY: u32, perStrideY: f32, strideX: u32, perStrideX: f32,
  dilationY: u32, dilationX: u32,
  top: u32, left: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> columns: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
#if BIAS
@group(0) @binding(3) var<storage, read> b: array<f32>;
#endif

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>, @builtin(local_invocation_index) local: u32,
) {
  let index = linearWorkgroup(workgroup, workgroups) * 256u + local;
  if (index >= params.elements) { return; }
  let line = index / params.width;
  let plane = line / params.height;
  let row = line % params.height + params.top;
  let cell = index % params.width + params.left;
  var sum = 0.0;
  for (var u = 0u; u < params.tapsY; u++) {
    let down = row - u * params.dilationY;
    if (row < u * params.dilationY) { break; }
    let i = quotient(down, params.strideY, params.perStrideY);
    if (i >= params.gridHeight || i * params.strideY != down) { continue; }
    for (var v = 0u; v < params.tapsX; v++) {
      let across = cell - v * params.dilationX;
      if (cell < v * params.dilationX) { break; }
      let j = quotient(across, params.strideX, params.perStrideX);
      if (j >= params.gridWidth || j * params.strideX != across) { continue; }
      sum += columns[(((plane * params.tapsY + u) * params.tapsX + v) * params.gridHeight + i) * params.gridWidth + j];
    }
  }
#if BIAS
  sum += b[plane % params.channels];
#endif
  y[index] = sum;
}
