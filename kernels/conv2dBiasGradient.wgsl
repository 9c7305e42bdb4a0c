// sums[i] = Σ dy over plane i of [N·O, H·W]: a workgroup a plane. Each invocation adds every 64th element, then lib/lanes.wgsl their sums.
// sumSlices.wgsl makes ∂loss/∂b of them.
#include "lib/grid.wgsl"
#include "lib/lanes.wgsl"

struct Params { planes: u32, plane: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> sums: array<f32>;

const LANES = 64u;

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>, @builtin(local_invocation_index) local: u32,
) {
  let index = linearWorkgroup(workgroup, workgroups);
  if (index >= params.planes) { return; }
  var share = 0.0;
  for (var i = local; i < params.plane; i += LANES) { share += dy[index * params.plane + i]; }
  let sum = sumOfLanes(share, local);
  if (local == 0u) { sums[index] = sum; }
}
