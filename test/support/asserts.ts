/** What tests of ops assert. */
import { GraphError } from '../../src/errors.js';
import type { Attributes, Op, TensorType } from '../../src/ops/define.js';

/** Shape of an op's first output. */
export function shapeOf<A extends Attributes>(
  op: Op<A>,
  inputs: readonly TensorType[],
  given: Partial<A> = {},
): readonly number[] {
  return op.infer(op.attributes(given), inputs)[0].shape;
}

/** Asserts a GraphError with the given words. */
export function rejects(t: { throws: typeof import('tap').t.throws }, run: () => unknown, message: RegExp): void {
  t.throws(run, GraphError);
  t.throws(run, { message });
}

/** Asserts numbers equal up to float64 rounding. */
export function close(t: { ok: typeof import('tap').t.ok }, got: readonly number[], expected: readonly number[]): void {
  const worst = Math.max(...expected.map((value, i) => Math.abs(got[i] - value) / Math.max(1, Math.abs(value))));
  t.ok(got.length === expected.length && worst <= 1e-12, `[${got}] is [${expected}]`);
}
