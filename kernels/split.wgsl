// Copies one piece out of a whole that is cut along an axis; with ZERO, clears its place in the whole instead (the gradient of a piece that the
// loss does not depend on; gradients of the others are joined by concat.wgsl). One element an invocation.
#include "lib/joined.wgsl"

#if ZERO
@group(0) @binding(1) var<storage, read_write> whole: array<Element>;
#else
@group(0) @binding(1) var<storage, read> whole: array<Element>;
@group(0) @binding(2) var<storage, read_write> piece: array<Element>;
#endif

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>, @builtin(local_invocation_index) local: u32,
) {
  let i = linearWorkgroup(workgroup, workgroups) * 256u + local;
  if (i >= params.count) { return; }
#if ZERO
  whole[placeInWhole(i)] = Element();
#else
  piece[i] = whole[placeInWhole(i)];
#endif
}
