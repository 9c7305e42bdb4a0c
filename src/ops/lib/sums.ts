/**
 * Error bounds that several ops share. All of them are absolute errors of a float32 kernel against the float64 reference;
 * u = 2⁻²⁴ is `unitRoundoff`.
 */
import { type Judged, sumConstant, unitRoundoff } from '../define.js';

/**
 * Sums that keep, beside each value, what its error bound is made of: c·u·√(Σ sₖ² + Σ pₖ²) with the partial sums sₖ and
 * the products pₖ (see `sumConstant`).
 */
export class Sums {
  readonly data: Float64Array;
  private readonly squares: Float64Array;

  constructor(length: number) {
    this.data = new Float64Array(length);
    this.squares = new Float64Array(length);
  }

  /** Adds a product: both it and the partial sum are rounded. */
  addProduct(at: number, product: number): void {
    const partial = this.data[at] + product;
    this.data[at] = partial;
    this.squares[at] += partial * partial + product * product;
  }

  /**
   * Adds a value that is float32 as it stands: adding it to zero is exact, so a sum of one value is. Else it counts like a
   * product, since in another order of summation the partial sums are of its size.
   */
  addValue(at: number, value: number): void {
    if (this.data[at] === 0) this.data[at] = value;
    else this.addProduct(at, value);
  }

  /** Multiplies a sum: one more product, of a factor that is float32 as it stands. */
  multiply(at: number, factor: number): void {
    const product = factor * this.data[at];
    this.data[at] = product;
    this.squares[at] = factor * factor * this.squares[at] + product * product;
  }

  /** The sums and their bounds; the last call on this object (the bounds take the place of the squares). */
  judged(): Judged {
    const bound = this.squares;
    for (let i = 0; i < bound.length; i++) bound[i] = sumConstant * unitRoundoff * Math.sqrt(bound[i]);
    return { data: this.data, bound };
  }
}

/**
 * Factor on bounds found by first-order propagation, where every rounding is taken at its worst: it covers the second-order
 * terms and other ways to evaluate the same formula (multiplying by a reciprocal, another association of a product).
 */
export const propagationConstant = 2;

/** Smallest normal float32: results below it may be flushed to zero, so a bound on a value that can be so small includes it. */
export const underflow = 2 ** -126;

/** Error of one correctly rounded operation with result y (for a subnormal y half the spacing of subnormals). */
export function roundingError(y: number): number {
  return Math.max(unitRoundoff * Math.abs(y), 2 ** -150);
}

/** A result that a kernel must give exactly. */
export function exact(data: Float64Array): Judged {
  return { data, bound: new Float64Array(data.length) };
}
