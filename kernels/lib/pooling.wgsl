// Windows that max and average pooling move over each map: window (i, j) starts at row i*strideY - top and column j*strideX - left, and has
// kernelHeight x kernelWidth cells, of which those in the map are looked at.
#include "lib/grid.wgsl"

// count: invocations, one for each element of the result. counted...: cells of the padding on each side that a mean is divided by.
struct Params {
  count: u32, inHeight: i32, inWidth: i32, outHeight: i32, outWidth: i32, kernelHeight: i32, kernelWidth: i32,
  strideY: i32, strideX: i32, top: i32, left: i32,
  countedTop: i32, countedLeft: i32, countedBottom: i32, countedRight: i32,
}

@group(0) @binding(0) var<uniform> params: Params;

// First of a range, and the one after its last.
struct Range { first: i32, end: i32 }

// Rows (columns) of window i that are in the map.
fn rowsOf(i: i32) -> Range {
  let start = i * params.strideY - params.top;
  return Range(max(start, 0), min(start + params.kernelHeight, params.inHeight));
}

fn columnsOf(j: i32) -> Range {
  let start = j * params.strideX - params.left;
  return Range(max(start, 0), min(start + params.kernelWidth, params.inWidth));
}

// Windows along an axis that hold the cell `place` places after the start of the first window.
fn holding(place: i32, kernel: i32, stride: i32, windows: i32) -> Range {
  return Range(max(place - kernel + stride, 0) / stride, min(place / stride + 1, windows));
}

fn windowsOfRow(row: i32) -> Range {
  return holding(row + params.top, params.kernelHeight, params.strideY, params.outHeight);
}

fn windowsOfColumn(column: i32) -> Range {
  return holding(column + params.left, params.kernelWidth, params.strideX, params.outWidth);
}

// Where element `index` of tensors [maps, height, width] is.
struct Place { map: i32, row: i32, column: i32 }

fn placeOf(index: u32, height: i32, width: i32) -> Place {
  let line = index / u32(width);
  let map = line / u32(height);
  return Place(i32(map), i32(line - map * u32(height)), i32(index - line * u32(width)));
}
