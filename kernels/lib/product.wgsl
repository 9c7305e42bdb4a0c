// C[m][n] = Σ_k A[m][k]·B[k][n], each matrix row-major or transposed, as its strides say. A dispatch may have some of the rows, of the
// columns or of the depth; in the last case it adds to what the one before it left. The depth is cut into slices, each of which has
// sums of its own, for sumSlices.wgsl to add up; with one slice in all they are the product.
// A_WIDE, B_WIDE, INT16: how the matrices are read, see lib/matrices.wgsl. SCALE, BIAS, least: what is done to the sum, see lib/affine.wgsl.
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
#include "lib/matrices.wgsl"
const affineBinding = 4u;
#include "lib/affine.wgsl"

var<private> slice: u32;

fn rowOf(row: u32) -> Row { return params.leftFirst + insideRows(row) * params.leftRow; }

fn columnOf(column: u32) -> Column { return params.rightFirst + insideColumns(column) * params.rightColumn; }

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
