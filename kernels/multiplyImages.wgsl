// A product of matrices for each image and copy (group, or position of Winograd's tiles): C[n][copy] = A[copy]·B[n][copy] with
// A [rows × depth], B [depth × width], C [rows × width], all row-major (A transposed without A_ALONG_K). The columns of all images are seen as those of one matrix.
// BIAS adds b[copy][row].
#include "lib/grid.wgsl"

struct Params {
  rows: u32, depth: u32, width: u32,
  copies: u32,
  columns: u32,          // images × width
  rowTiles: u32, columnTiles: u32,
  least: f32,            // of what is stored: 0 for a ReLU
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> left: array<f32>;
@group(0) @binding(2) var<storage, read> right: array<f32>;
@group(0) @binding(3) var<storage, read_write> product: array<f32>;
#if BIAS
@group(0) @binding(4) var<storage, read> bias: array<f32>;
#endif

const B_ALONG_K = false;

struct Place { inside: bool, first: u32 }
alias Row = Place;
alias Depth = u32;
alias Column = Place;

var<private> copy: u32;

fn rowOf(row: u32) -> Row {
  let first = copy * params.rows * params.depth;
  return Row(row < params.rows, first + row * select(1u, params.depth, A_ALONG_K));
}

fn depthOf(k: u32) -> Depth { return k; }

fn columnOf(column: u32) -> Column {
  let n = column / params.width;
  return Column(column < params.columns, (n * params.copies + copy) * params.depth * params.width + column % params.width);
}

fn loadA(row: Row, k: Depth) -> f32 {
  if (!row.inside) { return 0.0; }
  return left[row.first + k * select(params.rows, 1u, A_ALONG_K)];
}

fn loadB(k: Depth, column: Column) -> f32 {
  if (!column.inside) { return 0.0; }
  return right[column.first + k * params.width];
}

fn storeC(row: u32, column: u32, sum: f32) {
  if (row >= params.rows || column >= params.columns) { return; }
  let n = column / params.width;
  var value = sum;
#if BIAS
  value += bias[copy * params.rows + row];
#endif
  product[((n * params.copies + copy) * params.rows + row) * params.width + column % params.width] = max(value, params.least);
}

#include "lib/gemm.wgsl"

@compute @workgroup_size(INVOCATIONS)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>, @builtin(local_invocation_index) local: u32,
) {
  let index = linearWorkgroup(workgroup, workgroups);
  let tiles = params.rowTiles * params.columnTiles;
  if (index >= tiles * params.copies) { return; }
  copy = index / tiles;
  let tile = index % tiles;
  multiplyTile(tile % params.rowTiles * TILE_ROWS, tile / params.rowTiles * TILE_COLUMNS, 0u, params.depth, local);
}
