// Copies one piece to its place in the whole that is joined along an axis. One element an invocation.
#include "lib/joined.wgsl"

@group(0) @binding(1) var<storage, read> piece: array<Element>;
@group(0) @binding(2) var<storage, read_write> whole: array<Element>;

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>, @builtin(local_invocation_index) local: u32,
) {
  let i = linearWorkgroup(workgroup, workgroups) * 256u + local;
  if (i >= params.count) { return; }
  whole[placeInWhole(i)] = piece[i];
}
