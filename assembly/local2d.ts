/**
 * Locally connected layers. At every output position there is one product of matrices, of the position's own kernels with the
 * patches that they see in all images; patches are packed as they are needed.
 */
import { dotTile } from './generated/microkernels';
import { at, pointer, scratchOf, shareStart, word } from './lib/args';
import {
  columnOffsets, dotColumns, dotRows, dotTileBytes, outerTile, outerTileScattered, packRows, stagingBytes, tileCount, tileStart,
  vectors,
} from './lib/gemm';
import { laneMask, sumLanes } from './lib/simd';

/** Words of the sizes that all passes have in common, from this one on. */
const sizes: i32 = 6;

function batchOf(args: usize): i32 { return word(args, sizes); }
function channelsOf(args: usize): i32 { return word(args, sizes + 1); }
function heightOf(args: usize): i32 { return word(args, sizes + 2); }
function widthOf(args: usize): i32 { return word(args, sizes + 3); }
function featuresOf(args: usize): i32 { return word(args, sizes + 4); }
function outHeightOf(args: usize): i32 { return word(args, sizes + 5); }
function outWidthOf(args: usize): i32 { return word(args, sizes + 6); }
function kernelHeightOf(args: usize): i32 { return word(args, sizes + 7); }
function kernelWidthOf(args: usize): i32 { return word(args, sizes + 8); }

/** First row of the patch of a position, and first column: they may lie outside the image. */
function patchRow(args: usize, position: i32): i32 {
  return (position / outWidthOf(args)) * word(args, sizes + 9) - word(args, sizes + 11);
}
function patchColumn(args: usize, position: i32): i32 {
  return (position % outWidthOf(args)) * word(args, sizes + 10) - word(args, sizes + 12);
}

/** Copies the patch [channel, row, column] that a position sees in one image; cells outside it are zero. */
function unrollPatch(args: usize, image: usize, position: i32, to: usize): void {
  const channels = channelsOf(args);
  const height = heightOf(args);
  const width = widthOf(args);
  const kernelHeight = kernelHeightOf(args);
  const kernelWidth = kernelWidthOf(args);
  const row = patchRow(args, position);
  const column = patchColumn(args, position);
  const inside = column >= 0 && column + kernelWidth <= width;
  for (let c = 0; c < channels; c++) {
    for (let u = 0; u < kernelHeight; u++) {
      const y = row + u;
      const present = y >= 0 && y < height;
      const from = at(image, (c * height + y) * width + column);
      for (let v = 0; v < kernelWidth; v++) {
        const x = column + v;
        store<f32>(to, present && (inside || (x >= 0 && x < width)) ? load<f32>(at(from, v)) : 0);
        to += 4;
      }
    }
  }
}

/**
 * y = w·x + b, rows of weights against rows of patches. Threads share out the positions; the patches of a block of images are packed
 * and swept with all kernels of the position, four at a time.
 *
 * Arguments: 0 x, 1 w, 2 bias or 0, 3 y, 4 scratch, 5 scratch bytes per thread; 6 batch, 7 channels, 8 height, 9 width, 10 output
 * channels, 11 output height, 12 output width, 13 kernel height, 14 kernel width, 15 strideY, 16 strideX, 17 top, 18 left; 19 images
 * of a block (even).
 */
export function local2d(args: usize, share: i32, shares: i32): void {
  const scratch = scratchOf(args, 4);
  const batch = batchOf(args);
  const most = word(args, 19);
  const positions = outHeightOf(args) * outWidthOf(args);
  const last = shareStart(positions, share + 1, shares);
  for (let position = shareStart(positions, share, shares); position < last; position++) {
    for (let n = 0; n < batch; n += most) forwardBlock(args, scratch, position, n, min(most, batch - n));
  }
}

/** `count` images from the first at one position. */
function forwardBlock(args: usize, scratch: usize, position: i32, first: i32, count: i32): void {
  const features = featuresOf(args);
  const positions = outHeightOf(args) * outWidthOf(args);
  const depth = channelsOf(args) * kernelHeightOf(args) * kernelWidthOf(args);
  const imageSize = channelsOf(args) * heightOf(args) * widthOf(args);
  const steps = vectors(depth);
  const rowBytes = <usize>steps << 4;
  const columnTiles = (count + dotColumns - 1) / dotColumns;
  // Sums of a tile, a pair of patches as they are, four rows of weights packed, all pairs packed.
  const pair = scratch + dotTileBytes;
  const a = pair + rowBytes * dotColumns;
  const b = a + rowBytes * dotRows;
  const tileBytes = rowBytes * dotColumns;
  for (let k = 0; k < columnTiles; k++) {
    const present = min(dotColumns, count - k * dotColumns);
    for (let i = 0; i < present; i++) {
      const image = at(pointer(args, 0), (first + k * dotColumns + i) * imageSize);
      unrollPatch(args, image, position, pair + <usize>i * rowBytes);
    }
    packRows(pair, rowBytes, present, dotColumns, depth, b + <usize>k * tileBytes);
  }
  const stride = <usize>(positions * depth) << 2;
  for (let o = 0; o < features; o += dotRows) {
    const rows = min(dotRows, features - o);
    packRows(at(pointer(args, 1) + <usize>o * stride, position * depth), stride, rows, dotRows, depth, a);
    for (let k = 0; k < columnTiles; k++) {
      memory.fill(scratch, 0, dotTileBytes);
      dotTile(a, b + <usize>k * tileBytes, steps, scratch);
      const present = min(dotColumns, count - k * dotColumns);
      for (let i = 0; i < present; i++) {
        for (let row = 0; row < rows; row++) {
          finish(args, first + k * dotColumns + i, (o + row) * positions + position, scratch + <usize>(row * 32 + i * 16));
        }
      }
    }
  }
}

