/** Average pooling, adaptive average pooling and the ties of max pooling against small examples worked out by hand. */
import t from 'tap';
import { adaptiveAvgPool, adaptiveAvgPoolGradient } from '../src/ops/adaptiveAvgPool.js';
import { type AvgPoolAttributes, avgPool, avgPoolGradient } from '../src/ops/avgPool.js';
import { maxPool, maxPoolGradient } from '../src/ops/maxPool.js';
import { close, rejects, shapeOf } from './support/asserts.js';
import { evaluate, random, tensor, type, values } from './support/tensors.js';

const nan = Number.NaN;
const infinity = Number.POSITIVE_INFINITY;

/** 1 … 9 in three rows. */
const square = tensor([1, 1, 3, 3], [1, 2, 3, 4, 5, 6, 7, 8, 9]);

t.test('avgPool: attributes and shapes', async (t) => {
  t.same(avgPool.attributes({ kernel: 3 }), {
    kernel: [3, 3],
    stride: [1, 1],
    padding: [0, 0, 0, 0],
    rounding: 'floor',
    count: 'inside',
  });
  // The CIFAR-10 nets: 32 → 16 → 8 → 4 and 24 → 12 → 6, rounding up.
  const rows = (height: number, given: Partial<AvgPoolAttributes>): number =>
    shapeOf(avgPool, [type('f32', 1, 1, height, 50)], given)[2];
  for (const [from, to] of [
    [32, 16],
    [16, 8],
    [8, 4],
    [24, 12],
    [12, 6],
  ]) {
    t.equal(rows(from, { kernel: 3, stride: 2, rounding: 'ceil' }), to);
    t.equal(rows(from, { kernel: 3, stride: 2, rounding: 'floor' }), to - 1);
  }
  t.equal(rows(5, { kernel: 2, stride: 2, padding: [1, 0, 0, 0] }), 3);
  t.equal(rows(5, { kernel: 2, stride: 2, padding: [0, 0, 1, 0] }), 3);
  t.equal(rows(5, { kernel: 2, stride: 2, padding: [0, 1, 0, 1] }), 2);
  rejects(t, () => avgPool.attributes({}), /avgPool: kernel must be a number or/);
  rejects(
    t,
    () => avgPool.attributes({ kernel: 2, padding: 2 }),
    /padding \[2, 2, 2, 2\] must be less than the kernel/,
  );
  rejects(
    t,
    () => avgPool.attributes({ kernel: 2, count: 'some' as 'all' }),
    /count must be one of inside, all, got some/,
  );
  rejects(t, () => rows(2, { kernel: 3 }), /kernel \[3, 3\] is larger than the padded image \[2, 50\]/);
  rejects(t, () => shapeOf(avgPool, [type('f32', 3, 3)], { kernel: 2 }), /x must be a f32 tensor of 4 dimensions/);
  rejects(
    t,
    () => shapeOf(avgPoolGradient, [type('f32', 1, 1, 3, 3)], { kernel: 3, inputSize: [4, 4] }),
    /dy must be f32 \[1, 1, 2, 2\]/,
  );
});

t.test('avgPool: what a mean is divided by', async (t) => {
  close(t, values(avgPool, [square], { kernel: 2 }), [3, 4, 6, 7]);
  const padded = { kernel: 2, stride: 2, padding: [1, 1, 0, 0] };
  close(t, values(avgPool, [square], padded), [1, 2.5, 5.5, 7]);
  close(t, values(avgPool, [square], { ...padded, count: 'all' }), [1 / 4, 5 / 4, 11 / 4, 7]);
  // A window that rounding up lets reach beyond the image counts no cell there, whatever the count.
  for (const count of ['inside', 'all'] as const) {
    close(t, values(avgPool, [square], { kernel: 2, stride: 2, rounding: 'ceil', count }), [3, 4.5, 7.5, 9]);
  }
  // Here it reaches over a row and a column of padding, which count, and over one more, which does not.
  const reaching = { kernel: 3, stride: 2, padding: [0, 0, 1, 1], rounding: 'ceil', count: 'all' } as const;
  close(t, values(avgPool, [tensor([1, 1, 2, 2], [1, 2, 3, 4])], reaching), [10 / 9]);
  close(t, values(avgPool, [tensor([1, 1, 4, 4], new Array(16).fill(1))], reaching), [1, 6 / 9, 6 / 9, 4 / 9]);
  t.same(values(avgPool, [tensor([1, 1, 1, 4], [nan, 1, infinity, -infinity])], { kernel: [1, 2] }), [
    nan,
    infinity,
    nan,
  ]);
});

