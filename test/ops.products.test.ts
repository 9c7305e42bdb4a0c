/** Locally connected layers, transposed convolutions and matrix products against small examples worked out by hand. */
import t from 'tap';
import { conv2d, conv2dDataGradient } from '../src/ops/conv2d.js';
import { convTranspose2d } from '../src/ops/convTranspose2d.js';
import { local2d, local2dBiasGradient, local2dDataGradient, local2dWeightGradient } from '../src/ops/local2d.js';
import { type MatMulAttributes, matMul } from '../src/ops/matMul.js';
import { close, rejects, shapeOf } from './support/asserts.js';
import { random, tensor, type, values } from './support/tensors.js';

t.test('local2d: attributes and shapes', async (t) => {
  const x = type('f32', 128, 64, 6, 6);
  const w = type('f32', 32, 6, 6, 64, 3, 3);
  t.same(shapeOf(local2d, [x, w, type('f32', 32, 6, 6)], { padding: 1 }), [128, 32, 6, 6]);
  t.same(local2d.attributes({}), { stride: [1, 1], padding: [0, 0, 0, 0] });
  // local3 of cifar10-13pct: 6·6·32·(9·64) multiply-adds an image.
  const cost = local2d.cost(
    local2d.attributes({ padding: 1 }),
    [type('f32', 1, 64, 6, 6), w],
    [type('f32', 1, 32, 6, 6)],
  );
  t.equal(cost.macs, 663552);
  rejects(t, () => local2d.attributes({ stride: 0 }), /local2d: stride must be an integer from 1/);
  rejects(t, () => local2d.attributes({ padding: [1, 2, 3] }), /padding must be/);
  rejects(t, () => shapeOf(local2d, [x, w]), /there are 4×4 output positions, the weight has kernels for 6×6/);
  rejects(t, () => shapeOf(local2d, [x, type('f32', 32, 6, 6, 63, 3, 3)], { padding: 1 }), /expects 63 input channels/);
  rejects(t, () => shapeOf(local2d, [x, type('f32', 32, 1, 1, 64, 9, 9)]), /kernel is larger than the padded image/);
  rejects(
    t,
    () => shapeOf(local2d, [x, type('f32', 32, 64, 3, 3)], { padding: 1 }),
    /weight must be a f32 tensor of 6/,
  );
  rejects(t, () => shapeOf(local2d, [x, w, type('f32', 32)], { padding: 1 }), /bias must be f32 \[32, 6, 6\]/);
});

t.test('local2d: values of all passes', async (t) => {
  const x = tensor([1, 1, 1, 3], [1, 2, 3]);
  // Two positions with a kernel of two taps each.
  const w = tensor([1, 1, 2, 1, 1, 2], [1, 10, 100, 1000]);
  t.same(values(local2d, [x, w, tensor([1, 1, 2], [0.5, -0.5])]), [21.5, 3199.5]);
  const dy = tensor([1, 1, 1, 2], [1, 2]);
  t.same(values(local2dDataGradient, [dy, w], { inputSize: [1, 3] }), [1, 10 + 200, 2000]);
  t.same(values(local2dWeightGradient, [dy, x], { kernelSize: [1, 2] }), [1, 2, 4, 6]);
  t.same(values(local2dBiasGradient, [tensor([2, 1, 1, 2], [1, 2, 3, 4])]), [4, 6]);
  // With one kernel repeated at every position it is a convolution.
  const image = random([2, 3, 5, 6], 1);
  const kernel = random([4, 3, 3, 3], 2);
  const positions = 3 * 3;
  const banks = [0, 1, 2, 3].flatMap((o) =>
    Array.from({ length: positions }, () => [...kernel.data.subarray(o * 27, (o + 1) * 27)]).flat(),
  );
  const given = { stride: 2, padding: 1 };
  close(t, values(local2d, [image, tensor([4, 3, 3, 3, 3, 3], banks)], given), values(conv2d, [image, kernel], given));
});

