// Maximum over windows, and its gradient by gathering: each cell of the input looks at the windows that hold it and adds up the gradients of
// those that it has won. It wins where no cell of the window is greater, and none before it, in row-major order, is equal (unless
// ALL: then every maximum gets the gradient). One element of the result an invocation, x fastest.
//
// x, dx [maps, inHeight, inWidth], y, dy [maps, outHeight, outWidth]. Constants: GRADIENT, ALL.
#include "lib/pooling.wgsl"

#if GRADIENT
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> dx: array<f32>;

// Whether the cell of this value and place wins window (i, j) of the map that begins at `start`.
fn wins(value: f32, row: i32, column: i32, i: i32, j: i32, start: i32) -> bool {
  let rows = rowsOf(i);
  let columns = columnsOf(j);
  for (var r = rows.first; r < rows.end; r++) {
    for (var c = columns.first; c < columns.end; c++) {
      let other = x[start + r * params.inWidth + c];
      if (other > value) { return false; }
#if !ALL
      if (other == value && (r < row || (r == row && c < column))) { return false; }
#endif
    }
  }
  return true;
}
#else
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
#endif

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>, @builtin(local_invocation_index) local: u32,
) {
  let index = linearWorkgroup(workgroup, workgroups) * 256u + local;
  if (index >= params.count) { return; }
#if GRADIENT
  let place = placeOf(index, params.inHeight, params.inWidth);
  let value = x[index];
  let start = place.map * params.inHeight * params.inWidth;
  let down = windowsOfRow(place.row);
  let across = windowsOfColumn(place.column);
  var sum = 0.0;
  for (var i = down.first; i < down.end; i++) {
    for (var j = across.first; j < across.end; j++) {
      if (wins(value, place.row, place.column, i, j, start)) {
        sum += dy[(place.map * params.outHeight + i) * params.outWidth + j];
      }
    }
  }
  dx[index] = sum;
#else
  let place = placeOf(index, params.outHeight, params.outWidth);
  let rows = rowsOf(place.row);
  let columns = columnsOf(place.column);
  let start = place.map * params.inHeight * params.inWidth;
  var largest = x[start + rows.first * params.inWidth + columns.first];
  for (var r = rows.first; r < rows.end; r++) {
    for (var c = columns.first; c < columns.end; c++) { largest = max(largest, x[start + r * params.inWidth + c]); }
  }
  y[index] = largest;
#endif
}
