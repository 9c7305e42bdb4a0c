/** Products of matrices: tiles of A against panels of B, both packed, whichever way round they lie in memory. */
import { at, pointer, scratchOf, shareStart, word } from './lib/args';
import { columnOffsets, outerTile, outerTileScattered, stagingBytes, tileCount, tileStart } from './lib/gemm';
import { packBlock, packColumns } from './lib/pack';

/**
 * C[m][n] = Σ_k A[m][k] · B[k][n]. A comes packed into tiles (`packWeights`). C is cut into blocks, some tiles of rows high and some panels
 * of eight columns wide, which threads share out; for each they pack blocks of B. An element's products are added in the order of k.
 *
 * Arguments: 0 packed A, 1 B, 2 C, 3 scratch, 4 scratch bytes per thread, 5 M, 6 K, 7 N, 8 whether B lies transposed, [N][K], 9 rows of
 * B in a block, 10 panels of a block, 11 tiles of a block.
 */
export function matMul(args: usize, share: i32, shares: i32): void {
  const scratch = scratchOf(args, 3);
  const tiles = tileCount(word(args, 5));
  const panels = (word(args, 7) + 7) >> 3;
  const blockPanels = word(args, 10);
  const blockTiles = word(args, 11);
  const across = (panels + blockPanels - 1) / blockPanels;
  const down = (tiles + blockTiles - 1) / blockTiles;
  columnOffsets(scratch);
  const last = shareStart(across * down, share + 1, shares);
  for (let item = shareStart(across * down, share, shares); item < last; item++) {
    const panel = (item / down) * blockPanels;
    const tile = (item % down) * blockTiles;
    multiplyBlock(args, scratch, tile, min(tiles, tile + blockTiles), panel, min(blockPanels, panels - panel));
  }
}

/** Tiles [firstTile, lastTile) of A against `count` panels of B. */
function multiplyBlock(args: usize, scratch: usize, firstTile: i32, lastTile: i32, first: i32, count: i32): void {
  const rows = word(args, 5);
  const depth = word(args, 6);
  const columns = word(args, 7);
  const most = word(args, 9);
  const tiles = tileCount(rows);
  const stride = <usize>columns << 2;
  const staging = scratch + 64;
  const b = staging + stagingBytes;
  for (let k = 0; k < depth; k += most) {
    const length = min(most, depth - k);
    const panelBytes = <usize>length << 5;
    const column = first << 3;
    if (word(args, 8)) packColumns(at(pointer(args, 1), column * depth + k), <usize>depth << 2, length, columns - column, count, b);
    else packBlock(at(pointer(args, 1), k * columns + column), stride, length, columns - column, count, b);
    for (let tile = firstTile; tile < lastTile; tile++) {
      const row = tileStart(rows, tiles, tile);
      const mr = tileStart(rows, tiles, tile + 1) - row;
      const a = at(pointer(args, 0), row * depth + k * mr);
      const to = at(pointer(args, 2) + <usize>row * stride, column);
      for (let panel = 0; panel < count; panel++) {
        const c = to + (<usize>panel << 5);
        const from = b + <usize>panel * panelBytes;
        const left = columns - column - (panel << 3);
        if (left >= 8) outerTile(mr, a, from, length, c, stride, k > 0, 0, false);
        else outerTileScattered(mr, a, from, length, c, stride, k > 0, 0, false, left, scratch, staging);
      }
    }
  }
}
