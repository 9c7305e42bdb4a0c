// What is done to a sum for output feature `feature`: SCALE multiplies by scale[feature], BIAS adds bias[feature], RELU takes the positive
// part. The kernel that includes this says in `affineBinding` where their bindings begin.
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
#if RELU
  value = max(value, 0.0);
#endif
  return value;
}
