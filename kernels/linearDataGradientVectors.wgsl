// ∂loss/∂x of a fully connected layer for few images, dx[n, k] = Σ_o dy[n, o] · w[o, k], bound by reading w once: an invocation has one piece of
// the columns k, and walks down a slice of the rows o. Each slice's sums go to partial[slice][n][k], which sumSlices.wgsl adds up;
// a dispatch with some of the rows adds to what the one before it left. BATCH is the number of images, rounded up.
#include "lib/grid.wgsl"
#include "lib/pieces.wgsl"

struct Params {
  rows: u32, firstRow: u32,   // of w, in this dispatch
  pieces: u32,                // of a row
  images: u32,
  features: u32,              // of an image of dy
  blocks: u32,                // workgroups to a row
  slices: u32, sliceRows: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read> w: array<Piece>;
@group(0) @binding(3) var<storage, read_write> partial: array<Piece>;

// Rows that are under way at a time.
const AHEAD = 4u;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>, @builtin(local_invocation_index) local: u32,
) {
  let index = linearWorkgroup(workgroup, workgroups);
  let slice = index / params.blocks;
  let k = index % params.blocks * 64u + local;
  if (slice >= params.slices || k >= params.pieces) { return; }
  let first = min(params.rows, slice * params.sliceRows);
  let last = min(params.rows, first + params.sliceRows);
  var sums: array<Piece, BATCH>;
  for (var o = first; o < last; o += AHEAD) {
    var weights: array<Piece, AHEAD>;
    for (var i = 0u; i < AHEAD; i++) { weights[i] = w[min(o + i, last - 1u) * params.pieces + k]; }
    for (var i = 0u; i < AHEAD; i++) {
      for (var n = 0u; n < BATCH; n++) {
        let factor = dy[min(n, params.images - 1u) * params.features + params.firstRow + min(o + i, last - 1u)];
        sums[n] += select(0.0, factor, o + i < last) * weights[i];
      }
    }
  }
  for (var n = 0u; n < BATCH; n++) {
    if (n >= params.images) { break; }
    let i = (slice * params.images + n) * params.pieces + k;
    if (params.firstRow > 0u) { sums[n] += partial[i]; }
    partial[i] = sums[n];
  }
}
