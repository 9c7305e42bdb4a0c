/** Means over windows and their gradients, with bounds: what average pooling and adaptive average pooling have in common. */
import { type Accuracy, type Judged, unitRoundoff } from '../define.js';
import { propagationConstant, Sums, underflow } from './sums.js';

/** Calls its argument with (output index, input index) for every cell of every window. */
export type Cells = (visit: (y: number, x: number) => void) => void;

/**
 * y = Σ x / d for each window. The bound is that of the sum, divided, and that of the division, which is exact by 1 (and loses bits
 * of a result below the smallest normal number).
 */
export function meanOf(
  length: number,
  x: Float64Array,
  divisor: (y: number) => number,
  cells: Cells,
  accuracy: Accuracy,
): Judged {
  const sums = new Sums(length);
  cells((y, at) => sums.addValue(y, x[at]));
  const { data, bound } = sums.judged();
  for (let y = 0; y < length; y++) {
    const d = divisor(y);
    data[y] /= d;
    bound[y] = bound[y] / d + divisionError(data[y], d, accuracy);
  }
  return { data, bound };
}

/**
 * dx = Σ dy / d over the windows that hold a cell. Each quotient has the error of its division; the sum of several has that
 * of a sum (the roundings of the divisions are the divisions' own).
 */
export function spreadOver(
  length: number,
  dy: Float64Array,
  divisor: (y: number) => number,
  cells: Cells,
  accuracy: Accuracy,
): Judged {
  const sums = new Sums(length);
  const divisions = new Float64Array(length);
  cells((y, at) => {
    const d = divisor(y);
    const quotient = dy[y] / d;
    sums.addValue(at, quotient);
    divisions[at] += divisionError(quotient, d, accuracy);
  });
  const { data, bound } = sums.judged();
  return { data, bound: bound.map((value, i) => value + divisions[i]) };
}

function divisionError(quotient: number, d: number, accuracy: Accuracy): number {
  return d === 1 ? 0 : propagationConstant * unitRoundoff * accuracy.divide * Math.abs(quotient) + underflow;
}
