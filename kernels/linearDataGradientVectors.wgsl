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
#for n BATCH
  let image$n = min($nu, params.images - 1u) * params.features + params.firstRow;
  var sum$n = Piece();
#endfor
  // Four rows are under way at a time; beyond the last one it is read again, and counts for nothing.
  for (var o = first; o < last; o += 4u) {
#for i 4
    let row$i = min(o + $iu, last - 1u);
    let w$i = w[row$i * params.pieces + k] * select(0.0, 1.0, o + $iu < last);
#endfor
#for n BATCH
    sum$n += dy[image$n + row0] * w0 + dy[image$n + row1] * w1 + dy[image$n + row2] * w2 + dy[image$n + row3] * w3;
#endfor
  }
  let place = slice * params.images * params.pieces + k;
#for n BATCH
  if ($nu < params.images) {
    let i = place + $nu * params.pieces;
    if (params.firstRow > 0u) { sum$n += partial[i]; }
    partial[i] = sum$n;
  }
#endfor
}
