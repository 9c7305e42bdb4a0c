// Weight gradient of a locally connected layer (lib/local2d.wgsl): dw[o, i, j, c, u, v] is the sum of dy[image, o, i, j]*x[image, c, ...] over the
// images. An invocation computes one weight of OUTPUTS output channels, so that a cell of x is read once for all of them; neighbouring
// invocations are neighbouring weights of a position. Constant: OUTPUTS.
#include "lib/local2d.wgsl"

@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> dw: array<f32>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>, @builtin(local_invocation_index) local: u32,
) {
  let index = linearWorkgroup(workgroup, workgroups) * 64u + local;
  if (index >= params.count) { return; }
  let taps = params.channels * params.kernelHeight * params.kernelWidth;
  let positions = params.outHeight * params.outWidth;
  // The weight among those of one output channel, and its position.
  let weight = i32(index) % (positions * taps);
  let position = weight / taps;
  let firstOutput = i32(index) / (positions * taps) * i32(OUTPUTS);
  let tap = placeOf(weight % taps, params.kernelHeight, params.kernelWidth);
  let row = position / params.outWidth * params.strideY + tap.row - params.top;
  let column = position % params.outWidth * params.strideX + tap.column - params.left;
  var sums: array<f32, OUTPUTS>;
  if (row >= 0 && row < params.inHeight && column >= 0 && column < params.inWidth) {
    // Output channels beyond the last are computed like it, and not stored.
    var starts: array<i32, OUTPUTS>;
    for (var o = 0u; o < OUTPUTS; o++) {
      starts[o] = (params.first + min(firstOutput + i32(o), params.extent - 1)) * positions + position;
    }
    for (var n = 0; n < params.images; n++) {
      let value = x[((n * params.channels + tap.plane) * params.inHeight + row) * params.inWidth + column];
      let features = n * params.outChannels * positions;
      for (var o = 0u; o < OUTPUTS; o++) { sums[o] += value * dy[features + starts[o]]; }
    }
  }
  for (var o = 0u; o < OUTPUTS; o++) {
    let at = firstOutput + i32(o);
    if (at >= params.extent) { break; }
    dw[at * positions * taps + weight] = sums[o];
  }
}