/** One output, from its four partial sums. */
function finish(args: usize, n: i32, feature: i32, sums: usize): void {
  const bias = pointer(args, 2);
  let sum = sumLanes(v128.load(sums));
  if (bias) sum += load<f32>(at(bias, feature));
  store<f32>(at(pointer(args, 3), n * featuresOf(args) * outHeightOf(args) * outWidthOf(args) + feature), sum);
}

/** Packs dy [image][output channel] of one position into tiles of images, [output channel][images of the tile]. */
function packGradients(args: usize, dy: usize, position: i32, first: i32, count: i32, to: usize): void {
  const features = featuresOf(args);
  const positions = outHeightOf(args) * outWidthOf(args);
  const tiles = tileCount(count);
  for (let tile = 0; tile < tiles; tile++) {
    const start = tileStart(count, tiles, tile);
    const mr = tileStart(count, tiles, tile + 1) - start;
    for (let o = 0; o < features; o++) {
      for (let i = 0; i < mr; i++) {
        store<f32>(to, load<f32>(at(dy, ((first + start + i) * features + o) * positions + position)));
        to += 4;
      }
    }
  }
}

/**
 * dx = Σ over the positions that see a cell, one after the other, of Σ_o dy·w. Threads share out the channels; at each position the
 * gradients of a block of images' patches are products of dy and w, and then added to where the patches lie.
 *
 * Arguments: 0 dy, 1 w, 2 dx, 3 unused, 4 scratch, 5 scratch bytes per thread, 6 … 18 as `local2d`, 19 images of a block, 20 channels
 * of a block.
 */
export function local2dDataGradient(args: usize, share: i32, shares: i32): void {
  const scratch = scratchOf(args, 4);
  const batch = batchOf(args);
  const channels = channelsOf(args);
  const plane = heightOf(args) * widthOf(args);
  const positions = outHeightOf(args) * outWidthOf(args);
  const mostImages = word(args, 19);
  const mostChannels = word(args, 20);
  const last = shareStart(channels, share + 1, shares);
  for (let c = shareStart(channels, share, shares); c < last; c += mostChannels) {
    const count = min(mostChannels, last - c);
    for (let n = 0; n < batch; n++) {
      memory.fill(at(pointer(args, 2), (n * channels + c) * plane), 0, <usize>(count * plane) << 2);
    }
    for (let position = 0; position < positions; position++) {
      const panels = packKernels(args, scratch, position, c, count);
      for (let n = 0; n < batch; n += mostImages) {
        gradientBlock(args, scratch, panels, position, c, count, n, min(mostImages, batch - n));
      }
    }
  }
}

/** Packs channels [first, first + count) of a position's kernels into panels [columns / 8][output channel][8] behind the offsets. */
function packKernels(args: usize, scratch: usize, position: i32, first: i32, count: i32): usize {
  const features = featuresOf(args);
  const taps = kernelHeightOf(args) * kernelWidthOf(args);
  const depth = channelsOf(args) * taps;
  const columns = count * taps;
  const stride = <usize>(outHeightOf(args) * outWidthOf(args) * depth) << 2;
  const from = at(pointer(args, 1), position * depth + first * taps);
  const panels = scratch + 64 + stagingBytes;
  let to = panels;
  for (let column = 0; column < columns; column += 8) {
    const low = laneMask(columns - column);
    const high = laneMask(columns - column - 4);
    let row = at(from, column);
    for (let o = 0; o < features; o++) {
      v128.store(to, v128.and(v128.load(row), low));
      v128.store(to, v128.and(v128.load(row, 16), high), 16);
      to += 32;
      row += stride;
    }
  }
  return panels;
}

function gradientBlock(
  args: usize, scratch: usize, panels: usize, position: i32, channel: i32, channels: i32, first: i32, count: i32,
): void {
  const features = featuresOf(args);
  const columns = channels * kernelHeightOf(args) * kernelWidthOf(args);
  const columnPanels = (columns + 7) >> 3;
  const stride = <usize>columnPanels << 5;
  const panelBytes = <usize>features << 5;
  const a = panels + <usize>columnPanels * panelBytes;
  const patches = a + (<usize>(count * features) << 2);
  packGradients(args, pointer(args, 0), position, first, count, a);
  const tiles = tileCount(count);
  for (let tile = 0; tile < tiles; tile++) {
    const start = tileStart(count, tiles, tile);
    const mr = tileStart(count, tiles, tile + 1) - start;
    const tileA = at(a, start * features);
    for (let panel = 0; panel < columnPanels; panel++) {
      const to = patches + <usize>start * stride + (<usize>panel << 5);
      outerTile(mr, tileA, panels + <usize>panel * panelBytes, features, to, stride, false, 0, false);
    }
  }
  const height = heightOf(args);
  const width = widthOf(args);
  for (let i = 0; i < count; i++) {
    const image = at(pointer(args, 2), ((first + i) * channelsOf(args) + channel) * height * width);
    addPatch(args, image, position, channels, patches + <usize>i * stride);
  }
}

