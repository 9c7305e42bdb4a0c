// Local response normalisation within each map, s = k + a * sum of x^2 over the window around a cell:
//
//   y = x * s^-beta
//   dx = dy*s^-beta - x * (sum of q over the cells in whose windows the cell is),  q = dy*s^-beta*x * (2*a*beta/s)
//
// x [maps, height, width]; the window reaches from before cells above and left of the cell to after cells below and right of it, clipped to
// the map; that of the last sum is its mirror image. The gradient takes two steps: TERMS writes q, and dy*s^-beta to dx; the other
// finishes dx. One cell an invocation.
//
// count: cells. factor: 2*a*beta. Constants: FORWARD, TERMS.
#include "lib/grid.wgsl"
#include "lib/responseNorm.wgsl"

struct Params { count: u32, height: i32, width: i32, before: i32, after: i32, a: f32, k: f32, beta: f32, factor: f32 }

@group(0) @binding(0) var<uniform> params: Params;
#if FORWARD
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
#elif TERMS
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> q: array<f32>;
@group(0) @binding(4) var<storage, read_write> dx: array<f32>;
#else
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> q: array<f32>;
@group(0) @binding(3) var<storage, read_write> dx: array<f32>;
#endif

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>, @builtin(local_invocation_index) local: u32,
) {
  let index = linearWorkgroup(workgroup, workgroups) * 256u + local;
  if (index >= params.count) { return; }
  let line = index / u32(params.width);
  let column = i32(index % u32(params.width));
  let row = i32(line % u32(params.height));
#if FORWARD || TERMS
  let above = params.before;
  let below = params.after;
#else
  let above = params.after;
  let below = params.before;
#endif
  let bottom = min(row + below, params.height - 1);
  let left = max(column - above, 0);
  let right = min(column + below, params.width - 1);
  var sum = 0.0;
  for (var i = max(row - above, 0); i <= bottom; i++) {
    let start = (i32(line) - row + i) * params.width;
    for (var j = left; j <= right; j++) {
#if FORWARD || TERMS
      let value = x[start + j];
      sum += value * value;
#else
      sum += q[start + j];
#endif
    }
  }
#if FORWARD
  y[index] = x[index] * inversePower(params.k + params.a * sum, params.beta);
#elif TERMS
  let s = params.k + params.a * sum;
  let scaled = dy[index] * inversePower(s, params.beta);
  dx[index] = scaled;
  q[index] = scaled * x[index] * (params.factor / s);
#else
  dx[index] -= x[index] * sum;
#endif
}
