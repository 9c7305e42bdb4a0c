/** Joining tensors along an axis, and cutting one: what `concat` and `split` share. */
import { GraphError } from '../../errors.js';
import { elements, formatShape, type TensorType } from '../define.js';

/** A tensor seen as rows, each the pieces' rows one after another. */
export interface Rows {
  /** Product of the extents before the axis. */
  readonly rows: number;
  /** Elements of a row of each piece: extent along the axis times the extents after it. */
  readonly lengths: readonly number[];
  /** Elements of a row of the whole. */
  readonly pitch: number;
}

/** Rows of the whole with the given shape, whose pieces have the given extents along the axis. */
export function rowsOf(shape: readonly number[], axis: number, sizes: readonly number[]): Rows {
  const inner = elements(shape.slice(axis + 1));
  return {
    rows: elements(shape.slice(0, axis)),
    lengths: sizes.map((size) => size * inner),
    pitch: shape[axis] * inner,
  };
}

/** Throws unless x is float32 and has the axis. */
export function expectAxis(op: string, what: string, { dtype, shape }: TensorType, axis: number): void {
  if (dtype !== 'f32' || axis >= shape.length) {
    throw new GraphError(
      `${op}: ${what} must be a f32 tensor of more than ${axis} dimensions (axis ${axis}), got ${dtype} ${formatShape(shape)}`,
    );
  }
}

/** The pieces joined; one that is missing is all zeros. */
export function join({ rows, lengths, pitch }: Rows, pieces: readonly (Float64Array | undefined)[]): Float64Array {
  const whole = new Float64Array(rows * pitch);
  let start = 0;
  pieces.forEach((piece, i) => {
    const length = lengths[i];
    for (let row = 0; piece && row < rows; row++) {
      whole.set(piece.subarray(row * length, (row + 1) * length), row * pitch + start);
    }
    start += length;
  });
  return whole;
}

/** The pieces of a whole. */
export function cut({ rows, lengths, pitch }: Rows, whole: Float64Array): Float64Array[] {
  let start = 0;
  return lengths.map((length) => {
    const piece = new Float64Array(rows * length);
    for (let row = 0; row < rows; row++) {
      const from = row * pitch + start;
      piece.set(whole.subarray(from, from + length), row * length);
    }
    start += length;
    return piece;
  });
}
