import { at, pointer, shareStart, word } from './lib/args';

/** Largest of a row; NaN if there is one. */
export function rowMaximum(x: usize, length: i32): f32 {
  let best: f32 = -Infinity;
  for (let i = 0; i < length; i++) best = max(best, load<f32>(at(x, i)));
  return best;
}

/** Σ exp(x − largest) over a row. */
export function exponentialSum(x: usize, length: i32, largest: f32): f32 {
  let sum: f32 = 0;
  for (let i = 0; i < length; i++) sum += Mathf.exp(load<f32>(at(x, i)) - largest);
  return sum;
}

/** y[n][i] = exp(x[n][i] − max) / Σ exp. Arguments: x, y, rows, length of a row. */
export function softmax(args: usize, share: i32, shares: i32): void {
  const rows = word(args, 2);
  const length = word(args, 3);
  const last = shareStart(rows, share + 1, shares);
  for (let row = shareStart(rows, share, shares); row < last; row++) {
    const x = at(pointer(args, 0), row * length);
    const y = at(pointer(args, 1), row * length);
    const largest = rowMaximum(x, length);
    let sum: f32 = 0;
    for (let i = 0; i < length; i++) {
      const e = Mathf.exp(load<f32>(at(x, i)) - largest);
      store<f32>(at(y, i), e);
      sum += e;
    }
    for (let i = 0; i < length; i++) store<f32>(at(y, i), load<f32>(at(y, i)) / sum);
  }
}

/** dx[n][i] = y[n][i]·(dy[n][i] − Σ_j dy[n][j]·y[n][j]). Arguments: dy, y, dx, rows, length of a row. */
export function softmaxGradient(args: usize, share: i32, shares: i32): void {
  const rows = word(args, 3);
  const length = word(args, 4);
  const last = shareStart(rows, share + 1, shares);
  for (let row = shareStart(rows, share, shares); row < last; row++) {
    const dy = at(pointer(args, 0), row * length);
    const y = at(pointer(args, 1), row * length);
    const dx = at(pointer(args, 2), row * length);
    let sum: f32 = 0;
    for (let i = 0; i < length; i++) sum += load<f32>(at(dy, i)) * load<f32>(at(y, i));
    for (let i = 0; i < length; i++) store<f32>(at(dx, i), load<f32>(at(y, i)) * (load<f32>(at(dy, i)) - sum));
  }
}
