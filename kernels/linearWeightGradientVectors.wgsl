// ∂loss/∂w of a fully connected layer for few images, dw[o, k] = Σ_n dy[n, o] · x[n, k], bound by writing dw: an invocation keeps one piece of
// each image of x and writes it, times dy, to eight rows o. BATCH is the number of images, rounded up.
#include "lib/grid.wgsl"
#include "lib/pieces.wgsl"

struct Params {
  rows: u32, firstRow: u32,   // of dw, in this dispatch
  pieces: u32,                // of a row
  images: u32,
  features: u32,              // of an image of dy
  blocks: u32,                // workgroups to a row
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<Piece>;
@group(0) @binding(3) var<storage, read_write> dw: array<Piece>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>, @builtin(local_invocation_index) local: u32,
) {
  let index = linearWorkgroup(workgroup, workgroups);
  let first = index / params.blocks * 8u;
  let k = index % params.blocks * 64u + local;
  if (first >= params.rows || k >= params.pieces) { return; }
  // Beyond the last image nothing is added.
#for n BATCH
  let image$n = min($nu, params.images - 1u);
  let x$n = x[image$n * params.pieces + k] * select(0.0, 1.0, $nu < params.images);
#endfor
  for (var row = first; row < min(first + 8u, params.rows); row++) {
    let feature = params.firstRow + row;
    var sum = Piece();
#for n BATCH
    sum += dy[image$n * params.features + feature] * x$n;
#endfor
    dw[row * params.pieces + k] = sum;
  }
}
