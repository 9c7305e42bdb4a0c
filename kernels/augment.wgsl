// From stored images to what a network reads, for one channel of all images: y = ((d + colour) + noise*z)*scale with d = x - mean of the pixel that
// lands in the cell, 0 outside the image (unless EDGE: then the edge's pixel). z*sqrt(87380) is the sum of the 16 bytes of the element's Philox
// block, less 2040: an integer. One cell an invocation, columns fastest; what was drawn for the image stands in `placements`.
//
// firstImage: of the batch, where the dispatch's results begin; firstPixels: the same among the images that are bound. channel: of the result;
// source: of the image. Constants: BYTES (u8 images, else f32), EDGE; COLOUR, NOISE and MEAN: bindings of offsets [images, channels], of seed and
// step, and of a mean image, which is read where the crop was cut, or where CENTRE its centre, from meanStart on; 0 where there are none.
#include "lib/grid.wgsl"
#if NOISE
#include "lib/philox.wgsl"
#endif

struct Params {
  count: u32, firstImage: u32, firstPixels: u32, channels: u32, channel: u32, source: u32,
  inHeight: i32, inWidth: i32, outHeight: i32, outWidth: i32,
  mean: f32, scale: f32, meanHeight: i32, meanWidth: i32, meanStart: i32, noise: f32, noiseStream: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
#if BYTES
@group(0) @binding(1) var<storage, read> images: array<u32>;
#else
@group(0) @binding(1) var<storage, read> images: array<f32>;
#endif
@group(0) @binding(2) var<storage, read> placements: array<vec4<i32>>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
#if COLOUR
@group(0) @binding(COLOUR) var<storage, read> colour: array<f32>;
#endif
#if NOISE
@group(0) @binding(NOISE) var<storage, read> random: array<u32>;
#endif
#if MEAN
@group(0) @binding(MEAN) var<storage, read> means: array<f32>;
#endif

fn pixel(index: u32) -> f32 {
#if BYTES
  return f32((images[index >> 2u] >> ((index & 3u) * 8u)) & 0xffu);
#else
  return images[index];
#endif
}

#if NOISE
fn noiseSum(element: u32) -> i32 {
  let words = philox(vec4<u32>(element, params.noiseStream, random[2], random[3]), vec2<u32>(random[0], random[1]));
  // Two sums of bytes a word, 16 bits each, do not reach into one another.
  let pairs = (words & vec4<u32>(0x00ff00ffu)) + ((words >> vec4<u32>(8u)) & vec4<u32>(0x00ff00ffu));
  let sums = pairs.x + pairs.y + pairs.z + pairs.w;
  return i32((sums & 0xffffu) + (sums >> 16u)) - 2040;
}
#endif

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>, @builtin(local_invocation_index) local: u32,
) {
  let index = linearWorkgroup(workgroup, workgroups) * 256u + local;
  if (index >= params.count) { return; }
  let line = i32(index / u32(params.outWidth));
  let n = line / params.outHeight;
  let i = line % params.outHeight;
  let j = i32(index % u32(params.outWidth));
  let placement = placements[params.firstImage + u32(n)];
  let top = placement.x + select(i, params.outHeight - 1 - i, placement.z != 0);
  let left = placement.y + select(j, params.outWidth - 1 - j, placement.w != 0);
  let row = clamp(top, 0, params.inHeight - 1);
  let column = clamp(left, 0, params.inWidth - 1);
  let cell = ((n * i32(params.channels) + i32(params.channel)) * params.outHeight + i) * params.outWidth + j;
  var value = 0.0;
#if !EDGE
  if (row == top && column == left)
#endif
  {
    let plane = (params.firstPixels + u32(n)) * params.channels + params.source;
    value = pixel((plane * u32(params.inHeight) + u32(row)) * u32(params.inWidth) + u32(column));
#if !MEAN
    value -= params.mean;
#elif CENTRE
    value -= means[params.meanStart + (i32(params.channel) * params.meanHeight + i) * params.meanWidth + j];
#else
    value -= means[(i32(params.channel) * params.meanHeight + row) * params.meanWidth + column];
#endif
  }
#if COLOUR
  value += colour[(params.firstImage + u32(n)) * params.channels + params.channel];
#endif
#if NOISE
  let image = params.channels * u32(params.outHeight) * u32(params.outWidth);
  value += f32(noiseSum(params.firstImage * image + u32(cell))) * params.noise;
#endif
  y[cell] = value * params.scale;
}
