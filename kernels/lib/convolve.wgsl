// Convolution as an implicit matrix product: for a group, C[o][(n, i, j)] = Σ_(c, u, v) w[o][(c, u, v)]·x[(c, u, v)][(n, i, j)], where
// column (n, i, j) of the right matrix is read from the image as it is needed:
//
//   y[n, o, i·outStepY + outY, j·outStepX + outX] = b[o] + Σ w[o, c, u, v] · x[n, c, i·strideY + baseY + u·stepY, j·strideX + baseX + v·stepX]
//
// Cells outside the image read as zero. A forward convolution has one grid (i, j), that of its outputs, with base −padding and
// step dilation. The data gradient has one for each phase of the stride, with the taps that reach it: see lower/conv2d.ts.
// The left matrix lies [group][row][c, u, v]; A_WIDE: it is read by fours. The depth is cut into slices with sums of their own, for sumSlices.wgsl to add
// up; with one slice in all they are the result. BIAS and least: what is done to the sum.
#include "lib/grid.wgsl"
#include "lib/quotient.wgsl"

struct Params {
  rows: u32,             // channels of a group of y
  columns: u32,          // images × grid positions
  depth: u32,            // channels × taps
  rowTiles: u32, columnTiles: u32,
  groups: u32,
  channels: u32,         // of a group of x
  height: u32, width: u32,          // of x
  outHeight: u32, outWidth: u32,    // of y
  gridHeight: u32, gridWidth: u32,
  taps: u32, perTaps: f32,          // of the kernel, and 1 ÷ that
  tapsX: u32, perTapsX: f32,
  strideY: i32, strideX: i32,
  baseY: i32, baseX: i32,
  stepY: i32, stepX: i32,
  outStepY: u32, outStepX: u32,
  outY: u32, outX: u32,
  slices: u32, sliceDepth: u32, sliceElements: u32,
  least: f32,            // of what is stored: 0 for a ReLU
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
#if A_WIDE
@group(0) @binding(2) var<storage, read> w: array<vec4<f32>>;
#else
@group(0) @binding(2) var<storage, read> w: array<f32>;
#endif
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
#if BIAS
@group(0) @binding(4) var<storage, read> b: array<f32>;
#endif

alias Row = u32;
struct Depth { k: u32, plane: u32, y: i32, x: i32 }
struct Column { image: u32, y: i32, x: i32 }

var<private> group: u32;
var<private> slice: u32;

// Beyond the last row the last one is read again.
fn rowOf(row: u32) -> Row { return (group * params.rows + min(row, params.rows - 1u)) * params.depth; }

fn depthOf(k: u32) -> Depth {
  let c = quotient(k, params.taps, params.perTaps);
  let tap = k - c * params.taps;
  let u = quotient(tap, params.tapsX, params.perTapsX);
  let v = tap - u * params.tapsX;
  return Depth(k, c * params.height * params.width, i32(u) * params.stepY, i32(v) * params.stepX);
}

fn columnOf(column: u32) -> Column {
  // Beyond the last column everything is outside the image.
  if (column >= params.columns) { return Column(0u, -0x40000000, 0); }
  let positions = params.gridHeight * params.gridWidth;
  let n = column / positions;
  let position = column % positions;
  return Column(
    (n * params.groups + group) * params.channels * params.height * params.width,
    i32(position / params.gridWidth) * params.strideY + params.baseY,
    i32(position % params.gridWidth) * params.strideX + params.baseX,
  );
}

#if A_WIDE
fn loadA4(row: Row, k: u32) -> vec4<f32> { return w[(row + k) / 4u]; }
#else
fn loadA(row: Row, k: Depth) -> f32 { return w[row + k.k]; }
#endif

fn loadB(k: Depth, column: Column) -> f32 {
  // As unsigned numbers, negative coordinates lie beyond the image too.
  let line = u32(column.y + k.y);
  let cell = u32(column.x + k.x);
  if (line >= params.height || cell >= params.width) { return 0.0; }
  return x[column.image + k.plane + line * params.width + cell];
}

fn storeC(row: u32, column: u32, sum: f32) {
  if (row >= params.rows || column >= params.columns) { return; }
  let positions = params.gridHeight * params.gridWidth;
  let n = column / positions;
  let position = column % positions;
  let i = position / params.gridWidth * params.outStepY + params.outY;
  let j = position % params.gridWidth * params.outStepX + params.outX;
  let channel = group * params.rows + row;
  var value = sum;
#if BIAS
  value += b[channel];
#endif
  y[slice * params.sliceElements + ((n * params.groups * params.rows + channel) * params.outHeight + i) * params.outWidth + j] = max(value, params.least);
}

#include "lib/gemm.wgsl"

@compute @workgroup_size(INVOCATIONS)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>, @builtin(local_invocation_index) local: u32,
) {
  // Tiles of the same pixels come one after another, so that they find them in the cache.
  let index = linearWorkgroup(workgroup, workgroups);
  let tiles = params.rowTiles * params.columnTiles;
  let copy = index / tiles;
  if (copy >= params.groups * params.slices) { return; }
  group = copy % params.groups;
  let part = copy / params.groups;
  slice = part;
  let tile = index % tiles;
  let first = min(params.depth, part * params.sliceDepth);
  let last = min(params.depth, first + params.sliceDepth);
  multiplyTile(tile % params.rowTiles * TILE_ROWS, tile / params.rowTiles * TILE_COLUMNS, first, last, local);
}
