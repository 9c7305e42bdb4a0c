/** Int16 storage of a float32 matrix, row by row: w ≈ q · scale with integers q from −32767 to 32767. */
import { InputError } from '../errors.js';

/** What a weight lost by being stored as int16. */
export interface Quantisation {
  /** Of the parameter: 'fc6.weight'. */
  readonly name: string;
  /** Largest |Δw| ÷ largest |w|. */
  readonly maxError: number;
  /** √(mean of Δw²) ÷ largest |w|. */
  readonly rmsError: number;
}

export interface QuantisedRows {
  readonly integers: Int16Array;
  /** By row. */
  readonly scales: Float32Array;
  readonly error: Quantisation;
}

const largestInteger = 32767;
/** Smallest normal float32: a smaller scale would have lost its precision. */
const smallestScale = 2 ** -126;

/**
 * Rounds each weight to the nearest multiple of its row's scale, which is the largest |w| of the row ÷ 32767, or 0 for a row of
 * zeros: no weight moves by more than scale / 2.
 *
 * @throws InputError that names the first NaN or infinity
 */
export function quantiseRows(name: string, data: Float32Array, rows: number): QuantisedRows {
  const columns = data.length / rows;
  const integers = new Int16Array(data.length);
  const scales = new Float32Array(rows);
  let largest = 0;
  let maxError = 0;
  let squares = 0;
  for (let row = 0; row < rows; row++) {
    const end = (row + 1) * columns;
    const most = largestOf(name, data, row * columns, end, columns);
    if (most === 0) continue;
    largest = Math.max(largest, most);
    scales[row] = Math.max(most / largestInteger, smallestScale);
    const scale = scales[row];
    const inverse = 1 / scale;
    for (let i = row * columns; i < end; i++) {
      const integer = Math.round(data[i] * inverse);
      const error = Math.abs(data[i] - integer * scale);
      integers[i] = integer;
      if (error > maxError) maxError = error;
      squares += error * error;
    }
  }
  const unit = largest || 1;
  const rmsError = Math.sqrt(squares / data.length) / unit;
  return { integers, scales, error: { name, maxError: maxError / unit, rmsError } };
}

/** Makes weights of integers, in place. */
export function scaleRows(integers: Float32Array, scales: Float32Array): void {
  const columns = integers.length / scales.length;
  for (const [row, scale] of scales.entries()) {
    const end = (row + 1) * columns;
    for (let i = row * columns; i < end; i++) integers[i] *= scale;
  }
}

function largestOf(name: string, data: Float32Array, start: number, end: number, columns: number): number {
  let largest = 0;
  // In float64 no sum of float32 magnitudes overflows: it is finite when all of them are.
  let sum = 0;
  for (let i = start; i < end; i++) {
    const magnitude = Math.abs(data[i]);
    sum += magnitude;
    if (magnitude > largest) largest = magnitude;
  }
  if (Number.isFinite(sum)) return largest;
  const at = data.findIndex((value) => !Number.isFinite(value));
  throw new InputError(
    `'${name}': int16 weights must be finite, got ${data[at]} in row ${Math.floor(at / columns)}, column ${at % columns}`,
  );
}
