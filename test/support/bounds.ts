/** What tests of error bounds assert: plain float32 evaluations stay within them, known faults do not. */
import type { Judged } from '../../src/ops/define.js';

/** Largest error ÷ bound; an error where the bound is zero counts as infinite. */
export function ratio({ data, bound }: Judged, got: ArrayLike<number>): number {
  let worst = 0;
  for (let i = 0; i < data.length; i++) {
    const error = Math.abs(got[i] - data[i]);
    if (error > 0) worst = Math.max(worst, error / bound[i]);
  }
  return worst;
}

export function largest(values: Float64Array): number {
  return values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}

type Asserts = { ok: typeof import('tap').t.ok };

export function within(t: Asserts, judged: Judged, got: ArrayLike<number>, what: string): void {
  const worst = ratio(judged, got);
  t.ok(worst > 0 && worst <= 1, `${what}: error ÷ bound ${worst.toPrecision(3)}`);
  const share = largest(judged.bound) / largest(judged.data);
  t.ok(share <= 1e-3, `${what}: bound ÷ result ${share.toPrecision(3)}`);
}

export function caught(t: Asserts, judged: Judged, got: ArrayLike<number>, what: string): void {
  t.ok(ratio(judged, got) > 1, `${what} is caught`);
}
