/**
 * Local response normalisation across channels and its gradient. A thread's positions are taken in stretches, for all channels: the
 * rows of a window then come from the cache.
 */
import { at, number, pointer, scratchOf, shareStart, word } from './lib/args';
import { madd, storeLanes, zero } from './lib/simd';

/** Positions that threads share out, and the most of a stretch: short runs would starve the prefetcher, long ones the cache. */
const unit: i32 = 16;
const longest: i32 = 1024;
/** Channels after which the terms of the gradient's last window move back to the start of scratch. */
const advance: i32 = 16;

/** x · s^−β by powf. */
function scaleByPower(x: v128, s: v128, beta: f32): v128 {
  return f32x4.mul(
    x,
    f32x4(
      Mathf.pow(f32x4.extract_lane(s, 0), -beta),
      Mathf.pow(f32x4.extract_lane(s, 1), -beta),
      Mathf.pow(f32x4.extract_lane(s, 2), -beta),
      Mathf.pow(f32x4.extract_lane(s, 3), -beta),
    ),
  );
}

/** x · s^−β, for β = 3/4 by two square roots. */
// @ts-ignore: decorator
@inline
export function scaleDown(x: v128, s: v128, beta: f32): v128 {
  if (beta != 0.75) return scaleByPower(x, s, beta);
  const root = f32x4.sqrt(s);
  return f32x4.div(x, f32x4.mul(root, f32x4.sqrt(root)));
}

/** Stores the first `count` of 16 positions. */
// @ts-ignore: decorator
@inline
function storePositions(to: usize, v0: v128, v1: v128, v2: v128, v3: v128, count: i32): void {
  if (count >= 16) {
    v128.store(to, v0);
    v128.store(to, v1, 16);
    v128.store(to, v2, 32);
    v128.store(to, v3, 48);
  } else {
    storeFew(to, v0, v1, v2, v3, count);
  }
}

function storeFew(to: usize, v0: v128, v1: v128, v2: v128, v3: v128, count: i32): void {
  storeLanes(to, v0, min(4, count));
  if (count > 4) storeLanes(to + 16, v1, min(4, count - 4));
  if (count > 8) storeLanes(to + 32, v2, min(4, count - 8));
  if (count > 12) storeLanes(to + 48, v3, count - 12);
}

/**
 * y = x·(k + a·Σ x²)^−β over channels c − before … c − before + size − 1, clipped to the group's channels.
 *
 * Arguments: 0 x, 1 y, 2 batch × groups, 3 channels of a group, 4 plane, 5 size, 6 before, 7 a (per element), 8 k, 9 beta.
 */
export function lrn(args: usize, share: i32, shares: i32): void {
  const channels = word(args, 3);
  const plane = word(args, 4);
  const size = word(args, 5);
  const before = word(args, 6);
  const a = f32x4.splat(number(args, 7));
  const k = f32x4.splat(number(args, 8));
  const beta = number(args, 9);
  const pitch = <usize>plane << 2;
  const units = (plane + unit - 1) / unit;
  const last = shareStart(word(args, 2) * units, share + 1, shares);
  let item = shareStart(word(args, 2) * units, share, shares);
  while (item < last) {
    const image = item / units;
    const position = (item - image * units) * unit;
    const count = min(min(longest, (last - item) * unit), plane - position);
    const x = at(pointer(args, 0), image * channels * plane + position);
    const y = at(pointer(args, 1), image * channels * plane + position);
    for (let c = 0; c < channels; c++) {
      const first = x + <usize>max(0, c - before) * pitch;
      const end = x + <usize>min(channels, c - before + size) * pitch;
      for (let i = 0; i < count; i += 16) {
        let s0 = zero();
        let s1 = zero();
        let s2 = zero();
        let s3 = zero();
        for (let row = at(first, i); row < end; row += pitch) {
          const x0 = v128.load(row);
          const x1 = v128.load(row, 16);
          const x2 = v128.load(row, 32);
          const x3 = v128.load(row, 48);
          s0 = madd(x0, x0, s0);
          s1 = madd(x1, x1, s1);
          s2 = madd(x2, x2, s2);
          s3 = madd(x3, x3, s3);
        }
        const from = at(x, i) + <usize>c * pitch;
        storePositions(
          at(y, i) + <usize>c * pitch,
          scaleDown(v128.load(from), madd(a, s0, k), beta),
          scaleDown(v128.load(from, 16), madd(a, s1, k), beta),
          scaleDown(v128.load(from, 32), madd(a, s2, k), beta),
          scaleDown(v128.load(from, 48), madd(a, s3, k), beta),
          count - i,
        );
      }
    }
    item += (count + unit - 1) / unit;
  }
}

/**
 * dx_i = dy_i·s_i^−β − 2aβ·x_i·Σ_{j: i in window of j} dy_j·x_j·s_j^(−β−1), with s recomputed from x. Scratch holds the terms of
 * the last channels, a stretch each; dx takes its first part as soon as that is known, and the second when all its terms are.
 *
 * Arguments: 0 dy, 1 x, 2 dx, 3 scratch, 4 scratch bytes per thread, 5 batch × groups, 6 channels of a group, 7 plane, 8 size,
 * 9 before, 10 a (per element), 11 k, 12 beta, 13 2aβ.
 */
