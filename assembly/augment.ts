/**
 * From stored images to what a network reads: a row of the output is copied out of the image (forwards or backwards, as float32,
 * less the mean), then colour, noise and scale are applied to it in place.
 */
import { at, number, pointer, shareStart, word } from './lib/args';
import { philox } from './lib/philox';

/** Four cells as float32, from bytes (shift 0) or floats (shift 2). */
function load4(from: usize, shift: usize): v128 {
  if (shift) return v128.load(from);
  return f32x4.convert_i32x4_u(i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load32_zero(from))));
}

function load1(from: usize, shift: usize): f32 {
  return shift ? load<f32>(from) : <f32>load<u8>(from);
}

/** to[k] = from[k] − mean[k], or with `mirrored` to[count − 1 − k]; where there is no row of means, less `level`. */
function copyRow(from: usize, shift: usize, means: usize, level: f32, count: i32, to: usize, mirrored: bool): void {
  const levels = f32x4.splat(level);
  let k = 0;
  for (; k + 4 <= count; k += 4) {
    const mean = means ? v128.load(at(means, k)) : levels;
    const cells = f32x4.sub(load4(from + (<usize>k << shift), shift), mean);
    if (mirrored) v128.store(at(to, count - 4 - k), v128.shuffle<f32>(cells, cells, 3, 2, 1, 0));
    else v128.store(at(to, k), cells);
  }
  for (; k < count; k++) {
    const cell = load1(from + (<usize>k << shift), shift) - (means ? load<f32>(at(means, k)) : level);
    store<f32>(at(to, mirrored ? count - 1 - k : k), cell);
  }
}

function fillRow(to: usize, count: i32, value: f32): void {
  for (let k = 0; k < count; k++) store<f32>(at(to, k), value);
}

function subtractRow(row: usize, means: usize, count: i32): void {
  let k = 0;
  for (; k + 4 <= count; k += 4) v128.store(at(row, k), f32x4.sub(v128.load(at(row, k)), v128.load(at(means, k))));
  for (; k < count; k++) store<f32>(at(row, k), load<f32>(at(row, k)) - load<f32>(at(means, k)));
}

function drawn(random: usize, block: u32, stream: u32): v128 {
  return philox(block, stream, load<u32>(random, 8), load<u32>(random, 12), load<u32>(random), load<u32>(random, 4));
}

/** One of `count` values, from a random word. */
function choose(random: i32, count: i32): i32 {
  return <i32>((<u64><u32>random * <u64>count) >> 32);
}

/** Low words of four products, of which `low` holds the first two and `high` the last two, 64 bits each. */
function lowWords(low: v128, high: v128): v128 {
  return v128.shuffle<i32>(low, high, 0, 2, 4, 6);
}

function highWords(low: v128, high: v128): v128 {
  return v128.shuffle<i32>(low, high, 1, 3, 5, 7);
}

/**
 * For the elements e … e + 3 the sum of the 16 bytes of the Philox block with counter (e, stream, stepLow, stepHigh), less 2040:
 * `philox` four blocks at a time.
 */
function noiseSums(e: i32, stream: u32, random: usize): v128 {
  let c0 = i32x4.add(i32x4.splat(e), i32x4(0, 1, 2, 3));
  let c1 = i32x4.splat(stream);
  let c2 = v128.load32_splat(random, 8);
  let c3 = v128.load32_splat(random, 12);
  let k0 = v128.load32_splat(random);
  let k1 = v128.load32_splat(random, 4);
  const m0 = i32x4.splat(0xd2511f53);
  const m1 = i32x4.splat(0xcd9e8d57);
  for (let round = 0; round < 10; round++) {
    const low0 = i64x2.extmul_low_i32x4_u(c0, m0);
    const high0 = i64x2.extmul_high_i32x4_u(c0, m0);
    const low1 = i64x2.extmul_low_i32x4_u(c2, m1);
    const high1 = i64x2.extmul_high_i32x4_u(c2, m1);
    c0 = v128.xor(v128.xor(highWords(low1, high1), c1), k0);
    c1 = lowWords(low1, high1);
    c2 = v128.xor(v128.xor(highWords(low0, high0), c3), k1);
    c3 = lowWords(low0, high0);
    k0 = i32x4.add(k0, i32x4.splat(0x9e3779b9));
    k1 = i32x4.add(k1, i32x4.splat(0xbb67ae85));
  }
  const pairs = i16x8.add(
    i16x8.add(i16x8.extadd_pairwise_i8x16_u(c0), i16x8.extadd_pairwise_i8x16_u(c1)),
    i16x8.add(i16x8.extadd_pairwise_i8x16_u(c2), i16x8.extadd_pairwise_i8x16_u(c3)),
  );
  return i32x4.sub(i32x4.extadd_pairwise_i16x8_u(pairs), i32x4.splat(2040));
}

