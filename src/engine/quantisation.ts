/** Int16 storage of a float32 matrix, row by row: w ≈ q · scale with integers q from −32767 to 32767. */
import type { ReadElements, Storage } from '../backends/backend.js';
import { InputError } from '../errors.js';
import type { Initializer } from '../graph/graph.js';
import { initialValues } from '../graph/initialValues.js';

/** What a weight lost by being stored as int16. */
export interface Quantisation {
  /** Of the parameter: 'fc6.weight'. */
  readonly name: string;
  /** Largest |Δw| ÷ largest |w|. */
  readonly maxError: number;
  /** √(mean of Δw²) ÷ largest |w|. */
  readonly rmsError: number;
}

const largestInteger = 32767;
/** Smallest normal float32: a smaller scale would have lost its precision. */
const smallestScale = 2 ** -126;
/** Weights that are float32 at one time, about. */
const blockLength = 2 ** 20;

/**
 * A weight [O, K] whose content is float32 to callers and int16 in the backend's memory. Each weight is rounded to the nearest
 * multiple of its row's scale, which is the largest |w| of the row ÷ 32767, or 0 for a row of zeros: none moves by more than
 * scale / 2. NaN and infinities are InputErrors that name the place.
 */
export class QuantisedWeight implements Pick<Storage, 'write' | 'load' | 'draw' | 'read'> {
  /** Of the last content written. */
  quantisation: Quantisation | undefined;

  constructor(
    private readonly name: string,
    private readonly integers: Storage,
    private readonly scales: Storage,
  ) {}

  /** Changes nothing when it fails. */
  async write(data: Float32Array): Promise<void> {
    const [rows, columns] = this.integers.type.shape;
    for (let row = 0; row < rows; row++) this.scaleOf(data, row * columns, row);
    await this.load(async (into, offset) => into.set(data.subarray(offset, offset + into.length)));
  }

  async load(read: ReadElements): Promise<void> {
    const [rows, columns] = this.integers.type.shape;
    const rounding = new Rounding();
    const scales = new Float32Array(rows);
    const block = new Float32Array(Math.min(rows, Math.ceil(blockLength / columns)) * columns);
    let [start, end] = [0, 0];
    /** Replaces the block by the integers of the next rows. */
    const advance = async () => {
      start = end;
      end = Math.min(start + block.length, rows * columns);
      await read(block.subarray(0, end - start), start);
      for (let i = 0; i < end - start; i += columns) {
        const row = (start + i) / columns;
        scales[row] = this.scaleOf(block, i, row);
        rounding.round(block.subarray(i, i + columns), scales[row]);
      }
    };
    await this.integers.load(async (into, offset) => {
      for (let at = offset; at < offset + into.length; at = Math.min(end, offset + into.length)) {
        if (at === end) await advance();
        into.set(block.subarray(at - start, Math.min(end, offset + into.length) - start), at - offset);
      }
    });
    await this.scales.write(scales);
    this.quantisation = rounding.summary(this.name);
  }

  async draw(init: Initializer, seed: number, name: string): Promise<void> {
    await this.write(initialValues(init, this.integers.type.shape, seed, name));
  }

  async read(into?: Float32Array): Promise<Float32Array> {
    const weights = await this.integers.read(into);
    const scales = await this.scales.read();
    const columns = weights.length / scales.length;
    for (const [row, scale] of scales.entries()) {
      const end = (row + 1) * columns;
      for (let i = row * columns; i < end; i++) weights[i] *= scale;
    }
    return weights;
  }

  /** The scale of the row that begins at `start`. */
  private scaleOf(data: Float32Array, start: number, row: number): number {
    const [, columns] = this.integers.type.shape;
    let largest = 0;
    // In float64 no sum of float32 magnitudes overflows: it is finite when all of them are.
    let sum = 0;
    for (let i = start; i < start + columns; i++) {
      const magnitude = Math.abs(data[i]);
      sum += magnitude;
      if (magnitude > largest) largest = magnitude;
    }
    if (Number.isFinite(sum)) return largest === 0 ? 0 : Math.max(Math.fround(largest / largestInteger), smallestScale);
    const column = data.subarray(start, start + columns).findIndex((value) => !Number.isFinite(value));
    throw new InputError(
      `'${this.name}': int16 weights must be finite, got ${data[start + column]} in row ${row}, column ${column}`,
    );
  }
}

/** Rounds rows, and keeps count of what that costs. */
class Rounding {
  private count = 0;
  private largest = 0;
  private maxError = 0;
  private squares = 0;

  /** Replaces weights by integers. */
  round(row: Float32Array, scale: number): void {
    const inverse = scale === 0 ? 0 : 1 / scale;
    for (let i = 0; i < row.length; i++) {
      const integer = Math.round(row[i] * inverse);
      const error = Math.abs(row[i] - integer * scale);
      if (error > this.maxError) this.maxError = error;
      this.squares += error * error;
      this.largest = Math.max(this.largest, Math.abs(row[i]));
      row[i] = integer;
    }
    this.count += row.length;
  }

  summary(name: string): Quantisation {
    const unit = this.largest || 1;
    return { name, maxError: this.maxError / unit, rmsError: Math.sqrt(this.squares / this.count) / unit };
  }
}