t.test('avgPool: the gradient', async (t) => {
  const dy = tensor([1, 1, 2, 2], [1, 2, 4, 8]);
  close(
    t,
    values(avgPoolGradient, [dy], { kernel: 2, inputSize: [3, 3] }),
    [1, 3, 2, 5, 15, 10, 4, 12, 8].map((v) => v / 4),
  );
  const padded = { kernel: 2, stride: 2, padding: [1, 1, 0, 0], inputSize: [3, 3] };
  close(t, values(avgPoolGradient, [dy], padded), [1, 1, 1, 2, 2, 2, 2, 2, 2]);
  close(t, values(avgPoolGradient, [dy], { ...padded, count: 'all' }), [0.25, 0.5, 0.5, 1, 2, 2, 1, 2, 2]);
  const ones = evaluate(avgPool, [random([1, 2, 4, 4], 1)], { kernel: 1, stride: 2 })[0];
  t.ok(
    ones.bound.every((bound) => bound === 0),
    'exact where a window is one cell',
  );
});

t.test('adaptiveAvgPool', async (t) => {
  t.same(shapeOf(adaptiveAvgPool, [type('f32', 2, 5, 13, 9)], { size: [6, 7] }), [2, 5, 6, 7]);
  t.same(values(adaptiveAvgPool, [square], { size: 3 }), [...square.data], 'the identity at its own size');
  close(t, values(adaptiveAvgPool, [square], { size: 1 }), [5]);
  // Windows of rows 0 to 1 and 1 to 2.
  close(t, values(adaptiveAvgPool, [square], { size: 2 }), [3, 4, 6, 7]);
  close(t, values(adaptiveAvgPool, [tensor([1, 1, 1, 2], [1, 3])], { size: [1, 3] }), [1, 2, 3]);
  close(t, values(adaptiveAvgPool, [tensor([1, 1, 1, 5], [1, 2, 4, 8, 16])], { size: [1, 2] }), [7 / 3, 28 / 3]);
  close(t, values(adaptiveAvgPoolGradient, [tensor([1, 1, 1, 2], [3, 6])], { inputSize: [1, 5] }), [1, 1, 3, 2, 2]);
  rejects(t, () => adaptiveAvgPool.attributes({}), /size must be a number or/);
  rejects(t, () => adaptiveAvgPool.attributes({ size: 0 }), /size must be an integer from 1.*got 0/);
  rejects(t, () => shapeOf(adaptiveAvgPool, [type('f32', 3, 3)], { size: 1 }), /4 dimensions/);
});

t.test('maxPool: ties go to the first maximum or to all', async (t) => {
  const x = tensor([1, 1, 2, 3], [1, 5, 5, 5, 2, 5]);
  const dy = tensor([1, 1, 1, 2], [10, 1]);
  t.equal(maxPool.attributes({ kernel: 2 }).ties, 'first');
  t.same(values(maxPoolGradient, [dy, x], { kernel: 2 }), [0, 11, 0, 0, 0, 0]);
  t.same(values(maxPoolGradient, [dy, x], { kernel: 2, ties: 'all' }), [0, 11, 1, 10, 0, 1]);
  t.same(values(maxPool, [x], { kernel: 2, ties: 'all' }), [5, 5]);
  const bad = tensor([1, 1, 1, 3], [nan, 3, nan]);
  t.same(values(maxPoolGradient, [tensor([1, 1, 1, 1], [7]), bad], { kernel: [1, 3], ties: 'all' }), [7, 0, 7]);
  rejects(
    t,
    () => maxPool.attributes({ kernel: 2, ties: 'last' as 'all' }),
    /ties must be one of first, all, got last/,
  );
});
