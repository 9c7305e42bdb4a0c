// Sizes of a locally connected layer, in which every output position has kernels of its own:
//
//   y[image, o, i, j] = bias[o, i, j] + sum over c, u, v of w[o, i, j, c, u, v]*x[image, c, i*strideY + u - top, j*strideX + v - left]
//
// x [images, channels, inHeight, inWidth], y [images, outChannels, outHeight, outWidth], w [outChannels, outHeight, outWidth, channels, kernelHeight,
// kernelWidth], bias [outChannels, outHeight, outWidth]; cells outside the image read as zero.
#include "lib/grid.wgsl"

// count: invocations. extent: along the dimension that the step is cut at (images, or output channels), what the dispatch has of it.
// first: where that begins.
struct Params {
  count: u32, extent: i32, first: i32, images: i32, channels: i32, inHeight: i32, inWidth: i32,
  outChannels: i32, outHeight: i32, outWidth: i32, kernelHeight: i32, kernelWidth: i32, strideY: i32, strideX: i32, top: i32, left: i32,
}

@group(0) @binding(0) var<uniform> params: Params;

// Where element `index` of the last three dimensions [count, height, width] is.
struct Place { plane: i32, row: i32, column: i32 }

fn placeOf(index: i32, height: i32, width: i32) -> Place {
  let line = index / width;
  return Place(line / height, line % height, index % width);
}
