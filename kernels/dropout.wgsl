// y = x*scale where the random word of the element is below the threshold, else 0. Element i takes word i mod 4 of the Philox block with
// counter (floor(i/4), stream, stepLow, stepHigh): the mask is drawn again in the backward pass, not stored. Four elements an invocation.
//
// random: seed and step, two words each. firstVector: where in the tensor the dispatch begins, in blocks. threshold: its low 32 bits;
// always: whether it is 2^32, above every word.
#include "lib/grid.wgsl"
#include "lib/philox.wgsl"

struct Params { vectors: u32, firstVector: u32, stream: u32, threshold: u32, always: u32, scale: f32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> random: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>, @builtin(local_invocation_index) local: u32,
) {
  let i = linearWorkgroup(workgroup, workgroups) * 256u + local;
  if (i >= params.vectors) { return; }
  let counter = vec4<u32>(params.firstVector + i, params.stream, random[2], random[3]);
  let words = philox(counter, vec2<u32>(random[0], random[1]));
  let kept = (words < vec4<u32>(params.threshold)) | vec4<bool>(params.always != 0u);
  y[i] = select(vec4<f32>(), x[i] * params.scale, kept);
}
