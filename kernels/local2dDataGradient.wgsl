// Data gradient of a locally connected layer (lib/local2d.wgsl), by gathering: dx[image, c, r, s] is the sum of w[o, i, j, c, u, v]*dy[image, o, i, j]
// over o and the windows (i, j) that hold the cell, at (u, v). An invocation computes one cell of IMAGES images; neighbouring invocations are
// neighbouring columns. Constant: IMAGES.
#include "lib/local2d.wgsl"

@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read> w: array<f32>;
@group(0) @binding(3) var<storage, read_write> dx: array<f32>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>, @builtin(local_invocation_index) local: u32,
) {
  let index = linearWorkgroup(workgroup, workgroups) * 64u + local;
  if (index >= params.count) { return; }
  let image = params.channels * params.inHeight * params.inWidth;
  let cell = i32(index) % image;
  let firstImage = i32(index) / image * i32(IMAGES);
  let place = placeOf(cell, params.inHeight, params.inWidth);
  let row = place.row + params.top;
  let column = place.column + params.left;
  let firstWindow = vec2<i32>(
    max(row - params.kernelHeight + params.strideY, 0) / params.strideY,
    max(column - params.kernelWidth + params.strideX, 0) / params.strideX,
  );
  let lastRow = min(row / params.strideY, params.outHeight - 1);
  let lastColumn = min(column / params.strideX, params.outWidth - 1);
  let features = params.outChannels * params.outHeight * params.outWidth;
  // Images beyond the last are computed like it, and not stored.
  var starts: array<i32, IMAGES>;
  for (var n = 0u; n < IMAGES; n++) { starts[n] = min(firstImage + i32(n), params.extent - 1) * features; }
  var sums: array<f32, IMAGES>;
  for (var o = 0; o < params.outChannels; o++) {
    for (var i = firstWindow.x; i <= lastRow; i++) {
      let u = row - i * params.strideY;
      for (var j = firstWindow.y; j <= lastColumn; j++) {
        let v = column - j * params.strideX;
        let feature = (o * params.outHeight + i) * params.outWidth + j;
        let weight = w[((feature * params.channels + place.plane) * params.kernelHeight + u) * params.kernelWidth + v];
        for (var n = 0u; n < IMAGES; n++) { sums[n] += weight * dy[starts[n] + feature]; }
      }
    }
  }
  for (var n = 0u; n < IMAGES; n++) {
    let at = firstImage + i32(n);
    if (at >= params.extent) { break; }
    dx[at * image + cell] = sums[n];
  }
}
