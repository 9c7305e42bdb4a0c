/** Batch normalisation with given statistics, and its gradients; a channel's plane is contiguous. */
import { at, number, pointer, shareStart, word } from './lib/args';
import { laneMask, madd, storeLanes, sumLanes, zero } from './lib/simd';

function inverseRoot(variance: f32, epsilon: f32): f32 {
  return 1 / Mathf.sqrt(variance + epsilon);
}

/**
 * y = scale·(x − mean)/√(variance + ε) + bias.
 *
 * Arguments: 0 x, 1 scale, 2 bias, 3 mean, 4 variance, 5 y, 6 batch, 7 channels, 8 plane, 9 ε.
 */
export function batchNorm(args: usize, share: i32, shares: i32): void {
  const channels = word(args, 7);
  const plane = word(args, 8);
  const maps = word(args, 6) * channels;
  const last = shareStart(maps, share + 1, shares);
  for (let map = shareStart(maps, share, shares); map < last; map++) {
    const c = map % channels;
    const inverse = inverseRoot(load<f32>(at(pointer(args, 4), c)), number(args, 9));
    const factor = f32x4.splat(load<f32>(at(pointer(args, 1), c)) * inverse);
    const bias = f32x4.splat(load<f32>(at(pointer(args, 2), c)));
    const mean = f32x4.splat(load<f32>(at(pointer(args, 3), c)));
    const x = at(pointer(args, 0), map * plane);
    const y = at(pointer(args, 5), map * plane);
    for (let i = 0; i < plane; i += 4) {
      const value = madd(f32x4.sub(v128.load(at(x, i)), mean), factor, bias);
      storeLanes(at(y, i), value, min(4, plane - i));
    }
  }
}

/** dx = dy·scale/√(variance + ε). Arguments: 0 dy, 1 scale, 2 variance, 3 dx, 4 batch, 5 channels, 6 plane, 7 ε. */
export function batchNormDataGradient(args: usize, share: i32, shares: i32): void {
  const channels = word(args, 5);
  const plane = word(args, 6);
  const maps = word(args, 4) * channels;
  const last = shareStart(maps, share + 1, shares);
  for (let map = shareStart(maps, share, shares); map < last; map++) {
    const c = map % channels;
    const inverse = inverseRoot(load<f32>(at(pointer(args, 2), c)), number(args, 7));
    const factor = f32x4.splat(load<f32>(at(pointer(args, 1), c)) * inverse);
    const dy = at(pointer(args, 0), map * plane);
    const dx = at(pointer(args, 3), map * plane);
    for (let i = 0; i < plane; i += 4) {
      storeLanes(at(dx, i), f32x4.mul(v128.load(at(dy, i)), factor), min(4, plane - i));
    }
  }
}

/**
 * dscale = Σ dy·(x − mean)/√(variance + ε) over batch and plane, a channel at a time.
 *
 * Arguments: 0 dy, 1 x, 2 mean, 3 variance, 4 dscale, 5 batch, 6 channels, 7 plane, 8 ε.
 */
export function batchNormScaleGradient(args: usize, share: i32, shares: i32): void {
  const batch = word(args, 5);
  const channels = word(args, 6);
  const plane = word(args, 7);
  const last = shareStart(channels, share + 1, shares);
  for (let c = shareStart(channels, share, shares); c < last; c++) {
    const mean = f32x4.splat(load<f32>(at(pointer(args, 2), c)));
    let sum = zero();
    for (let n = 0; n < batch; n++) {
      const offset = (n * channels + c) * plane;
      const dy = at(pointer(args, 0), offset);
      const x = at(pointer(args, 1), offset);
      for (let i = 0; i < plane; i += 4) {
        const mask = laneMask(plane - i);
        const difference = f32x4.sub(v128.load(at(x, i)), mean);
        sum = madd(v128.and(v128.load(at(dy, i)), mask), v128.and(difference, mask), sum);
      }
    }
    const inverse = inverseRoot(load<f32>(at(pointer(args, 3), c)), number(args, 8));
    store<f32>(at(pointer(args, 4), c), sumLanes(sum) * inverse);
  }
}