export function lrnGradient(args: usize, share: i32, shares: i32): void {
  const terms = scratchOf(args, 3);
  const channels = word(args, 6);
  const plane = word(args, 7);
  const size = word(args, 8);
  const before = word(args, 9);
  const termsEnd = at(terms, (size - 1 + advance) * longest);
  const a = f32x4.splat(number(args, 10));
  const k = f32x4.splat(number(args, 11));
  const beta = number(args, 12);
  const factor = f32x4.splat(number(args, 13));
  const pitch = <usize>plane << 2;
  const units = (plane + unit - 1) / unit;
  const last = shareStart(word(args, 5) * units, share + 1, shares);
  let item = shareStart(word(args, 5) * units, share, shares);
  while (item < last) {
    const image = item / units;
    const position = (item - image * units) * unit;
    const count = min(min(longest, (last - item) * unit), plane - position);
    const offset = image * channels * plane + position;
    const dy = at(pointer(args, 0), offset);
    const x = at(pointer(args, 1), offset);
    const dx = at(pointer(args, 2), offset);
    // Where the terms of channel 0 are, or were.
    let origin = terms;
    for (let c = 0; c < channels + before; c++) {
      if (at(origin, c * longest) == termsEnd) {
        const kept = at(terms, advance * longest);
        memory.copy(terms, kept, termsEnd - kept);
        origin -= kept - terms;
      }
      if (c < channels) {
        const own = <usize>c * pitch;
        const first = x + <usize>max(0, c - before) * pitch;
        const end = x + <usize>min(channels, c - before + size) * pitch;
        const term = at(origin, c * longest);
        for (let i = 0; i < count; i += 16) {
          let s0 = zero();
          let s1 = zero();
          let s2 = zero();
          let s3 = zero();
          for (let row = at(first, i); row < end; row += pitch) {
            const x0 = v128.load(row);
            const x1 = v128.load(row, 16);
            const x2 = v128.load(row, 32);
            const x3 = v128.load(row, 48);
            s0 = madd(x0, x0, s0);
            s1 = madd(x1, x1, s1);
            s2 = madd(x2, x2, s2);
            s3 = madd(x3, x3, s3);
          }
          s0 = madd(a, s0, k);
          s1 = madd(a, s1, k);
          s2 = madd(a, s2, k);
          s3 = madd(a, s3, k);
          const from = at(dy, i) + own;
          const direct0 = scaleDown(v128.load(from), s0, beta);
          const direct1 = scaleDown(v128.load(from, 16), s1, beta);
          const direct2 = scaleDown(v128.load(from, 32), s2, beta);
          const direct3 = scaleDown(v128.load(from, 48), s3, beta);
          const value = at(x, i) + own;
          v128.store(at(term, i), f32x4.div(f32x4.mul(direct0, v128.load(value)), s0));
          v128.store(at(term, i), f32x4.div(f32x4.mul(direct1, v128.load(value, 16)), s1), 16);
          v128.store(at(term, i), f32x4.div(f32x4.mul(direct2, v128.load(value, 32)), s2), 32);
          v128.store(at(term, i), f32x4.div(f32x4.mul(direct3, v128.load(value, 48)), s3), 48);
          storePositions(at(dx, i) + own, direct0, direct1, direct2, direct3, count - i);
        }
      }
      if (c >= before) {
        // Channel j is in the windows of those from j − (size − 1 − before) to j + before: the mirrored window.
        const own = <usize>(c - before) * pitch;
        const first = at(origin, max(0, c - size + 1) * longest);
        const end = at(origin, min(channels, c + 1) * longest);
        for (let i = 0; i < count; i += 16) {
          let sum0 = zero();
          let sum1 = zero();
          let sum2 = zero();
          let sum3 = zero();
          for (let row = at(first, i); row < end; row = at(row, longest)) {
            sum0 = f32x4.add(sum0, v128.load(row));
            sum1 = f32x4.add(sum1, v128.load(row, 16));
            sum2 = f32x4.add(sum2, v128.load(row, 32));
            sum3 = f32x4.add(sum3, v128.load(row, 48));
          }
          const from = at(x, i) + own;
          const to = at(dx, i) + own;
          storePositions(
            to,
            f32x4.sub(v128.load(to), f32x4.mul(f32x4.mul(factor, v128.load(from)), sum0)),
            f32x4.sub(v128.load(to, 16), f32x4.mul(f32x4.mul(factor, v128.load(from, 16)), sum1)),
            f32x4.sub(v128.load(to, 32), f32x4.mul(f32x4.mul(factor, v128.load(from, 32)), sum2)),
            f32x4.sub(v128.load(to, 48), f32x4.mul(f32x4.mul(factor, v128.load(from, 48)), sum3)),
            count - i,
          );
        }
      }
    }
    item += (count + unit - 1) / unit;
  }
}
