// A product of matrices for each image and copy (group, or position of Winograd's tiles): C[n][copy] = A[copy]·B[n][copy] with
// A [rows × depth], B [depth × width], C [rows × width], all row-major, A possibly transposed. The columns of all images are seen as those of one
// matrix. Of C the first `kept` columns are stored. BIAS adds b[copy][row].
#include "lib/grid.wgsl"

struct Params {
  rows: u32, depth: u32, width: u32, kept: u32,
  copies: u32,
  columns: u32,          // images × width
  rowTiles: u32, columnTiles: u32,
  // Elements from one row and place in depth to the next.
  leftRow: u32, leftDepth: u32, rightDepth: u32,
  least: f32,            // of what is stored: 0 for a ReLU
}

@group(0) @binding(0) var<uniform> params: Params;
#include "lib/matrices.wgsl"
#if BIAS
@group(0) @binding(4) var<storage, read> bias: array<f32>;
#endif

var<private> copy: u32;

fn rowOf(row: u32) -> Row { return copy * params.rows * params.depth + insideRows(row) * params.leftRow; }

fn columnOf(column: u32) -> Column {
  let inside = insideColumns(column);
  let n = inside / params.width;
  return (n * params.copies + copy) * params.depth * params.width + inside % params.width;
}

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
