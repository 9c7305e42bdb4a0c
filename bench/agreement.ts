/** Logits of two implementations agree when no two differ by more than this, relative to the largest. */
export const agreementBound = 1e-5;

/** The same where weights are stored at a loss: what int16 was seen to cost is 5·10⁻⁵, and a fault costs far more than this. */
export const lossyBound = 1e-3;

/** max|found − expected| / max|expected|; infinite for another length, NaN when either side has one. */
export function relativeDifference(found: Float32Array, expected: Float32Array): number {
  if (found.length !== expected.length) return Number.POSITIVE_INFINITY;
  let largest = 0;
  let difference = 0;
  for (let i = 0; i < expected.length; i++) {
    largest = Math.max(largest, Math.abs(expected[i]));
    difference = Math.max(difference, Math.abs(found[i] - expected[i]));
  }
  return difference === 0 ? 0 : difference / largest;
}
