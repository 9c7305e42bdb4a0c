// A fully connected layer for few images, y[n, o] = b[o] + Σ_k w[o, k] · x[n, k], bound by reading w once: four rows of w a workgroup. Each
// invocation adds every 64th piece of the rows, then a tree adds their sums, or with SUBGROUPS the adapter's subgroups do (as in
// lib/lanes.wgsl). BATCH is the number of images, rounded up.
// INT16: w holds pairs of int16. SCALE, BIAS, least: what is done to the sum, see lib/affine.wgsl.
#include "lib/grid.wgsl"
#include "lib/pieces.wgsl"
#if SUBGROUPS
#include "lib/subgroup.wgsl"
#endif

struct Params {
  rows: u32, firstRow: u32,   // of w, in this dispatch
  pieces: u32,                // of a row
  images: u32,
  features: u32,              // of an image of y
  least: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Piece>;
#if INT16 && WIDE
@group(0) @binding(2) var<storage, read> w: array<vec2<u32>>;
#elif INT16
@group(0) @binding(2) var<storage, read> w: array<u32>;
#else
@group(0) @binding(2) var<storage, read> w: array<Piece>;
#endif
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
const affineBinding = 4u;
#include "lib/affine.wgsl"

#if INT16
#include "lib/int16.wgsl"
#endif

fn weights(i: u32) -> Piece {
#if INT16 && WIDE
  return fourOf(w[i]);
#elif INT16
  return int16(w[i / 2u], i % 2u);
#else
  return w[i];
#endif
}

fn store(n: u32, row: u32, i: u32, sums: vec4<f32>) {
  if (n >= params.images || row + i >= params.rows) { return; }
  let feature = params.firstRow + row + i;
  y[n * params.features + feature] = affine(sums[i], feature);
}

const LANES = 64u;
// Of an image and four rows.
var<workgroup> own: array<vec4<f32>, BATCH * LANES>;

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>, @builtin(local_invocation_index) local: u32,
) {
  let row = 4u * linearWorkgroup(workgroup, workgroups);
  if (row >= params.rows) { return; }
  // Beyond the last row or image the last one is read again.
#for i 4
  let row$i = min(row + $iu, params.rows - 1u) * params.pieces;
#endfor
#for n BATCH
  let image$n = min($nu, params.images - 1u) * params.pieces;
  var sum$n = vec4<f32>();
#endfor
  for (var k = local; k < params.pieces; k += LANES) {
#for i 4
    let w$i = weights(row$i + k);
#endfor
#for n BATCH
    let x$n = x[image$n + k];
    sum$n += vec4<f32>(sumOf(w0 * x$n), sumOf(w1 * x$n), sumOf(w2 * x$n), sumOf(w3 * x$n));
#endfor
  }
#if SUBGROUPS
  let place = placeInSubgroup();
#for n BATCH
  let share$n = subgroupAdd(sum$n);
  own[$nu * LANES + local] = select(vec4<f32>(), share$n, place.rank == 0u);
#endfor
  workgroupBarrier();
#for n BATCH
  var shares$n = vec4<f32>();
  for (var i = place.rank; i < LANES; i += place.count) { shares$n += own[$nu * LANES + i]; }
  let all$n = subgroupAdd(shares$n);
  if (local < 4u) { store($nu, row, local, all$n); }
#endfor
#else
#for n BATCH
  own[$nu * LANES + local] = sum$n;
#endfor
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (local < half) {
      for (var i = local; i < BATCH * LANES; i += LANES) { own[i] += own[i + half]; }
    }
  }
  workgroupBarrier();
  if (local < 4u * BATCH) { store(local / 4u, row, local % 4u, own[local / 4u * LANES]); }
#endif
}
