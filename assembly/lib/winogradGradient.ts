/**
 * The weight gradient as Winograd's algorithm turned around: dU = Σ_tiles (Bᵀ x B) ⊙ (A dy Aᵀ), a product of matrices for each
 * position whose depth runs over all tiles of the batch. Arguments are those of `winograd.ts`.
 */
import { pointer, scratchOf, shareStart, word } from './args';
import { outerTile } from './gemm';
import { endProduct, startProduct } from './product';
import { transformQuads } from './winograd';

/** V [group][position][quad][tile][4] of the lines given. Threads share out groups, lines and quads. */
export function winogradGradientInput(args: usize, share: i32, shares: i32): void {
  const tiles = (word(args, 30) - word(args, 29)) * word(args, 16);
  transformLines(args, false, share, shares, 16, <usize>tiles << 4);
}

/** The same of dy, [group][position][octet][tile][8]; the quads of its channels are rounded up to octets. */
export function winogradGradientOutput(args: usize, share: i32, shares: i32): void {
  transformLines(args, true, share, shares, 32, 0);
}

function transformLines(args: usize, gradient: bool, share: i32, shares: i32, tileStep: usize, quadStep: usize): void {
  const stage = scratchOf(args, 4);
  const quads = word(args, 20) >> 2;
  const first = word(args, 29);
  const lines = word(args, 30) - first;
  const lineTiles = word(args, 16);
  const positions = word(args, 18) * word(args, 18);
  const total = word(args, 8) * lines * quads;
  const last = shareStart(total, share + 1, shares);
  for (let item = shareStart(total, share, shares); item < last; item++) {
    const quad = item % quads;
    const line = (item / quads) % lines;
    const group = item / (quads * lines);
    const v = pointer(args, 6) + <usize>(group * positions) * pointer(args, 24) + <usize>(line * lineTiles) * tileStep;
    // Two quads of dy interleave to an octet.
    const origin = gradient ? v + (<usize>((quad >> 1) * lines * lineTiles) << 5) + (<usize>(quad & 1) << 4) : v;
    transformQuads(args, gradient, group, first + line, quad, quad + 1, stage, origin, tileStep, quadStep);
  }
}

/**
 * dU [group][position][octet][depth][8], added to what it holds from the second block of lines on: 3 dU, 6 V, 7 the transformed dy,
 * 24, 25 and 26 bytes between positions of these. Threads share out groups, positions and octets.
 */
export function winogradWeightGradient(args: usize, share: i32, shares: i32): void {
  const tiles = (word(args, 30) - word(args, 29)) * word(args, 16);
  const more = word(args, 29) > 0;
  const depth = word(args, 20);
  const octets = (word(args, 21) + 7) >> 3;
  const total = word(args, 8) * word(args, 18) * word(args, 18) * octets;
  const first = shareStart(total, share, shares);
  const last = shareStart(total, share + 1, shares);
  startProduct();
  for (let item = first; item < last; item++) {
    const plane = <usize>(item / octets);
    const dy = pointer(args, 7) + plane * pointer(args, 25) + (<usize>(item % octets * tiles) << 5);
    let v = pointer(args, 6) + plane * pointer(args, 24);
    let to = pointer(args, 3) + plane * pointer(args, 26) + (<usize>(item % octets * depth) << 5);
    for (let q = 0; q < depth; q += 4, v += <usize>tiles << 4, to += 128) outerTile(4, v, dy, tiles, to, 32, more, 0, false);
  }
  endProduct(<f64>(last - first) * <f64>(depth << 3) * <f64>tiles);
}
