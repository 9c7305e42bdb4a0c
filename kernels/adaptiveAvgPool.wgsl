// Mean over windows that divide a map into rows x columns: window i of n along an axis of extent L holds the cells
// floor(i*L/n) ... ceil((i + 1)*L/n) - 1. The gradient gathers: dx is the sum of dy/(cells of the window) over the windows that hold the cell,
// which are those from floor(r*n/L) to ceil((r + 1)*n/L) - 1: the same rule with n and L exchanged. One element of the result an invocation.
//
// x, dx [maps, height, width], y, dy [maps, rows, columns]. count: elements of the result. Constant: GRADIENT.
#include "lib/grid.wgsl"

struct Params { count: u32, height: u32, width: u32, rows: u32, columns: u32 }

@group(0) @binding(0) var<uniform> params: Params;
#if GRADIENT
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> dx: array<f32>;
#else
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
#endif

struct Span { first: u32, end: u32 }

// Cells of window i of `count` along an axis of `extent`.
fn span(i: u32, count: u32, extent: u32) -> Span { return Span(i * extent / count, ((i + 1u) * extent + count - 1u) / count); }

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>, @builtin(local_invocation_index) local: u32,
) {
  let index = linearWorkgroup(workgroup, workgroups) * 256u + local;
  if (index >= params.count) { return; }
  var sum = 0.0;
#if GRADIENT
  let line = index / params.width;
  let map = line / params.height;
  let down = span(line % params.height, params.height, params.rows);
  let across = span(index % params.width, params.width, params.columns);
  for (var i = down.first; i < down.end; i++) {
    let rows = span(i, params.rows, params.height);
    for (var j = across.first; j < across.end; j++) {
      let columns = span(j, params.columns, params.width);
      let cells = (rows.end - rows.first) * (columns.end - columns.first);
      sum += dy[(map * params.rows + i) * params.columns + j] / f32(cells);
    }
  }
  dx[index] = sum;
#else
  let line = index / params.columns;
  let map = line / params.rows;
  let rows = span(line % params.rows, params.rows, params.height);
  let columns = span(index % params.columns, params.columns, params.width);
  for (var r = rows.first; r < rows.end; r++) {
    for (var c = columns.first; c < columns.end; c++) { sum += x[(map * params.height + r) * params.width + c]; }
  }
  y[index] = sum / f32((rows.end - rows.first) * (columns.end - columns.first));
#endif
}
