import { at, pointer, shareStart, word } from './lib/args';
import { exponentialSum, rowMaximum } from './softmax';

/** y[n][i] = (x[n][i] − max) − log Σ exp(x[n][j] − max). Arguments: x, y, rows, length of a row. */
export function logSoftmax(args: usize, share: i32, shares: i32): void {
  const rows = word(args, 2);
  const length = word(args, 3);
  const last = shareStart(rows, share + 1, shares);
  for (let row = shareStart(rows, share, shares); row < last; row++) {
    const x = at(pointer(args, 0), row * length);
    const y = at(pointer(args, 1), row * length);
    const largest = rowMaximum(x, length);
    const logarithm = Mathf.log(exponentialSum(x, length, largest));
    for (let i = 0; i < length; i++) store<f32>(at(y, i), load<f32>(at(x, i)) - largest - logarithm);
  }
}

/** dx[n][i] = dy[n][i] − exp(y[n][i])·Σ_j dy[n][j]. Arguments: dy, y, dx, rows, length of a row. */
export function logSoftmaxGradient(args: usize, share: i32, shares: i32): void {
  const rows = word(args, 3);
  const length = word(args, 4);
  const last = shareStart(rows, share + 1, shares);
  for (let row = shareStart(rows, share, shares); row < last; row++) {
    const dy = at(pointer(args, 0), row * length);
    const y = at(pointer(args, 1), row * length);
    const dx = at(pointer(args, 2), row * length);
    let sum: f32 = 0;
    for (let i = 0; i < length; i++) sum += load<f32>(at(dy, i));
    for (let i = 0; i < length; i++) {
      store<f32>(at(dx, i), load<f32>(at(dy, i)) - Mathf.exp(load<f32>(at(y, i))) * sum);
    }
  }
}
