// Mean over windows, y = (sum of x over the window's cells in the map)/d, and its gradient by gathering: dx is the sum of dy/d over the windows
// that hold the cell. d counts the window's cells in the map and in the part of its padding that counts.
// One element of the result an invocation, x fastest.
//
// x, dx [maps, inHeight, inWidth], y, dy [maps, outHeight, outWidth]. Constant: GRADIENT.
#include "lib/pooling.wgsl"

#if GRADIENT
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> dx: array<f32>;
#else
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
#endif

fn rowsCounted(i: i32) -> i32 {
  let start = i * params.strideY - params.top;
  return min(start + params.kernelHeight, params.inHeight + params.countedBottom) - max(start, -params.countedTop);
}

fn columnsCounted(j: i32) -> i32 {
  let start = j * params.strideX - params.left;
  return min(start + params.kernelWidth, params.inWidth + params.countedRight) - max(start, -params.countedLeft);
}

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>, @builtin(local_invocation_index) local: u32,
) {
  let index = linearWorkgroup(workgroup, workgroups) * 256u + local;
  if (index >= params.count) { return; }
  var sum = 0.0;
#if GRADIENT
  let place = placeOf(index, params.inHeight, params.inWidth);
  let down = windowsOfRow(place.row);
  let across = windowsOfColumn(place.column);
  for (var i = down.first; i < down.end; i++) {
    let rows = rowsCounted(i);
    for (var j = across.first; j < across.end; j++) {
      sum += dy[(place.map * params.outHeight + i) * params.outWidth + j] / f32(rows * columnsCounted(j));
    }
  }
  dx[index] = sum;
#else
  let place = placeOf(index, params.outHeight, params.outWidth);
  let rows = rowsOf(place.row);
  let columns = columnsOf(place.column);
  for (var r = rows.first; r < rows.end; r++) {
    let start = (place.map * params.inHeight + r) * params.inWidth;
    for (var c = columns.first; c < columns.end; c++) { sum += x[start + c]; }
  }
  y[index] = sum / f32(rowsCounted(place.row) * columnsCounted(place.column));
#endif
}