t.test('convTranspose2d: attributes and shapes', async (t) => {
  const shape = (x: number[], w: number[], given = {}) =>
    shapeOf(convTranspose2d, [type('f32', ...x), type('f32', ...w)], given);
  t.same(shape([1, 96, 55, 55], [96, 3, 11, 11], { stride: 4 }), [1, 3, 227, 227]);
  t.same(shape([2, 4, 3, 5], [4, 3, 3, 3], { stride: 2, padding: 1, groups: 2 }), [2, 6, 5, 9]);
  t.same(shape([2, 4, 3, 5], [4, 3, 3, 3], { stride: 2, padding: 1, outputPadding: [0, 1] }), [2, 3, 5, 10]);
  t.same(shape([1, 1, 3, 3], [1, 1, 3, 2], { dilation: [2, 3], padding: [0, 1, 2, 0] }), [1, 1, 5, 5]);
  rejects(
    t,
    () => convTranspose2d.attributes({ stride: 2, outputPadding: 2 }),
    /outputPadding \[2, 2\] must be less than/,
  );
  rejects(t, () => convTranspose2d.attributes({ outputPadding: -1 }), /outputPadding must be an integer from 0/);
  rejects(t, () => convTranspose2d.attributes({ groups: 0 }), /groups must be an integer from 1/);
  rejects(t, () => shape([1, 3, 4, 4], [4, 3, 3, 3]), /expects 4 input channels/);
  rejects(t, () => shape([1, 3, 4, 4], [3, 3, 3, 3], { groups: 2 }), /3 output channels do not divide into groups/);
  rejects(t, () => shape([1, 3, 1, 1], [3, 3, 2, 2], { padding: 1 }), /padding \[1, 1, 1, 1\] leaves no output/);
  rejects(
    t,
    () => shapeOf(convTranspose2d, [type('f32', 1, 3, 4, 4), type('f32', 3, 5, 3, 3), type('f32', 3)]),
    /bias must be f32 \[5\]/,
  );
});

t.test('convTranspose2d: values', async (t) => {
  const x = tensor([1, 1, 1, 2], [1, 2]);
  const w = tensor([1, 1, 1, 3], [1, 10, 100]);
  t.same(values(convTranspose2d, [x, w]), [1, 12, 120, 200]);
  t.same(values(convTranspose2d, [x, w, tensor([1], [0.5])], { stride: [1, 2] }), [1.5, 10.5, 102.5, 20.5, 200.5]);
  // A column that no tap reaches, cut on the left.
  t.same(
    values(convTranspose2d, [x, w], { stride: [1, 4], padding: [0, 1, 0, 0], outputPadding: [0, 1] }),
    [10, 100, 0, 2, 20, 200, 0],
  );
  t.same(values(convTranspose2d, [x, w], { dilation: [1, 2] }), [1, 2, 10, 20, 100, 200]);
  // Group 1 reads input channel 1 and writes output channel 1.
  const two = tensor([1, 2, 1, 1], [3, 5]);
  t.same(values(convTranspose2d, [two, tensor([2, 1, 1, 1], [10, 100])], { groups: 2 }), [30, 500]);
  // It is the data gradient of the convolution with the same weight.
  const [dy, kernel] = [random([2, 4, 3, 4], 1), random([4, 2, 3, 3], 2)];
  const given = { stride: [2, 3], padding: [1, 0, 2, 1], groups: 2 };
  const inputSize = shapeOf(convTranspose2d, [dy, kernel], { ...given, outputPadding: [1, 0] }).slice(2);
  close(
    t,
    values(convTranspose2d, [dy, kernel], { ...given, outputPadding: [1, 0] }),
    values(conv2dDataGradient, [dy, kernel], { ...given, inputSize }),
  );
});

t.test('matMul', async (t) => {
  const a = tensor([2, 3], [1, 2, 3, 4, 5, 6]);
  const b = tensor([3, 2], [1, 10, 100, 1000, 0, -1]);
  const product = [201, 2007, 504, 5034];
  t.same(values(matMul, [a, b]), product);
  const turned = { a: tensor([3, 2], [1, 4, 2, 5, 3, 6]), b: tensor([2, 3], [1, 100, 0, 10, 1000, -1]) };
  t.same(values(matMul, [turned.a, b], { transposeA: true }), product);
  t.same(values(matMul, [a, turned.b], { transposeB: true }), product);
  t.same(values(matMul, [turned.a, turned.b], { transposeA: true, transposeB: true }), product);
  t.same(shapeOf(matMul, [type('f32', 8, 9216), type('f32', 9216, 4096)]), [8, 4096]);
  t.equal(matMul.cost(matMul.attributes({}), [a, b], [type('f32', 2, 2)]).macs, 12);
  rejects(
    t,
    () => shapeOf(matMul, [a, a]),
    /columns of a \[2, 3\] and the rows of b \[2, 3\] must be equal, got 3 and 2/,
  );
  rejects(t, () => shapeOf(matMul, [a, b], { transposeA: true }), /a \[2, 3\] transposed.*got 2 and 3/);
  rejects(t, () => shapeOf(matMul, [type('f32', 2, 3, 1), b]), /a must be a f32 tensor of 2 dimensions/);
  const given = { transposeA: 1 } as unknown as Partial<MatMulAttributes>;
  rejects(t, () => matMul.attributes(given), /transposeA must be true or false, got 1/);
});