/** row = ((row + colour) + noise)·scale; `e` is the element of the output that the row starts with. */
function finishRow(
  row: usize, count: i32, colour: f32, scale: f32, noise: f32, e: i32, stream: u32, random: usize,
): void {
  const offsets = f32x4.splat(colour);
  const factors = f32x4.splat(noise);
  const scales = f32x4.splat(scale);
  for (let k = 0; k < count; k += 4) {
    const to = at(row, k);
    // The last vector of a row takes in what follows it: read, but not used.
    let cells = f32x4.add(v128.load(to), offsets);
    if (noise != 0) {
      cells = f32x4.add(cells, f32x4.mul(f32x4.convert_i32x4_s(noiseSums(e + k, stream, random)), factors));
    }
    cells = f32x4.mul(cells, scales);
    if (k + 4 <= count) {
      v128.store(to, cells);
    } else {
      store<f32>(to, f32x4.extract_lane(cells, 0));
      if (k + 1 < count) store<f32>(at(row, k + 1), f32x4.extract_lane(cells, 1));
      if (k + 2 < count) store<f32>(at(row, k + 2), f32x4.extract_lane(cells, 2));
    }
  }
}

/**
 * Arguments: 0 images, 1 random (seed and step, four words) or 0, 2 colour or 0, 3 mean image or 0, 4 y, 5 log₂ of the bytes of a
 * pixel, 6 batch, 7 channels, 8 height, 9 width, 10 output height, 11 output width, 12 first top, 13 number of tops, 14 first left,
 * 15 number of lefts, 16 threshold of the vertical flip, 17 of the horizontal flip, 18 most rows and 19 most columns of translation,
 * 20 whether edges fill, 21 whether channels are reversed, 22 images that share a draw, 23 stream, 24 stream of noise, 25 factor of
 * noise, 26 whether the mean image is read where the crop was cut, 27 its height, 28 its width, 29 offset in it of the output's first
 * cell, then the mean of each channel, then the scale of each.
 */
export function augment(args: usize, share: i32, shares: i32): void {
  const random = pointer(args, 1);
  const shift = pointer(args, 5);
  const channels = word(args, 7);
  const height = word(args, 8);
  const width = word(args, 9);
  const outHeight = word(args, 10);
  const outWidth = word(args, 11);
  const edge = word(args, 20) != 0;
  const meanPlane = word(args, 27) * word(args, 28);
  let image = -1;
  let top = 0;
  let left = 0;
  let upsideDown = false;
  let mirrored = false;
  const rows = word(args, 6) * channels * outHeight;
  const last = shareStart(rows, share + 1, shares);
  for (let item = shareStart(rows, share, shares); item < last; item++) {
    const map = item / outHeight;
    const i = item % outHeight;
    const n = map / channels;
    const c = map % channels;
    if (n != image) {
      image = n;
      let first = i32x4.splat(0);
      let second = i32x4.splat(0);
      if (random) {
        const block = 2 * (n / word(args, 22));
        first = drawn(random, block, word(args, 23));
        second = drawn(random, block + 1, word(args, 23));
      }
      const down = choose(i32x4.extract_lane(second, 0), 2 * word(args, 18) + 1) - word(args, 18);
      const right = choose(i32x4.extract_lane(second, 1), 2 * word(args, 19) + 1) - word(args, 19);
      top = word(args, 12) + choose(i32x4.extract_lane(first, 0), word(args, 13)) - down;
      left = word(args, 14) + choose(i32x4.extract_lane(first, 1), word(args, 15)) - right;
      upsideDown = <u32>i32x4.extract_lane(first, 2) >> 1 < <u32>word(args, 16);
      mirrored = <u32>i32x4.extract_lane(first, 3) >> 1 < <u32>word(args, 17);
    }
    const y = at(pointer(args, 4), item * outWidth);
    const level = number(args, 30 + c);
    const place = top + (upsideDown ? outHeight - 1 - i : i);
    const row = min(max(place, 0), height - 1);
    // Of the row's cells, left to right in the image: so many before it, in it, and after it.
    let before = min(outWidth, max(0, -left));
    const after = min(outWidth - before, max(0, left + outWidth - width));
    let inside = outWidth - before - after;
    if (row != place && !edge) {
      before = outWidth;
      inside = 0;
    }
    const plane = n * channels + (word(args, 21) ? channels - 1 - c : c);
    const pixels = pointer(args, 0) + (<usize>(plane * height + row) * <usize>width << shift);
    const withSource = word(args, 26) ? at(pointer(args, 3), c * meanPlane + row * width) : 0;
    const start = mirrored ? outWidth - before - inside : before;
    if (inside > 0) {
      const column = max(0, left);
      const means = withSource ? at(withSource, column) : 0;
      copyRow(pixels + (<usize>column << shift), shift, means, level, inside, at(y, start), mirrored);
    }
    if (inside < outWidth) {
      let leading: f32 = 0;
      let trailing: f32 = 0;
      if (edge) {
        leading = load1(pixels, shift) - (withSource ? load<f32>(withSource) : level);
        const lastColumn = width - 1;
        trailing = load1(pixels + (<usize>lastColumn << shift), shift) - (withSource ? load<f32>(at(withSource, lastColumn)) : level);
      }
      fillRow(y, start, mirrored ? trailing : leading);
      fillRow(at(y, start + inside), outWidth - start - inside, mirrored ? leading : trailing);
    }
    if (pointer(args, 3) && !withSource) {
      const means = at(pointer(args, 3), c * meanPlane + word(args, 29) + i * word(args, 28));
      if (edge) subtractRow(y, means, outWidth);
      else subtractRow(at(y, start), at(means, start), inside);
    }
    const colour = pointer(args, 2) ? load<f32>(at(pointer(args, 2), n * channels + c)) : 0;
    finishRow(y, outWidth, colour, number(args, 30 + channels + c), number(args, 25), item * outWidth, word(args, 24), random);
  }
}
