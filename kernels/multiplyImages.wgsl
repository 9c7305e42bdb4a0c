// A product of matrices for each image and copy (group, or position of Winograd's tiles): C[n][copy] = A[copy]·B[n][copy] with
// A [rows × depth], B [depth × width], C [rows × width], all row-major (A transposed without A_ALONG_K). The columns of all images are seen as those of one matrix.
// Of C the first `kept` columns are stored. A_WIDE, B_WIDE: a matrix is read by fours. BIAS adds b[copy][row].
#include "lib/grid.wgsl"

struct Params {
  rows: u32, depth: u32, width: u32, kept: u32,
  copies: u32,
  columns: u32,          // images × width
  rowTiles: u32, columnTiles: u32,
  least: f32,            // of what is stored: 0 for a ReLU
}

@group(0) @binding(0) var<uniform> params: Params;
#if A_WIDE
@group(0) @binding(1) var<storage, read> left: array<vec4<f32>>;
#else
@group(0) @binding(1) var<storage, read> left: array<f32>;
#endif
#if B_WIDE
@group(0) @binding(2) var<storage, read> right: array<vec4<f32>>;
#else
@group(0) @binding(2) var<storage, read> right: array<f32>;
#endif
@group(0) @binding(3) var<storage, read_write> product: array<f32>;
#if BIAS
@group(0) @binding(4) var<storage, read> bias: array<f32>;
#endif

alias Row = u32;
alias Depth = u32;
alias Column = u32;

var<private> copy: u32;

// Beyond the last row or column the last one is read again, or the last four that are read at once.
fn lastOf(extent: u32, across: bool) -> u32 { return extent - select(1u, 4u, across); }

fn rowOf(row: u32) -> Row {
  return copy * params.rows * params.depth + min(row, lastOf(params.rows, A_WIDE && !A_ALONG_K)) * select(1u, params.depth, A_ALONG_K);
}

fn depthOf(k: u32) -> Depth { return k; }

fn columnOf(column: u32) -> Column {
  let inside = min(column, lastOf(params.columns, B_WIDE));
  let n = inside / params.width;
  return (n * params.copies + copy) * params.depth * params.width + inside % params.width;
}

fn placeInA(row: Row, k: u32) -> u32 { return row + k * select(params.rows, 1u, A_ALONG_K); }
#if A_WIDE
fn loadA4(row: Row, k: u32) -> vec4<f32> { return left[placeInA(row, k) / 4u]; }
#else
fn loadA(row: Row, k: Depth) -> f32 { return left[placeInA(row, k)]; }
#endif

#if B_WIDE
fn loadB4(k: u32, column: Column) -> vec4<f32> { return right[(column + k * params.width) / 4u]; }
#else
fn loadB(k: Depth, column: Column) -> f32 { return right[column + k * params.width]; }
#endif

fn storeC(row: u32, column: u32, sum: f32) {
  if (row >= params.rows || column >= params.columns) { return; }
  let n = column / params.width;
  let place = column % params.width;
  if (place >= params.kept) { return; }
  var value = sum;
#if BIAS
  value += bias[copy * params.rows + row];
#endif
  product[((n * params.copies + copy) * params.rows + row) * params.kept + place] = max(value, params.least);
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
