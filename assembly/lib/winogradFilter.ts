/** Winograd's transforms of filters, and of their gradients back. */
import { filterGradientLines, filterLines } from '../generated/winograd';
import { at, pointer, scratchOf, shareStart, word } from './args';

/**
 * U = G w Gᵀ [group][position][panel][depth][quads · 4] of all filters, a panel of some quads of output channels, zero where these or the
 * depth are rounded up. The strides
 * say where a weight lies, so that one kernel serves the forward pass and, with filters turned by half a turn, the data gradient.
 *
 * Arguments: 0 w, 1 U, 2 scratch, 3 scratch bytes per thread, 4 groups, 5 output channels of a group, 6 channels of a group, 7 kernel height,
 * 8 kernel width, 9 stride, 10 r, 11 n, 12 variant, 13 depth, then strides in elements: 14 group, 15 output channel, 16 channel;
 * 17 whether taps run backwards, 18 bytes between positions of U, 19 quads of a panel.
 */
export function winogradFilter(args: usize, share: i32, shares: i32): void {
  const taps = scratchOf(args, 2);
  const r = word(args, 10);
  const n = word(args, 11);
  const variant = word(args, 12);
  const depth = word(args, 13);
  const quads = word(args, 19);
  const panels = (word(args, 5) + (quads << 2) - 1) / (quads << 2);
  const position = pointer(args, 18);
  const row = <usize>r << 4;
  const turned = taps + (<usize>(quads * r * r) << 4);
  const total = word(args, 4) * panels * depth;
  const last = shareStart(total, share + 1, shares);
  for (let item = shareStart(total, share, shares); item < last; item++) {
    const q = item % depth;
    const panel = (item / depth) % panels;
    const group = item / (depth * panels);
    gatherFilters(args, group, panel, q, taps);
    let to = pointer(args, 1) + <usize>(group * n * n) * position + (<usize>((panel * depth + q) * quads) << 4);
    for (let quad = 0; quad < quads; quad++, to += 16) {
      filterLines(variant, taps + <usize>(quad * r) * row, row, 16, turned, row, 16, r);
      filterLines(variant, turned, 16, row, to, position, <usize>n * position, n);
    }
  }
}

/** A panel of filters of one channel after space to depth, [quad][u][v][4]. */
function gatherFilters(args: usize, group: i32, panel: i32, q: i32, to: usize): void {
  const outputs = word(args, 5);
  const quads = word(args, 19);
  const channels = word(args, 6);
  const height = word(args, 7);
  const width = word(args, 8);
  const stride = word(args, 9);
  const r = word(args, 10);
  const c = q / (stride * stride);
  const dy = (q / stride) % stride;
  const dx = q % stride;
  const backwards = word(args, 17) != 0;
  const origin = group * word(args, 14) + c * word(args, 16);
  for (let lane = 0; lane < quads << 2; lane++) {
    const o = panel * (quads << 2) + lane;
    const present = o < outputs && c < channels;
    const filter = at(pointer(args, 0), origin + o * word(args, 15));
    let target = to + (<usize>((lane >> 2) * r * r) << 4) + (<usize>(lane & 3) << 2);
    for (let u = 0; u < r; u++) {
      const y = backwards ? height - 1 - u : u * stride + dy;
      for (let v = 0; v < r; v++, target += 16) {
        const x = backwards ? width - 1 - v : v * stride + dx;
        store<f32>(target, present && y < height && x < width ? load<f32>(at(filter, y * width + x)) : 0);
      }
    }
  }
}

/**
 * dw = Gᵀ dU G for the sums dU [group][position][panel][depth][quads · 4] of `winogradWeightGradient`, back through space to depth.
 *
 * Arguments: as `winogradFilter`, with 0 dw and 1 dU.
 */
export function winogradFilterGradient(args: usize, share: i32, shares: i32): void {
  const taps = scratchOf(args, 2);
  const r = word(args, 10);
  const n = word(args, 11);
  const variant = word(args, 12);
  const depth = word(args, 13);
  const channels = word(args, 6) * word(args, 9) * word(args, 9);
  const quads = word(args, 19);
  const panels = (word(args, 5) + (quads << 2) - 1) / (quads << 2);
  const position = pointer(args, 18);
  const row = <usize>n << 4;
  const turned = taps + (<usize>(quads * r * r) << 4);
  const total = word(args, 4) * panels * channels;
  const last = shareStart(total, share + 1, shares);
  for (let item = shareStart(total, share, shares); item < last; item++) {
    const q = item % channels;
    const panel = (item / channels) % panels;
    const group = item / (channels * panels);
    let from = pointer(args, 1) + <usize>(group * n * n) * position + (<usize>((panel * depth + q) * quads) << 4);
    for (let quad = 0; quad < quads; quad++, from += 16) {
      filterGradientLines(variant, from, <usize>n * position, position, turned, row, 16, n);
      filterGradientLines(variant, turned, 16, row, taps + (<usize>(quad * r * r) << 4), 16, <usize>r << 4, r);
    }
    scatterFilters(args, group, panel, q, taps);
  }
}

function scatterFilters(args: usize, group: i32, panel: i32, q: i32, from: usize): void {
  const outputs = word(args, 5);
  const quads = word(args, 19);
  const height = word(args, 7);
  const width = word(args, 8);
  const stride = word(args, 9);
  const r = word(args, 10);
  const c = q / (stride * stride);
  const dy = (q / stride) % stride;
  const dx = q % stride;
  const origin = group * word(args, 14) + c * word(args, 16);
  const first = panel * (quads << 2);
  for (let lane = 0; lane < min(quads << 2, outputs - first); lane++) {
    const filter = at(pointer(args, 0), origin + (first + lane) * word(args, 15));
    let source = from + (<usize>((lane >> 2) * r * r) << 4) + (<usize>(lane & 3) << 2);
    for (let u = 0; u < r; u++) {
      const y = u * stride + dy;
      for (let v = 0; v < r; v++, source += 16) {
        const x = v * stride + dx;
        if (y < height && x < width) store<f32>(at(filter, y * width + x), load<f32>(source));
      }
    }
  }
}
