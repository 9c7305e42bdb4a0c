// sums[i] = Σ dy over plane i of [N·O, H·W]: a workgroup a plane. Each invocation adds every 64th element, then a tree adds their sums.
// sumSlices.wgsl makes ∂loss/∂b of them.
#include "lib/grid.wgsl"

struct Params { planes: u32, plane: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> sums: array<f32>;

var<workgroup> own: array<f32, 64>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>, @builtin(local_invocation_index) local: u32,
) {
  let index = linearWorkgroup(workgroup, workgroups);
  if (index >= params.planes) { return; }
  var sum = 0.0;
  for (var i = local; i < params.plane; i += 64u) { sum += dy[index * params.plane + i]; }
  own[local] = sum;
  for (var half = 32u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (local < half) { own[local] += own[local + half]; }
  }
  if (local == 0u) { sums[index] = own[0]; }
}
