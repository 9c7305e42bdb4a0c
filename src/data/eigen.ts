/** Eigenvalues and eigenvectors of small symmetric matrices. */

export interface Eigen {
  /** The largest first. */
  readonly values: number[];
  /** Unit vectors, one for each value, their entry of largest magnitude positive. */
  readonly vectors: number[][];
}

/** Sweeps after which nothing is left to rotate: convergence is quadratic, a 3×3 matrix takes four or five. */
const mostSweeps = 50;

/**
 * Jacobi's method (Golub and Van Loan, Matrix Computations, 4th ed., §8.5): rotations in the planes (p, q) in turn, each of which makes
 * entry (p, q) zero, until all entries off the diagonal are.
 *
 * @param matrix symmetric; it is not changed
 */
export function symmetricEigen(matrix: readonly (readonly number[])[]): Eigen {
  const n = matrix.length;
  const a = matrix.map((row) => [...row]);
  const v = a.map((_, i) => a.map((_, j) => Number(i === j)));
  for (let sweep = 0; sweep < mostSweeps; sweep++) {
    let rotated = false;
    for (let p = 0; p < n; p++) {
      for (let q = p + 1; q < n; q++) rotated = rotate(a, v, p, q) || rotated;
    }
    if (!rotated) break;
  }
  const order = a.map((_, i) => i).sort((i, j) => a[j][j] - a[i][i]);
  return {
    values: order.map((i) => a[i][i]),
    vectors: order.map((i) => facing(v.map((row) => row[i]))),
  };
}

/** Makes a[p][q] zero, A ← JᵀAJ and V ← VJ; false when it is negligible beside the diagonal already. */
function rotate(a: number[][], v: number[][], p: number, q: number): boolean {
  const off = a[p][q];
  if (Math.abs(off) <= Number.EPSILON * Math.sqrt(Math.abs(a[p][p] * a[q][q])) || off === 0) {
    return false;
  }
  const tau = (a[q][q] - a[p][p]) / (2 * off);
  // The smaller root of t² + 2τt − 1, the tangent of the smaller angle.
  const t = (tau < 0 ? -1 : 1) / (Math.abs(tau) + Math.hypot(1, tau));
  const c = 1 / Math.hypot(1, t);
  const s = t * c;
  const n = a.length;
  for (let k = 0; k < n; k++) {
    const [kp, kq] = [a[k][p], a[k][q]];
    a[k][p] = c * kp - s * kq;
    a[k][q] = s * kp + c * kq;
  }
  for (let k = 0; k < n; k++) {
    const [pk, qk] = [a[p][k], a[q][k]];
    a[p][k] = c * pk - s * qk;
    a[q][k] = s * pk + c * qk;
  }
  a[p][q] = 0;
  a[q][p] = 0;
  for (let k = 0; k < n; k++) {
    const [kp, kq] = [v[k][p], v[k][q]];
    v[k][p] = c * kp - s * kq;
    v[k][q] = s * kp + c * kq;
  }
  return true;
}

function facing(vector: number[]): number[] {
  const largest = vector.reduce((most, value) => (Math.abs(value) > Math.abs(most) ? value : most), 0);
  return largest < 0 ? vector.map((value) => -value) : vector;
}
