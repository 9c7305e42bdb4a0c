// C[m][n] = Σ_k A[m][k]·B[k][n], each matrix row-major or transposed, as its strides say. A dispatch may have some of the rows, of the
// columns or of the depth; in the last case it adds to what the one before it left. The depth is cut into slices, each of which has
// sums of its own, for sumSlices.wgsl to add up; with one slice in all they are the product.
// A_WIDE, B_WIDE: a matrix is read by fours. INT16: B holds pairs of int16. SCALE, BIAS, least: what is done to the sum, see lib/affine.wgsl.
#include "lib/grid.wgsl"

struct Params {
  rows: u32, columns: u32, depth: u32,
  rowTiles: u32, columnTiles: u32,
  slices: u32, sliceDepth: u32,
  // Elements from one row, column and place in depth to the next, and to the first.
  leftRow: u32, leftDepth: u32, leftFirst: u32,
  rightColumn: u32, rightDepth: u32, rightFirst: u32,
  productSlice: u32, productRow: u32, productFirst: u32,
  firstColumn: u32,      // of this dispatch, in factors and biases
  adds: u32,             // whether to add to what is there
  least: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
#if A_WIDE
@group(0) @binding(1) var<storage, read> left: array<vec4<f32>>;
#else
@group(0) @binding(1) var<storage, read> left: array<f32>;
#endif
#if INT16 && B_WIDE
@group(0) @binding(2) var<storage, read> right: array<vec2<u32>>;
#elif INT16
@group(0) @binding(2) var<storage, read> right: array<u32>;
#elif B_WIDE
@group(0) @binding(2) var<storage, read> right: array<vec4<f32>>;
#else
@group(0) @binding(2) var<storage, read> right: array<f32>;
#endif
@group(0) @binding(3) var<storage, read_write> product: array<f32>;
const affineBinding = 4u;
#include "lib/affine.wgsl"

alias Row = u32;
alias Depth = u32;
alias Column = u32;

var<private> slice: u32;

// Beyond the last row or column the last one is read again, or the last four that are read at once.
fn lastOf(extent: u32, across: bool) -> u32 { return extent - select(1u, 4u, across); }

fn rowOf(row: u32) -> Row {
  return params.leftFirst + min(row, lastOf(params.rows, A_WIDE && !A_ALONG_K)) * params.leftRow;
}

fn depthOf(k: u32) -> Depth { return k; }

fn columnOf(column: u32) -> Column {
  return params.rightFirst + min(column, lastOf(params.columns, B_WIDE && !B_ALONG_K)) * params.rightColumn;
}

#if A_WIDE
fn loadA4(row: Row, k: u32) -> vec4<f32> { return left[(row + k * params.leftDepth) / 4u]; }
#else
fn loadA(row: Row, k: Depth) -> f32 { return left[row + k * params.leftDepth]; }
#endif

#if INT16
fn int16(words: u32, half: u32) -> f32 { return f32(extractBits(bitcast<i32>(words), 16u * half, 16u)); }
#endif

#if B_WIDE
fn loadB4(k: u32, column: Column) -> vec4<f32> {
  let four = right[(column + k * params.rightDepth) / 4u];
#if INT16
  return vec4<f32>(int16(four.x, 0u), int16(four.x, 1u), int16(four.y, 0u), int16(four.y, 1u));
#else
  return four;
#endif
}
#else
fn loadB(k: Depth, column: Column) -> f32 {
  let i = column + k * params.rightDepth;
#if INT16
  return int16(right[i / 2u], i % 2u);
#else
  return right[i];
#endif
}
#endif

fn storeC(row: u32, column: u32, sum: f32) {
  if (row >= params.rows || column >= params.columns) { return; }
  let i = slice * params.productSlice + params.productFirst + row * params.productRow + column;
  var value = sum;
  if (params.adds != 0u) { value += product[i]; }
  product[i] = affine(value, params.firstColumn + column);
}

#include "lib/gemm.wgsl"

@compute @workgroup_size(INVOCATIONS)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>, @builtin(local_invocation_index) local: u32,
) {
  let index = linearWorkgroup(workgroup, workgroups);
  let tiles = params.rowTiles * params.columnTiles;
  if (index >= tiles * params.slices) { return; }
  let part = index / tiles;
  slice = part;
  let tile = index % tiles;
  let first = min(params.depth, part * params.sliceDepth);
  let last = min(params.depth, first + params.sliceDepth);
  multiplyTile(tile % params.rowTiles * TILE_ROWS, tile / params.rowTiles * TILE_COLUMNS, first, last, local);
}
