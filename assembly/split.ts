import { pointer, word } from './lib/args';
import { copyPieces } from './lib/pieces';

/** Cuts along an axis. Arguments: 0 x, 1 rows, 2 length of a row of x, 3 number of pieces, then address and length of each. */
export function split(args: usize, share: i32, shares: i32): void {
  copyPieces(args, 4, word(args, 3), pointer(args, 0), word(args, 1), word(args, 2), false, share, shares);
}

/** Joins the gradients of the pieces; a piece at address 0 is all zeros. Arguments: as for `split`, with dx for x. */
export function splitGradient(args: usize, share: i32, shares: i32): void {
  copyPieces(args, 4, word(args, 3), pointer(args, 0), word(args, 1), word(args, 2), true, share, shares);
}
