// What is done to a sum for output feature `feature`: SCALE multiplies by scale[feature], BIAS adds bias[feature], and what is
// below params.least becomes that: 0 for a ReLU. The kernel that includes this says in `affineBinding` where the bindings begin.
#if SCALE
@group(0) @binding(affineBinding) var<storage, read> scale: array<f32>;
#endif
#if BIAS && SCALE
@group(0) @binding(affineBinding + 1u) var<storage, read> bias: array<f32>;
#elif BIAS
@group(0) @binding(affineBinding) var<storage, read> bias: array<f32>;
#endif

fn affine(sum: f32, feature: u32) -> f32 {
  var value = sum;
#if SCALE
  value *= scale[feature];
#endif
#if BIAS
  value += bias[feature];
#endif
  return max(value, params.least);
}
