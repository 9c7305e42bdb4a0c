/**
 * Packing: what turns a convolution or a matrix product into linear streams for the microkernels.
 */
import { at, lineStart, pointer, shareStart, word } from './args';
import { tileCount, tileStart } from './gemm';
import { laneMask, zero } from './simd';

/**
 * Packs weights into tiles for `outerTile`: for each group and each tile of rows [depth][rows of the tile], with depth
 * running over (channel, kernel row, kernel column). The strides say where a weight lies, so that one kernel packs for the
 * forward pass (rows are output channels) and for the data gradient (rows are input channels, taps of one phase only).
 *
 * Arguments: source, destination, groups, rows, channels, tapsY, tapsX, then strides in elements: group, row, channel,
 * tapY, tapX, and the offset of the first tap.
 */
export function packWeights(args: usize, share: i32, shares: i32): void {
  const source = pointer(args, 0);
  const destination = pointer(args, 1);
  const groups = word(args, 2);
  const rows = word(args, 3);
  const channels = word(args, 4);
  const tapsY = word(args, 5);
  const tapsX = word(args, 6);
  const groupStride = word(args, 7);
  const rowStride = word(args, 8);
  const channelStride = word(args, 9);
  const tapYStride = word(args, 10);
  const tapXStride = word(args, 11);
  const firstTap = word(args, 12);
  const depth = channels * tapsY * tapsX;
  const tiles = tileCount(rows);
  const last = shareStart(groups * tiles, share + 1, shares);
  for (let item = shareStart(groups * tiles, share, shares); item < last; item++) {
    const group = item / tiles;
    const tile = item % tiles;
    const start = tileStart(rows, tiles, tile);
    const height = tileStart(rows, tiles, tile + 1) - start;
    let to = destination + (<usize>((group * rows + start) * depth) << 2);
    const corner = firstTap + group * groupStride + start * rowStride;
    for (let c = 0; c < channels; c++) {
      for (let u = 0; u < tapsY; u++) {
        for (let v = 0; v < tapsX; v++) {
          const from = corner + c * channelStride + u * tapYStride + v * tapXStride;
          for (let row = 0; row < height; row++) {
            store<f32>(to, load<f32>(source + (<usize>(from + row * rowStride) << 2)));
            to += 4;
          }
        }
      }
    }
  }
}

/**
 * Packs the rows of a matrix [rows][columns] into panels [columns / 8][rows][8]; columns past the end are zero.
 *
 * Arguments: source, destination, rows, columns.
 */
export function packPanels(args: usize, share: i32, shares: i32): void {
  const source = pointer(args, 0);
  const destination = pointer(args, 1);
  const rows = word(args, 2);
  const columns = word(args, 3);
  const panels = (columns + 7) >> 3;
  const last = shareStart(panels, share + 1, shares);
  for (let panel = shareStart(panels, share, shares); panel < last; panel++) {
    let to = destination + (<usize>(panel * rows) << 5);
    let from = source + (<usize>panel << 5);
    const width = min(8, columns - (panel << 3));
    for (let row = 0; row < rows; row++) {
      if (width == 8) {
        v128.store(to, v128.load(from));
        v128.store(to, v128.load(from, 16), 16);
      } else {
        for (let i = 0; i < 8; i++) {
          store<f32>(to + (<usize>i << 2), i < width ? load<f32>(from + (<usize>i << 2)) : 0);
        }
      }
      to += 32;
      from += <usize>columns << 2;
    }
  }
}

/**
 * Packs the rows of a matrix [rows][columns] into panels [panels][columns][8]; rows past the end are zero. Threads share out the columns.
 *
 * Arguments: source, destination, rows, columns, panels.
 */
export function packRowPanels(args: usize, share: i32, shares: i32): void {
  const rows = word(args, 2);
  const panels = word(args, 4);
  const columns = word(args, 3);
  const stride = <usize>columns << 2;
  const first = lineStart(columns, share, shares);
  const count = lineStart(columns, share + 1, shares) - first;
  for (let panel = 0; panel < panels; panel++) {
    const from = at(pointer(args, 0) + <usize>(panel << 3) * stride, first);
    packColumns(from, stride, count, rows - (panel << 3), 1, pointer(args, 1) + (<usize>(panel * columns + first) << 5));
  }
}

/** Rows of a matrix with `columns` left in each as panels [rows][8], `count` of them; columns past the end are zero. */
export function packBlock(from: usize, stride: usize, rows: i32, columns: i32, count: i32, to: usize): void {
  const panelBytes = <usize>rows << 5;
  for (let row = 0; row < rows; row++, from += stride) {
    let target = to + (<usize>row << 5);
    for (let panel = 0; panel < count; panel++, target += panelBytes) {
      const source = from + (<usize>panel << 5);
      const left = columns - (panel << 3);
      v128.store(target, left >= 4 ? v128.load(source) : v128.and(v128.load(source), laneMask(left)));
      v128.store(target, left >= 8 ? v128.load(source, 16) : v128.and(v128.load(source, 16), laneMask(left - 4)), 16);
    }
  }
}

/** As `packBlock` for a matrix that lies transposed: each of its `columns` is a row, `stride` bytes after the one before. */
export function packColumns(from: usize, stride: usize, rows: i32, columns: i32, count: i32, to: usize): void {
  for (let column = 0; column < count << 3; column += 4) {
    const panel = to + <usize>(column >> 3) * (<usize>rows << 5) + <usize>((column & 4) << 2);
    const left = columns - column;
    const c0 = from + <usize>column * stride;
    const c1 = c0 + stride;
    const c2 = c1 + stride;
    const c3 = c2 + stride;
    const whole = left >= 4 ? rows & ~3 : 0;
    let k = 0;
    for (; k < whole; k += 4) {
      const x0 = v128.load(at(c0, k)), x1 = v128.load(at(c1, k)), x2 = v128.load(at(c2, k)), x3 = v128.load(at(c3, k));
      const low01 = v128.shuffle<f32>(x0, x1, 0, 4, 1, 5), high01 = v128.shuffle<f32>(x0, x1, 2, 6, 3, 7);
      const low23 = v128.shuffle<f32>(x2, x3, 0, 4, 1, 5), high23 = v128.shuffle<f32>(x2, x3, 2, 6, 3, 7);
      const row = panel + (<usize>k << 5);
      v128.store(row, v128.shuffle<f32>(low01, low23, 0, 1, 4, 5));
      v128.store(row, v128.shuffle<f32>(low01, low23, 2, 3, 6, 7), 32);
      v128.store(row, v128.shuffle<f32>(high01, high23, 0, 1, 4, 5), 64);
      v128.store(row, v128.shuffle<f32>(high01, high23, 2, 3, 6, 7), 96);
    }
    for (; k < rows; k++) {
      let v = zero();
      if (left > 0) v = v128.load32_zero(at(c0, k));
      if (left > 1) v = f32x4.replace_lane(v, 1, load<f32>(at(c1, k)));
      if (left > 2) v = f32x4.replace_lane(v, 2, load<f32>(at(c2, k)));
      if (left > 3) v = f32x4.replace_lane(v, 3, load<f32>(at(c3, k)));
      v128.store(panel + (<usize>k << 5), v);
    }
  }
}
