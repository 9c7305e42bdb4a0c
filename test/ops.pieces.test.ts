/** concat and split: attributes, shapes and values worked out by hand. */
import t from 'tap';
import { concat } from '../src/ops/concat.js';
import { split, splitGradient } from '../src/ops/split.js';
import { rejects, shapeOf } from './support/asserts.js';
import { evaluate, random, tensor, type, values } from './support/tensors.js';

t.test('concat', async (t) => {
  const [a, b] = [tensor([2, 1, 2], [1, 2, 3, 4]), tensor([2, 2, 2], [5, 6, 7, 8, 9, 10, 11, 12])];
  t.same(values(concat, [a, b]), [1, 2, 5, 6, 7, 8, 3, 4, 9, 10, 11, 12]);
  t.same(values(concat, [tensor([2], [1, 2]), tensor([1], [3]), tensor([2], [4, 5])], { axis: 0 }), [1, 2, 3, 4, 5]);
  t.same(values(concat, [a, a], { axis: 2 }), [1, 2, 1, 2, 3, 4, 3, 4]);
  t.same(shapeOf(concat, [type('f32', 1, 48, 27, 27), type('f32', 1, 48, 27, 27)]), [1, 96, 27, 27]);
  rejects(t, () => shapeOf(concat, []), /expected at least 1 input, got 0/);
  rejects(
    t,
    () => shapeOf(concat, [a, type('f32', 3, 1, 2)]),
    /may differ along axis 1 only.*\[2, 1, 2\] and \[3, 1, 2\]/,
  );
  rejects(t, () => shapeOf(concat, [a, type('f32', 2, 1)]), /may differ along axis 1 only/);
  rejects(t, () => shapeOf(concat, [a], { axis: 3 }), /more than 3 dimensions/);
  rejects(t, () => shapeOf(concat, [a, type('i32', 2, 1, 2)]), /must be a f32 tensor/);
  rejects(t, () => concat.attributes({ axis: -1 }), /axis must be an integer from 0/);
});

t.test('split', async (t) => {
  const x = tensor([2, 3, 1], [1, 2, 3, 4, 5, 6]);
  const pieces = evaluate(split, [x], { sizes: [1, 2] });
  t.same(
    pieces.map(({ shape, data }) => [shape, [...data]]),
    [
      [
        [2, 1, 1],
        [1, 4],
      ],
      [
        [2, 2, 1],
        [2, 3, 5, 6],
      ],
    ],
  );
  const whole = random([2, 5, 3, 4], 1);
  for (const [axis, sizes] of [
    [0, [1, 1]],
    [1, [2, 1, 2]],
    [3, [3, 1]],
  ] as const) {
    const parts = evaluate(split, [whole], { axis, sizes });
    t.same(values(concat, parts, { axis }), [...whole.data], `concat undoes split along axis ${axis}`);
  }
  rejects(
    t,
    () => shapeOf(split, [x], { sizes: [1, 1] }),
    /sizes \[1, 1\] add up to 2, x \[2, 3, 1\] has 3 along axis 1/,
  );
  rejects(t, () => split.attributes({}), /sizes is missing/);
  rejects(t, () => split.attributes({ sizes: [0, 3] }), /each of sizes must be an integer from 1/);
});

t.test('splitGradient', async (t) => {
  const dy = tensor([2, 2], [1, 2, 3, 4]);
  const given = { axis: 1, sizes: [1, 2], present: [0, 1] };
  t.same(values(splitGradient, [dy], given), [0, 1, 2, 0, 3, 4]);
  rejects(t, () => splitGradient.attributes({ ...given, present: [0, 0] }), /at least one of them 1/);
  rejects(t, () => splitGradient.attributes({ ...given, present: [1] }), /one flag for each of sizes/);
  rejects(t, () => shapeOf(splitGradient, [type('f32', 2, 1)], given), /dy 0 must be f32 \[2, 2\]/);
});
