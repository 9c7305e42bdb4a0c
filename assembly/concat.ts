import { pointer, word } from './lib/args';
import { copyPieces } from './lib/pieces';

/** Joins pieces along an axis. Arguments: 0 y, 1 rows, 2 length of a row of y, 3 number of pieces, then address and length of each. */
export function concat(args: usize, share: i32, shares: i32): void {
  copyPieces(args, 4, word(args, 3), pointer(args, 0), word(args, 1), word(args, 2), true, share, shares);
}
