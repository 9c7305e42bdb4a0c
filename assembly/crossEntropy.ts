/** Mean cross-entropy of softmax(logits) against class indices or against probabilities, and its gradients. */
import { at, pointer, shareStart, word } from './lib/args';
import { exponentialSum, rowMaximum } from './softmax';

/**
 * loss = mean over rows of log Σ exp(x − max) + max − x[label]. One thread, so that the order of the sum is fixed: a row is a
 * thousand exponentials.
 *
 * Arguments: logits, labels, loss, rows, length of a row.
 */
export function crossEntropy(args: usize, share: i32, _shares: i32): void {
  if (share != 0) return;
  const rows = word(args, 3);
  const length = word(args, 4);
  let total: f32 = 0;
  for (let row = 0; row < rows; row++) {
    const x = at(pointer(args, 0), row * length);
    const largest = rowMaximum(x, length);
    const label = load<i32>(at(pointer(args, 1), row));
    total += Mathf.log(exponentialSum(x, length, largest)) + (largest - load<f32>(at(x, label)));
  }
  store<f32>(pointer(args, 2), total / <f32>rows);
}

/**
 * dx[n][i] = (softmax(x)[n][i] − [i = label n])·dloss/N. Arguments: dloss, logits, labels, dx, rows, length of a row.
 */
export function crossEntropyGradient(args: usize, share: i32, shares: i32): void {
  const scale = load<f32>(pointer(args, 0)) / <f32>word(args, 4);
  const rows = word(args, 4);
  const length = word(args, 5);
  const last = shareStart(rows, share + 1, shares);
  for (let row = shareStart(rows, share, shares); row < last; row++) {
    const x = at(pointer(args, 1), row * length);
    const dx = at(pointer(args, 3), row * length);
    const label = load<i32>(at(pointer(args, 2), row));
    const largest = rowMaximum(x, length);
    let sum: f32 = 0;
    for (let i = 0; i < length; i++) {
      const e = Mathf.exp(load<f32>(at(x, i)) - largest);
      store<f32>(at(dx, i), e);
      sum += e;
    }
    for (let i = 0; i < length; i++) {
      const probability = load<f32>(at(dx, i)) / sum;
      store<f32>(at(dx, i), (i == label ? probability - 1 : probability) * scale);
    }
  }
}

/**
 * loss = mean over rows of Σ_k target[k]·(log Σ exp(x − max) + max − x[k]). One thread, as above.
 *
 * Arguments: logits, targets, loss, rows, length of a row.
 */
export function crossEntropyProbabilities(args: usize, share: i32, _shares: i32): void {
  if (share != 0) return;
  const rows = word(args, 3);
  const length = word(args, 4);
  let total: f32 = 0;
  for (let row = 0; row < rows; row++) {
    const x = at(pointer(args, 0), row * length);
    const target = at(pointer(args, 1), row * length);
    const largest = rowMaximum(x, length);
    const logarithm = Mathf.log(exponentialSum(x, length, largest));
    let sum: f32 = 0;
    for (let i = 0; i < length; i++) {
      sum += load<f32>(at(target, i)) * (logarithm + (largest - load<f32>(at(x, i))));
    }
    total += sum;
  }
  store<f32>(pointer(args, 2), total / <f32>rows);
}

/**
 * dx[n][i] = (Σ_k target[n][k]·softmax(x)[n][i] − target[n][i])·dloss/N. Arguments: dloss, logits, targets, dx, rows, length of
 * a row. dx may be the logits' or the targets' place.
 */
export function crossEntropyProbabilitiesGradient(args: usize, share: i32, shares: i32): void {
  const rows = word(args, 4);
  const length = word(args, 5);
  const scale = load<f32>(pointer(args, 0)) / <f32>rows;
  const last = shareStart(rows, share + 1, shares);
  for (let row = shareStart(rows, share, shares); row < last; row++) {
    const x = at(pointer(args, 1), row * length);
    const target = at(pointer(args, 2), row * length);
    const dx = at(pointer(args, 3), row * length);
    const largest = rowMaximum(x, length);
    const sum = exponentialSum(x, length, largest);
    let weight: f32 = 0;
    for (let i = 0; i < length; i++) weight += load<f32>(at(target, i));
    for (let i = 0; i < length; i++) {
      const probability = Mathf.exp(load<f32>(at(x, i)) - largest) / sum;
      store<f32>(at(dx, i), (weight * probability - load<f32>(at(target, i))) * scale);
    }
  }
}

/**
 * ∂loss/∂target[n][i] = (log Σ exp(x − max) + max − x[i])·dloss/N. Arguments: dloss, logits, dtarget, rows, length of a row.
 */
export function crossEntropyTargetGradient(args: usize, share: i32, shares: i32): void {
  const rows = word(args, 3);
  const length = word(args, 4);
  const scale = load<f32>(pointer(args, 0)) / <f32>rows;
  const last = shareStart(rows, share + 1, shares);
  for (let row = shareStart(rows, share, shares); row < last; row++) {
    const x = at(pointer(args, 1), row * length);
    const dtarget = at(pointer(args, 2), row * length);
    const largest = rowMaximum(x, length);
    const logarithm = Mathf.log(exponentialSum(x, length, largest));
    for (let i = 0; i < length; i++) {
      store<f32>(at(dtarget, i), (logarithm + (largest - load<f32>(at(x, i)))) * scale);
    }
  }
}
