/** Joining and cutting along an axis: every row of the whole is a row of each of its pieces, one after another. */
import { at, lineStart, pointer, word } from './args';

/**
 * Copies between a whole, `rows` × `pitch` elements, and its pieces, `rows` × `length` each; a piece at address 0 stands for
 * zeros. `words` is the index of the first piece's two words: address and length. Each thread takes its share of every piece.
 */
export function copyPieces(
  args: usize, words: i32, pieces: i32, whole: usize, rows: i32, pitch: i32, joining: bool, share: i32, shares: i32,
): void {
  for (let i = 0; i < pieces; i++) {
    const piece = pointer(args, words + 2 * i);
    const length = word(args, words + 2 * i + 1);
    const last = lineStart(rows * length, share + 1, shares);
    let position = lineStart(rows * length, share, shares);
    while (position < last) {
      const row = position / length;
      const column = position - row * length;
      const count = min(length - column, last - position);
      const inWhole = at(at(whole, row * pitch), column);
      const inPiece = at(piece, position);
      const bytes = <usize>count << 2;
      if (!joining) memory.copy(inPiece, inWhole, bytes);
      else if (piece) memory.copy(inWhole, inPiece, bytes);
      else memory.fill(inWhole, 0, bytes);
      position += count;
    }
    whole = at(whole, length);
  }
}
