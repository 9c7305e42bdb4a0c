/**
 * The matrices of Winograd convolution F(m, r): m neighbouring outputs of a correlation with r taps from n = m + r − 1
 * products, y = Aᵀ[(G w) ⊙ (Bᵀ x)]; in two dimensions Y = Aᵀ[(G w Gᵀ) ⊙ (Bᵀ X B)]A.
 *
 * They are Toom and Cook's (Winograd, Arithmetic Complexity of Computations, 1980; Barabasz, Anderson, Soodhalter and
 * Gregg, Error analysis and improving the accuracy of Winograd convolution for deep neural networks, ACM TOMS 46, 2020):
 * polynomials of r and of m coefficients are multiplied by their values at n − 1 points and at ∞, where a value is the
 * leading coefficient, and the product is interpolated. The correlation is the transpose of that.
 */

import type { Conv2dGeometry } from '../conv2d.js';

/** Row-major rows of a matrix. */
export type Matrix = readonly (readonly number[])[];

export interface Winograd {
  /** Outputs of a tile, m. */
  readonly outputs: number;
  /** Taps of the kernel, r. */
  readonly taps: number;
  /** Inputs and products of a tile, n = m + r − 1. */
  readonly size: number;
  /** Aᵀ [m × n]: powers of the points. */
  readonly output: Matrix;
  /** G [n × r]: powers of the points, each row divided by Π (aᵢ − aⱼ). */
  readonly filter: Matrix;
  /** Bᵀ [n × n]: coefficients of the polynomials Π (t − aⱼ) that vanish at all points but one. */
  readonly input: Matrix;
}

/** The transposed matrix. */
export function transpose(matrix: Matrix): Matrix {
  return matrix[0].map((_, column) => matrix.map((row) => row[column]));
}

/** The finite points; with ±a in pairs the transforms share the even and the odd part of a polynomial. */
function cookToom(outputs: number, taps: number, points: readonly number[]): Winograd {
  const size = outputs + taps - 1;
  const powers = (count: number): number[][] => [
    ...points.map((a) => Array.from({ length: count }, (_, k) => a ** k)),
    Array.from({ length: count }, (_, k) => Number(k === count - 1)),
  ];
  const others = points.map((_, i) => points.filter((_, j) => j !== i));
  const denominators = [...others.map((roots, i) => roots.reduce((product, b) => product * (points[i] - b), 1)), 1];
  return {
    outputs,
    taps,
    size,
    output: transpose(powers(outputs)),
    filter: powers(taps).map((row, i) => row.map((power) => power / denominators[i])),
    input: [...others, points].map((roots) => coefficients(roots, size)),
  };
}

/** Coefficients of Π (t − aⱼ), the constant one first. */
function coefficients(roots: readonly number[], length: number): number[] {
  const found = new Array<number>(length).fill(0);
  found[0] = 1;
  for (const root of roots) for (let k = length - 1; k >= 0; k--) found[k] = (found[k - 1] ?? 0) - root * found[k];
  return found.map((value) => value + 0);
}

/**
 * By the algorithm's name; the order is that of the kernels' variants. The points are those with the smallest error on
 * normal numbers, of all that have small dyadic powers: ±¾ and ±1½ have half the error of the usual ±1 and ±2.
 */
export const winograds = {
  winograd43: cookToom(4, 3, [0, 0.75, -0.75, 1.5, -1.5]),
  winograd53: cookToom(5, 3, [0, 1, -1, 2, -2, 0.5]),
  winograd45: cookToom(4, 5, [0, 1, -1, 2, -2, 0.5, -0.5]),
} as const satisfies Readonly<Record<string, Winograd>>;

export type WinogradName = keyof typeof winograds;

/**
 * Whether this is a Winograd algorithm, and one for the shapes: r × r taps once a stride s has become 1 by moving the s × s
 * phases of the image, and of the kernel padded with zeros, into channels. (A data gradient needs a stride of 1 to begin with.)
 */
export function fitsWinograd(algorithm: string, g: Conv2dGeometry): algorithm is WinogradName {
  const stride = g.strideY;
  const taps = [g.kernelHeight, g.kernelWidth].map((extent) => Math.ceil(extent / stride));
  return (
    algorithm in winograds &&
    stride === g.strideX &&
    g.dilationY === 1 &&
    g.dilationX === 1 &&
    taps.every((count) => count === winograds[algorithm as WinogradName].taps)
  );
}
