/** The conventions of local response normalisation against small examples worked out by hand. */
import t from 'tap';
import { type LrnAttributes, lrn, lrnGradient } from '../src/ops/lrn.js';
import { type LrnWithinAttributes, lrnWithin, lrnWithinGradient } from '../src/ops/lrnWithin.js';
import { close, rejects, shapeOf } from './support/asserts.js';
import { evaluate, random, tensor, type, values } from './support/tensors.js';

const simple = { alpha: 1, beta: 1, k: 1, alphaPer: 'element' } as const;

t.test('lrn: an even window leans down (torch) or up (ONNX)', async (t) => {
  const x = tensor([1, 4, 1, 1], [1, 2, 3, 4]);
  close(t, values(lrn, [x], { ...simple, size: 2 }), [1 / 2, 2 / 6, 3 / 14, 4 / 26]);
  close(t, values(lrn, [x], { ...simple, size: 2, evenWindow: 'onnx' }), [1 / 6, 2 / 14, 3 / 26, 4 / 17]);
  close(t, values(lrn, [x], { ...simple, size: 4, evenWindow: 'onnx' }), [1 / 15, 2 / 31, 3 / 30, 4 / 26]);
  for (const size of [1, 3, 5]) {
    const [odd, same] = (['torch', 'onnx'] as const).map((evenWindow) =>
      values(lrn, [x], { ...simple, size, evenWindow }),
    );
    t.same(odd, same, `size ${size} is symmetric`);
  }
  // The one is the other with the channels in reverse, forward and backward.
  const [g, y] = [random([1, 7, 1, 1], 1), random([1, 7, 1, 1], 2)];
  const turned = (values: Float64Array) => tensor([1, 7, 1, 1], [...values].reverse());
  for (const size of [2, 4, 6]) {
    const given: Partial<LrnAttributes> = { ...simple, size };
    const there = values(lrnGradient, [g, y], { ...given, evenWindow: 'onnx' });
    close(t, there.reverse(), values(lrnGradient, [turned(g.data), turned(y.data)], given));
  }
  rejects(
    t,
    () => lrn.attributes({ evenWindow: 'caffe' as 'onnx' }),
    /evenWindow must be one of torch, onnx, got caffe/,
  );
});

t.test('lrn: windows do not cross groups', async (t) => {
  const x = tensor([1, 4, 1, 1], [1, 2, 3, 4]);
  close(t, values(lrn, [x], { ...simple, size: 3, groups: 2 }), [1 / 6, 2 / 6, 3 / 26, 4 / 26]);
  close(t, values(lrn, [x], { ...simple, size: 3, groups: 4 }), [1 / 2, 2 / 5, 3 / 10, 4 / 17]);
  // Two groups are two tensors.
  const [whole, dy] = [random([2, 6, 2, 3], 3, 1, 5), random([2, 6, 2, 3], 4)];
  const half = (from: { data: Float64Array }, group: number) =>
    tensor(
      [2, 3, 2, 3],
      [0, 1].flatMap((n) => [...from.data.subarray((2 * n + group) * 18, (2 * n + group + 1) * 18)]),
    );
  const given: Partial<LrnAttributes> = { size: 4, alpha: 0.1 };
  for (const group of [0, 1]) {
    const { data } = evaluate(lrn, [whole], { ...given, groups: 2 })[0];
    t.same([...half({ data }, group).data], values(lrn, [half(whole, group)], given));
    const back = evaluate(lrnGradient, [dy, whole], { ...given, groups: 2 })[0];
    t.same([...half(back, group).data], values(lrnGradient, [half(dy, group), half(whole, group)], given));
  }
  rejects(t, () => lrn.attributes({ groups: 0 }), /groups must be an integer from 1/);
  rejects(t, () => shapeOf(lrn, [type('f32', 1, 5, 2, 2)], { groups: 2 }), /5 channels do not divide into 2 groups/);
});

t.test('lrnWithin: values and conventions', async (t) => {
  const x = tensor([1, 1, 2, 3], [1, 2, 3, 4, 5, 6]);
  // Squares: 1 4 9 / 16 25 36.
  close(t, values(lrnWithin, [x], { ...simple, size: 3 }), [1 / 47, 2 / 92, 3 / 75, 4 / 47, 5 / 92, 6 / 75]);
  // An even window starts a row above and a column to the left, and ends in the cell.
  close(t, values(lrnWithin, [x], { ...simple, size: 2 }), [1 / 2, 2 / 6, 3 / 14, 4 / 18, 5 / 47, 6 / 75]);
  // The divisor is size² where the window is clipped, too.
  close(t, values(lrnWithin, [x], { ...simple, size: 3, alphaPer: 'window' }), [
    1 / (1 + 46 / 9),
    2 / (1 + 91 / 9),
    3 / (1 + 74 / 9),
    4 / (1 + 46 / 9),
    5 / (1 + 91 / 9),
    6 / (1 + 74 / 9),
  ]);
  // Maps do not see each other.
  const two = tensor([1, 2, 1, 1], [2, 3]);
  close(t, values(lrnWithin, [two], { ...simple, size: 5 }), [2 / 5, 3 / 10]);
  close(t, values(lrnWithinGradient, [tensor([1, 1, 1, 1], [5]), tensor([1, 1, 1, 1], [2])], { ...simple, size: 3 }), [
    (5 * -3) / 25,
  ]);
});

t.test('lrnWithin: attributes and shapes', async (t) => {
  t.same(lrnWithin.attributes({}), { size: 5, alpha: 1e-4, beta: 0.75, k: 1, alphaPer: 'window' });
  t.same(shapeOf(lrnWithin, [type('f32', 2, 3, 4, 5)], { size: 9 }), [2, 3, 4, 5]);
  rejects(t, () => lrnWithin.attributes({ size: 0 }), /lrnWithin: size must be an integer from 1/);
  rejects(t, () => lrnWithin.attributes({ k: -1 }), /k must be/);
  rejects(t, () => lrnWithin.attributes({ alphaPer: 'map' as 'window' }), /alphaPer must be one of window, element/);
  rejects(t, () => shapeOf(lrnWithin, [type('f32', 2, 3)]), /4 dimensions/);
  const given: Partial<LrnWithinAttributes> = { size: 3 };
  rejects(
    t,
    () => shapeOf(lrnWithinGradient, [type('f32', 1, 1, 3, 4), type('f32', 1, 1, 3, 5)], given),
    /dy must be f32/,
  );
});
