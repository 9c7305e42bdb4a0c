// Where each image is cut and whether it is flipped, drawn once for all its cells: (top, left, flip vertically, flip horizontally) of the crop's
// first cell in the image, which a translation may put outside.
//
// Each run of `sharedBy` images has two Philox blocks: words 0 and 1 of the first choose top and left, 2 and 3 the flips; words 0 and 1 of the
// second choose the translation. A word w chooses one of k values as floor(w*k/2^32), and flips when floor(w/2) is below the threshold.
// Constant: RANDOM, without which all words are 0.
#include "lib/grid.wgsl"
#include "lib/philox.wgsl"

struct Params {
  images: u32, sharedBy: u32, stream: u32, firstTop: i32, tops: u32, firstLeft: i32, lefts: u32,
  flipVertical: u32, flipHorizontal: u32, mostDown: i32, mostRight: i32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> placements: array<vec4<i32>>;
#if RANDOM
// Seed and step, two words each.
@group(0) @binding(2) var<storage, read> random: array<u32>;
#endif

fn drawn(block: u32) -> vec4<u32> {
#if RANDOM
  return philox(vec4<u32>(block, params.stream, random[2], random[3]), vec2<u32>(random[0], random[1]));
#else
  return vec4<u32>();
#endif
}

fn shift(word: u32, most: i32) -> i32 { return i32(multiplyHigh(word, u32(2 * most + 1))) - most; }

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>, @builtin(local_invocation_index) local: u32,
) {
  let n = linearWorkgroup(workgroup, workgroups) * 64u + local;
  if (n >= params.images) { return; }
  let block = 2u * (n / params.sharedBy);
  let first = drawn(block);
  let second = drawn(block + 1u);
  placements[n] = vec4<i32>(
    params.firstTop + i32(multiplyHigh(first.x, params.tops)) - shift(second.x, params.mostDown),
    params.firstLeft + i32(multiplyHigh(first.y, params.lefts)) - shift(second.y, params.mostRight),
    i32(first.z >> 1u < params.flipVertical),
    i32(first.w >> 1u < params.flipHorizontal),
  );
}
