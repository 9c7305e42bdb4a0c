// ∂loss/∂w of a convolution as a matrix product over all positions (n, i, j) of the batch, cut into slices: for a group
//
//   C[o][(c, u, v)] = Σ_(n, i, j) dy[n, o, i, j] · x[n, c, i·strideY + u·dilationY − top, j·strideX + v·dilationX − left]
//
// Each slice s covers positions of its own: `pieces` equal pieces make up `images` images. Each slice's sums go to
// partial[s][o][(c, u, v)], which sumSlices.wgsl adds up; with one slice in all that is the gradient itself.
#include "lib/grid.wgsl"
#include "lib/quotient.wgsl"

struct Params {
  rows: u32,             // channels of a group of dy
  columns: u32,          // channels of a group of x × taps
  positions: u32,        // of all images of the dispatch
  rowTiles: u32, columnTiles: u32,
  groups: u32,
  firstSlice: u32, slices: u32,     // of this dispatch
  pieces: u32,           // slices of a block of images
  blockPositions: u32,   // positions of a block, and of a piece of it
  piecePositions: u32,
  channels: u32,         // of a group of x
  height: u32, width: u32,
  plane: u32, perPlane: f32,        // positions of an image of dy, and 1 ÷ that
  outWidth: u32, perOutWidth: f32,
  taps: u32, tapsX: u32,
  strideY: i32, strideX: i32,
  dilationY: i32, dilationX: i32,
  top: i32, left: i32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> partial: array<f32>;

struct Row { inside: bool, channel: u32 }
struct Depth { dy: u32, image: u32, y: i32, x: i32 }
struct Column { plane: u32, y: i32, x: i32 }

var<private> group: u32;
var<private> slice: u32;

fn rowOf(row: u32) -> Row {
  return Row(row < params.rows, (group * params.rows + row) * params.plane);
}

fn depthOf(k: u32) -> Depth {
  let n = quotient(k, params.plane, params.perPlane);
  let position = k - n * params.plane;
  let i = quotient(position, params.outWidth, params.perOutWidth);
  let j = position - i * params.outWidth;
  return Depth(
    n * params.groups * params.rows * params.plane + position,
    n * params.groups * params.channels * params.height * params.width,
    i32(i) * params.strideY - params.top,
    i32(j) * params.strideX - params.left,
  );
}

fn columnOf(column: u32) -> Column {
  // Beyond the last column everything is outside the image.
  if (column >= params.columns) { return Column(0u, -0x40000000, 0); }
  let tap = column % params.taps;
  return Column(
    (group * params.channels + column / params.taps) * params.height * params.width,
    i32(tap / params.tapsX) * params.dilationY,
    i32(tap % params.tapsX) * params.dilationX,
  );
}

fn loadA(row: Row, k: Depth) -> f32 {
  if (!row.inside) { return 0.0; }
  return dy[row.channel + k.dy];
}

fn loadB(k: Depth, column: Column) -> f32 {
  // As unsigned numbers, negative coordinates lie beyond the image too.
  let line = u32(column.y + k.y);
  let cell = u32(column.x + k.x);
  if (line >= params.height || cell >= params.width) { return 0.0; }
  return x[k.image + column.plane + line * params.width + cell];
}

fn storeC(row: u32, column: u32, sum: f32) {
  if (row >= params.rows || column >= params.columns) { return; }
  partial[((slice * params.groups + group) * params.rows + row) * params.columns + column] = sum;
}

#include "lib/gemm.wgsl"

@compute @workgroup_size(INVOCATIONS)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>, @builtin(local_invocation_index) local: u32,
) {
  let index = linearWorkgroup(workgroup, workgroups);
  let tiles = params.rowTiles * params.columnTiles;
  let copy = index / tiles;
  if (copy >= params.groups * params.slices) { return; }
  let tile = index % tiles;
  let part = copy / params.groups;
  group = copy % params.groups;
  slice = params.firstSlice + part;
  let block = part / params.pieces * params.blockPositions;
  let first = min(params.positions, block + part % params.pieces * params.piecePositions);
  let last = min(params.positions, min(first + params.piecePositions, block + params.blockPositions));
  multiplyTile(tile % params.rowTiles * TILE_ROWS, tile / params.rowTiles * TILE_COLUMNS, first, last, local);
}
