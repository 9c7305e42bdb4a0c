/**
 * Local response normalisation across channels and its gradient. A stretch of 16 positions of all channels is copied to
 * scratch, where a channel's neighbours lie one cache line apart.
 */
import { at, pointer, shareStart, word, number } from './lib/args';
import { madd } from './lib/simd';

const stretch: i32 = 16;
const rowBytes: usize = 64;

/** x · s^−β for β = 3/4 by two square roots, otherwise by powf. */
export function scaleDown(x: v128, s: v128, beta: f32): v128 {
  if (beta == 0.75) {
    const root = f32x4.sqrt(s);
    return f32x4.div(x, f32x4.mul(root, f32x4.sqrt(root)));
  }
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

/** Copies `count` positions of every channel to rows of 16, the rest zero. */
function loadStretch(from: usize, channels: i32, plane: i32, count: i32, to: usize): void {
  for (let c = 0; c < channels; c++) {
    if (count < stretch) memory.fill(to, 0, rowBytes);
    memory.copy(to, from, <usize>count << 2);
    from = at(from, plane);
    to += rowBytes;
  }
}

function storeStretch(from: usize, channels: i32, plane: i32, count: i32, to: usize): void {
  for (let c = 0; c < channels; c++) {
    memory.copy(to, from, <usize>count << 2);
    to = at(to, plane);
    from += rowBytes;
  }
}

/** Sum of `size` rows. */
function windowSum(row: usize, size: i32): v128 {
  let sum = v128.load(row);
  for (let j = 1; j < size; j++) sum = f32x4.add(sum, v128.load(row + <usize>j * rowBytes));
  return sum;
}

/**
 * y = x·(k + a·Σ x²)^−β over channels c − before … c − before + size − 1, clipped to the group's channels.
 *
 * Arguments: 0 x, 1 y, 2 scratch, 3 scratch bytes per thread, 4 batch × groups, 5 channels of a group, 6 plane, 7 size, 8 before,
 * 9 a (per element), 10 k, 11 beta.
 */
export function lrn(args: usize, thread: i32, threads: i32): void {
  const values = pointer(args, 2) + <usize>thread * pointer(args, 3);
  const channels = word(args, 5);
  const plane = word(args, 6);
  const size = word(args, 7);
  const a = f32x4.splat(number(args, 9));
  const k = f32x4.splat(number(args, 10));
  const beta = number(args, 11);
  const below = word(args, 8);
  // Squares, with rows of zeros below and above for windows that are clipped.
  const squares = values + <usize>channels * rowBytes;
  memory.fill(squares, 0, <usize>(channels + size) * rowBytes);
  const stretches = (plane + stretch - 1) / stretch;
  const last = shareStart(word(args, 4) * stretches, thread + 1, threads);
  for (let item = shareStart(word(args, 4) * stretches, thread, threads); item < last; item++) {
    const position = (item % stretches) * stretch;
    const count = min(stretch, plane - position);
    const offset = (item / stretches) * channels * plane + position;
    loadStretch(at(pointer(args, 0), offset), channels, plane, count, values);
    const bytes = <usize>channels * rowBytes;
    const own = squares + <usize>below * rowBytes;
    for (let i: usize = 0; i < bytes; i += 16) {
      const x = v128.load(values + i);
      v128.store(own + i, f32x4.mul(x, x));
    }
    for (let i: usize = 0; i < bytes; i += 16) {
      const s = madd(a, windowSum(squares + i, size), k);
      v128.store(values + i, scaleDown(v128.load(values + i), s, beta));
    }
    storeStretch(values, channels, plane, count, at(pointer(args, 1), offset));
  }
}

/**
 * dx_i = dy_i·s_i^−β − 2aβ·x_i·Σ_{j: i in window of j} dy_j·x_j·s_j^(−β−1), with s recomputed from x.
 *
 * Arguments: 0 dy, 1 x, 2 dx, 3 scratch, 4 scratch bytes per thread, 5 batch × groups, 6 channels of a group, 7 plane, 8 size,
 * 9 before, 10 a (per element), 11 k, 12 beta, 13 2aβ.
 */
export function lrnGradient(args: usize, thread: i32, threads: i32): void {
  const values = pointer(args, 3) + <usize>thread * pointer(args, 4);
  const channels = word(args, 6);
  const plane = word(args, 7);
  const size = word(args, 8);
  const a = f32x4.splat(number(args, 10));
  const k = f32x4.splat(number(args, 11));
  const beta = number(args, 12);
  const factor = f32x4.splat(number(args, 13));
  const below = word(args, 9);
  const bytes = <usize>channels * rowBytes;
  const padded = <usize>(channels + size) * rowBytes;
  const gradients = values + bytes;
  const squares = gradients + bytes;
  const terms = squares + padded;
  memory.fill(squares, 0, padded + padded);
  const own = squares + <usize>below * rowBytes;
  // Channel i is in the window of j for j from i − (size − 1 − before) to i + before: the mirrored window.
  const ownTerms = terms + <usize>(size - 1 - below) * rowBytes;
  const stretches = (plane + stretch - 1) / stretch;
  const last = shareStart(word(args, 5) * stretches, thread + 1, threads);
  for (let item = shareStart(word(args, 5) * stretches, thread, threads); item < last; item++) {
    const position = (item % stretches) * stretch;
    const count = min(stretch, plane - position);
    const offset = (item / stretches) * channels * plane + position;
    loadStretch(at(pointer(args, 0), offset), channels, plane, count, gradients);
    loadStretch(at(pointer(args, 1), offset), channels, plane, count, values);
    for (let i: usize = 0; i < bytes; i += 16) {
      const x = v128.load(values + i);
      v128.store(own + i, f32x4.mul(x, x));
    }
    for (let i: usize = 0; i < bytes; i += 16) {
      const s = madd(a, windowSum(squares + i, size), k);
      const scaled = scaleDown(v128.load(gradients + i), s, beta);
      v128.store(gradients + i, scaled);
      v128.store(ownTerms + i, f32x4.div(f32x4.mul(scaled, v128.load(values + i)), s));
    }
    for (let i: usize = 0; i < bytes; i += 16) {
      const across = f32x4.mul(f32x4.mul(factor, v128.load(values + i)), windowSum(terms + i, size));
      v128.store(values + i, f32x4.sub(v128.load(gradients + i), across));
    }
    storeStretch(values, channels, plane, count, at(pointer(args, 2), offset));
  }
}
