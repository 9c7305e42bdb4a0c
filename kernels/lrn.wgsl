// Local response normalisation across channels, s_i = k + a * sum of x_j^2 over the window of i, channels i - before ... i + after:
//
//   y_i = x_i * s_i^-beta
//   dx_i = dy_i*s_i^-beta - x_i * (sum of q_j over the channels j in whose windows i is),  q_j = dy_j*s_j^-beta*x_j * (2*a*beta/s_j)
//
// x [images, channels, plane]; a group of channels is like an image of its own. An invocation goes up `run` channels at one position, and
// neighbouring invocations are neighbouring positions. The last SIZE = before + 1 + after channels stay in registers: the window of channel c
// is complete when channel c + after is read, and since the channels in whose windows i is are i - after ... i + before, their terms are
// complete when q of channel i + before is. So each tensor is read about once, whatever the window.
//
// count: invocations. runs: runs that cover the channels. factor: 2*a*beta. Constants: SIZE, BEFORE, GRADIENT.
#include "lib/grid.wgsl"
#include "lib/responseNorm.wgsl"

struct Params {
  count: u32, runs: u32, run: i32, channels: i32, plane: u32, a: f32, k: f32, beta: f32,
#if GRADIENT
  factor: f32,
#endif
}

@group(0) @binding(0) var<uniform> params: Params;
#if GRADIENT
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> dx: array<f32>;
#else
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
#endif

const before = i32(BEFORE);
const reach = i32(SIZE) - 1;
const after = reach - before;

// Values of SIZE consecutive channels, the last of them read last.
alias Line = array<f32, SIZE>;

fn push(line: ptr<function, Line>, value: f32) {
  for (var i = 0u; i + 1u < SIZE; i++) { (*line)[i] = (*line)[i + 1u]; }
  (*line)[SIZE - 1u] = value;
}

fn scaleOf(line: ptr<function, Line>) -> f32 {
  var squares = 0.0;
  for (var i = 0u; i < SIZE; i++) { squares += (*line)[i] * (*line)[i]; }
  return params.k + params.a * squares;
}

fn inside(channel: i32) -> bool { return channel >= 0 && channel < params.channels; }

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>, @builtin(local_invocation_index) local: u32,
) {
  let index = linearWorkgroup(workgroup, workgroups) * 256u + local;
  if (index >= params.count) { return; }
  let line = index / params.plane;
  let first = i32(line % params.runs) * params.run;
  let last = min(first + params.run, params.channels);
  // Where channel 0 is at this position.
  let start = line / params.runs * u32(params.channels) * params.plane + index % params.plane;
  var values: Line;
#if GRADIENT
  var direct: Line;
  var terms: Line;
  // Channel c is read; s and q of channel j and the gradient of channel i are complete then.
  for (var c = first - reach; c < last + reach; c++) {
    var value = 0.0;
    if (inside(c)) { value = x[start + u32(c) * params.plane]; }
    push(&values, value);
    if (c < first) { continue; }
    let j = c - after;
    var scaled = 0.0;
    var term = 0.0;
    if (inside(j)) {
      let s = scaleOf(&values);
      scaled = dy[start + u32(j) * params.plane] * inversePower(s, params.beta);
      term = scaled * values[before] * (params.factor / s);
    }
    push(&direct, scaled);
    push(&terms, term);
    let i = c - reach;
    if (i < first) { continue; }
    var across = 0.0;
    for (var t = 0u; t < SIZE; t++) { across += terms[t]; }
    dx[start + u32(i) * params.plane] = direct[after] - values[0] * across;
  }
#else
  // Channel c is read; s of channel i is complete then.
  for (var c = first - before; c < last + after; c++) {
    var value = 0.0;
    if (inside(c)) { value = x[start + u32(c) * params.plane]; }
    push(&values, value);
    let i = c - after;
    if (i < first) { continue; }
    y[start + u32(i) * params.plane] = values[before] * inversePower(scaleOf(&values), params.beta);
  }
#endif
}
