// Locally connected layer: see lib/local2d.wgsl for the formula. An invocation computes one output (o, i, j), whose weights are one row of w, of
// IMAGES images, so that a weight is read once for all of them; neighbouring invocations are neighbouring columns. Constants: IMAGES, BIAS.
#include "lib/local2d.wgsl"

@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> w: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
#if BIAS
@group(0) @binding(4) var<storage, read> bias: array<f32>;
#endif

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>, @builtin(local_invocation_index) local: u32,
) {
  let index = linearWorkgroup(workgroup, workgroups) * 64u + local;
  if (index >= params.count) { return; }
  let features = params.outChannels * params.outHeight * params.outWidth;
  let feature = i32(index) % features;
  let firstImage = i32(index) / features * i32(IMAGES);
  let place = placeOf(feature, params.outHeight, params.outWidth);
  let firstRow = place.row * params.strideY - params.top;
  let firstColumn = place.column * params.strideX - params.left;
  let rows = min(params.kernelHeight, params.inHeight - firstRow);
  let columns = min(params.kernelWidth, params.inWidth - firstColumn);
  let image = params.channels * params.inHeight * params.inWidth;
  // Images beyond the last are computed like it, and not stored.
  var starts: array<i32, IMAGES>;
  for (var n = 0u; n < IMAGES; n++) { starts[n] = min(firstImage + i32(n), params.extent - 1) * image; }
  var sums: array<f32, IMAGES>;
  for (var c = 0; c < params.channels; c++) {
    for (var u = max(0, -firstRow); u < rows; u++) {
      let cells = (c * params.inHeight + firstRow + u) * params.inWidth + firstColumn;
      let weights = ((feature * params.channels + c) * params.kernelHeight + u) * params.kernelWidth;
      for (var v = max(0, -firstColumn); v < columns; v++) {
        let weight = w[weights + v];
        for (var n = 0u; n < IMAGES; n++) { sums[n] += weight * x[starts[n] + cells + v]; }
      }
    }
  }
  for (var n = 0u; n < IMAGES; n++) {
    let at = firstImage + i32(n);
    if (at >= params.extent) { break; }
#if BIAS
    sums[n] += bias[feature];
#endif
    y[at * features + feature] = sums[n];
  }
}