/** Adds a patch [channel, row, column] to the image where it lies; what is outside is left out. */
function addPatch(args: usize, image: usize, position: i32, channels: i32, from: usize): void {
  const height = heightOf(args);
  const width = widthOf(args);
  const kernelHeight = kernelHeightOf(args);
  const kernelWidth = kernelWidthOf(args);
  const row = patchRow(args, position);
  const column = patchColumn(args, position);
  const start = max(0, -column);
  const end = min(kernelWidth, width - column);
  for (let c = 0; c < channels; c++) {
    for (let u = 0; u < kernelHeight; u++, from += <usize>kernelWidth << 2) {
      const y = row + u;
      if (y < 0 || y >= height) continue;
      const to = at(image, (c * height + y) * width + column);
      for (let v = start; v < end; v++) store<f32>(at(to, v), load<f32>(at(to, v)) + load<f32>(at(from, v)));
    }
  }
}

/**
 * dw = Σ_n dy·x for each position, a product of depth N. Threads share out the positions.
 *
 * Arguments: 0 dy, 1 x, 2 dw, 3 unused, 4 scratch, 5 scratch bytes per thread, 6 … 18 as `local2d`, 19 images of a block.
 */
export function local2dWeightGradient(args: usize, share: i32, shares: i32): void {
  const scratch = scratchOf(args, 4);
  const batch = batchOf(args);
  const most = word(args, 19);
  const positions = outHeightOf(args) * outWidthOf(args);
  columnOffsets(scratch);
  const last = shareStart(positions, share + 1, shares);
  for (let position = shareStart(positions, share, shares); position < last; position++) {
    for (let n = 0; n < batch; n += most) weightBlock(args, scratch, position, n, min(most, batch - n));
  }
}

function weightBlock(args: usize, scratch: usize, position: i32, first: i32, count: i32): void {
  const features = featuresOf(args);
  const positions = outHeightOf(args) * outWidthOf(args);
  const depth = channelsOf(args) * kernelHeightOf(args) * kernelWidthOf(args);
  const imageSize = channelsOf(args) * heightOf(args) * widthOf(args);
  const columnPanels = (depth + 7) >> 3;
  const panelBytes = <usize>count << 5;
  const staging = scratch + 64;
  const patch = staging + stagingBytes;
  const patchBytes = <usize>columnPanels << 5;
  const a = patch + patchBytes;
  const b = a + (<usize>(count * features) << 2);
  // The end of the last panel: no patch reaches it.
  memory.fill(patch, 0, patchBytes);
  for (let i = 0; i < count; i++) {
    unrollPatch(args, at(pointer(args, 1), (first + i) * imageSize), position, patch);
    let to = b + (<usize>i << 5);
    for (let from = patch; from < a; from += 32, to += panelBytes) {
      v128.store(to, v128.load(from));
      v128.store(to, v128.load(from, 16), 16);
    }
  }
  const tiles = tileCount(features);
  packFeatures(args, position, first, count, tiles, a);
  const stride = <usize>(positions * depth) << 2;
  for (let tile = 0; tile < tiles; tile++) {
    const o = tileStart(features, tiles, tile);
    const mr = tileStart(features, tiles, tile + 1) - o;
    const tileA = at(a, o * count);
    const rowTo = at(pointer(args, 2) + <usize>o * stride, position * depth);
    for (let panel = 0; panel < columnPanels; panel++) {
      const to = rowTo + (<usize>panel << 5);
      const from = b + <usize>panel * panelBytes;
      const columns = depth - (panel << 3);
      if (columns >= 8) outerTile(mr, tileA, from, count, to, stride, first > 0, 0, false);
      else outerTileScattered(mr, tileA, from, count, to, stride, first > 0, 0, false, columns, scratch, staging);
    }
  }
}

/** Packs dy of one position into tiles of output channels, [image][channels of the tile]. */
function packFeatures(args: usize, position: i32, first: i32, count: i32, tiles: i32, to: usize): void {
  const features = featuresOf(args);
  const positions = outHeightOf(args) * outWidthOf(args);
  for (let tile = 0; tile < tiles; tile++) {
    const o = tileStart(features, tiles, tile);
    const mr = tileStart(features, tiles, tile + 1) - o;
    for (let n = 0; n < count; n++) {
      for (let i = 0; i < mr; i++) {
        store<f32>(to, load<f32>(at(pointer(args, 0), ((first + n) * features + o + i) * positions + position)));
        to += 4;
      }
    }
  }
}
