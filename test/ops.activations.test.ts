/** leakyRelu, clip, tanh, sigmoid, scale and batchNorm: attributes, shapes and values worked out by hand. */
import t from 'tap';
import { batchNorm, batchNormDataGradient, batchNormScaleGradient } from '../src/ops/batchNorm.js';
import { clip, clipGradient } from '../src/ops/clip.js';
import { leakyRelu, leakyReluGradient } from '../src/ops/leakyRelu.js';
import { scale } from '../src/ops/scale.js';
import { sigmoid, sigmoidGradient } from '../src/ops/sigmoid.js';
import { tanh, tanhGradient } from '../src/ops/tanh.js';
import { close, rejects, shapeOf } from './support/asserts.js';
import { evaluate, tensor, type, values } from './support/tensors.js';

const nan = Number.NaN;
const infinity = Number.POSITIVE_INFINITY;

t.test('leakyRelu', async (t) => {
  const x = tensor([5], [-2, 0, 3, nan, -infinity]);
  t.same(values(leakyRelu, [x], { slope: 0.25 }), [-0.5, 0, 3, nan, -infinity]);
  t.same(leakyRelu.attributes({}), { slope: 0.01 });
  const gradient = values(leakyReluGradient, [tensor([3], [8, 8, 8]), tensor([3], [-0.5, 0, 3])], { slope: 0.25 });
  t.same(gradient, [2, 2, 8], 'the derivative at 0 is the slope');
  const [{ bound }] = evaluate(leakyRelu, [x], { slope: 0.25 });
  t.equal(bound[2], 0, 'exact where x > 0');
  rejects(t, () => leakyRelu.attributes({ slope: -0.1 }), /slope must be a finite number from 0/);
  rejects(t, () => shapeOf(leakyRelu, [type('i32', 5)]), /x must be f32/);
  rejects(t, () => shapeOf(leakyReluGradient, [type('f32', 4), type('f32', 5)]), /dy must be f32 \[5\]/);
});

t.test('clip', async (t) => {
  const x = tensor([6], [-2, -1, 0.5, 3, nan, infinity]);
  t.same(values(clip, [x], { min: -1, max: 2 }), [-1, -1, 0.5, 2, nan, 2]);
  t.same(values(clip, [x], { min: 0 }), [0, 0, 0.5, 3, nan, (2 - 2 ** -23) * 2 ** 127]);
  const dy = tensor([6], [1, 2, 3, 4, 5, 6]);
  t.same(values(clipGradient, [dy, x], { min: -1, max: 3 }), [0, 2, 3, 4, 0, 0], 'both ends let it pass');
  t.same(clip.attributes({ min: 0.1, max: 0.7 }), { min: Math.fround(0.1), max: Math.fround(0.7) });
  rejects(t, () => clip.attributes({ min: 2, max: 1 }), /min must not be greater than max, got min 2 and max 1/);
  rejects(t, () => clip.attributes({ min: -infinity }), /min must be a finite number.*-Infinity/);
});

t.test('tanh', async (t) => {
  close(t, values(tanh, [tensor([3], [0, Math.atanh(0.5), -infinity])]), [0, 0.5, -1]);
  close(t, values(tanh, [tensor([2], [2 * Math.atanh(0.5), infinity])], { a: 4, b: 0.5 }), [2, 4]);
  t.same(values(tanh, [tensor([1], [nan])]), [nan]);
  // y = 2 is a·tanh(z) with tanh z = ½: a·b·(1 − ¼).
  close(t, values(tanhGradient, [tensor([3], [1, 1, 1]), tensor([3], [2, -2, 4])], { a: 4, b: 0.5 }), [1.5, 1.5, 0]);
  t.same(tanh.attributes({}), { a: 1, b: 1 });
  t.same(tanh.attributes({ a: 1.7159, b: 2 / 3 }), { a: Math.fround(1.7159), b: Math.fround(2 / 3) });
  rejects(t, () => tanh.attributes({ a: 0 }), /a must not be 0/);
  rejects(t, () => tanh.attributes({ b: infinity }), /b must be a finite number/);
});

t.test('sigmoid', async (t) => {
  const x = tensor([5], [0, Math.log(3), -infinity, infinity, nan]);
  close(t, values(sigmoid, [x]).slice(0, 4), [0.5, 0.75, 0, 1]);
  t.same(values(sigmoid, [x])[4], nan);
  close(t, values(sigmoidGradient, [tensor([2], [2, 2]), tensor([2], [0.25, 1])]), [0.375, 0]);
});

t.test('scale', async (t) => {
  t.same(values(scale, [tensor([3], [1, -2, nan])], { factor: 0.5 }), [0.5, -1, nan]);
  t.same(values(scale, [tensor([2], [1, -2])]), [1, -2]);
  rejects(t, () => scale.attributes({ factor: infinity }), /factor must be a finite number/);
});

t.test('batchNorm', async (t) => {
  const x = tensor([1, 2, 1, 2], [1, 3, 10, 20]);
  const perChannel = [
    [2, -1],
    [0.5, 100],
    [1, 12],
    [3.75, 0],
  ].map((row) => tensor([2], row));
  const [factor, , mean, variance] = perChannel;
  // √(3.75 + 0.25) = 2, √0.25 = ½.
  close(t, values(batchNorm, [x, ...perChannel], { epsilon: 0.25 }), [0.5, 2.5, 104, 84]);
  const flat = tensor([2, 2], [1, 10, 3, 20]);
  close(t, values(batchNorm, [flat, ...perChannel], { epsilon: 0.25 }), [0.5, 104, 2.5, 84]);
  const dy = tensor([1, 2, 1, 2], [1, 2, 3, 4]);
  close(t, values(batchNormDataGradient, [dy, factor, variance], { epsilon: 0.25 }), [1, 2, -6, -8]);
  close(t, values(batchNormScaleGradient, [dy, x, mean, variance], { epsilon: 0.25 }), [2, 52]);
  t.same(batchNorm.attributes({}), { epsilon: 1e-5 });
  rejects(t, () => batchNorm.attributes({ epsilon: -1 }), /epsilon must be a finite number from 0/);
  const two = type('f32', 2);
  rejects(t, () => shapeOf(batchNorm, [x, two, two, two, type('f32', 3)]), /variance must be f32 \[2\]/);
  rejects(t, () => shapeOf(batchNorm, [type('f32', 2, 2, 2), two, two, two, two]), /\[N, C, H, W\] or \[N, K\]/);
  rejects(t, () => shapeOf(batchNorm, [x, two, two, two]), /expected 5 inputs, got 4/);
});
