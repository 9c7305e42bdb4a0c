/** Attributes, shape rules and values of the ops against small examples worked out by hand. */
import t from 'tap';
import { InputError } from '../src/errors.js';
import { add } from '../src/ops/add.js';
import { conv2d, conv2dBiasGradient, conv2dDataGradient, conv2dWeightGradient } from '../src/ops/conv2d.js';
import { crossEntropy, crossEntropyGradient } from '../src/ops/crossEntropy.js';
import { dropout, keepScale, keepThreshold } from '../src/ops/dropout.js';
import { philox4x32 } from '../src/ops/lib/philox.js';
import { linear, linearBiasGradient, linearDataGradient, linearWeightGradient } from '../src/ops/linear.js';
import { type LrnAttributes, lrn, lrnGradient } from '../src/ops/lrn.js';
import { type MaxPoolAttributes, maxPool, maxPoolGradient } from '../src/ops/maxPool.js';
import { findOp, ops } from '../src/ops/registry.js';
import { relu, reluGradient } from '../src/ops/relu.js';
import { reshape } from '../src/ops/reshape.js';
import { type SgdAttributes, sgd } from '../src/ops/sgd.js';
import { softmax, softmaxGradient } from '../src/ops/softmax.js';
import { close, rejects, shapeOf } from './support/asserts.js';
import { evaluate, random, tensor, type, values } from './support/tensors.js';

const nan = Number.NaN;
const infinity = Number.POSITIVE_INFINITY;

t.test('registry', async (t) => {
  t.equal(findOp('lrnGradient'), lrnGradient);
  for (const [name, op] of ops)
    t.ok(name === op.name && name.startsWith(op.family), `${name} is of family ${op.family}`);
  rejects(t, () => findOp('gelu'), /no op 'gelu'.*maxPool/);
});

t.test('conv2d: attributes and shapes', async (t) => {
  const x = type('f32', 1, 3, 227, 227);
  t.same(shapeOf(conv2d, [x, type('f32', 96, 3, 11, 11), type('f32', 96)], { stride: 4 }), [1, 96, 55, 55]);
  t.same(
    shapeOf(conv2d, [type('f32', 2, 96, 27, 27), type('f32', 256, 48, 5, 5)], { padding: 2, groups: 2 }),
    [2, 256, 27, 27],
  );
  t.same(
    shapeOf(conv2d, [type('f32', 1, 1, 7, 9), type('f32', 1, 1, 3, 3)], { dilation: [3, 2], padding: [0, 1, 0, 2] }),
    [1, 1, 1, 8],
  );
  rejects(t, () => conv2d.attributes({ stride: 0 }), /stride must be an integer from 1.*got 0/);
  rejects(t, () => conv2d.attributes({ padding: [1, 2, 3] }), /padding must be.*\[1, 2, 3\]/);
  rejects(t, () => conv2d.attributes({ padding: -1 }), /padding must be an integer from 0.*got -1/);
  rejects(t, () => conv2d.attributes({ dilation: 1.5 }), /dilation.*1\.5/);
  rejects(t, () => shapeOf(conv2d, [x]), /expected 2 to 3 inputs, got 1/);
  rejects(t, () => shapeOf(conv2d, [x, type('f32', 8, 4, 3, 3)]), /expects 4 input channels.*\[1, 3, 227, 227\]/);
  rejects(
    t,
    () => shapeOf(conv2d, [x, type('f32', 4, 1, 3, 3)], { groups: 3 }),
    /4 output channels do not divide into groups/,
  );
  rejects(t, () => shapeOf(conv2d, [type('f32', 1, 3, 4, 4), type('f32', 8, 3, 5, 5)]), /kernel is larger/);
  rejects(t, () => shapeOf(conv2d, [x, type('f32', 8, 3, 3, 3), type('f32', 7)]), /bias must be f32 \[8\]/);
  rejects(
    t,
    () => shapeOf(conv2d, [type('f32', 3, 5), type('f32', 8, 3, 3, 3)]),
    /x must be a f32 tensor of 4 dimensions/,
  );
});

t.test('conv2d: values of all passes', async (t) => {
  const x = tensor([1, 1, 2, 3], [1, 2, 3, 4, 5, 6]);
  const w = tensor([1, 1, 2, 2], [1, 10, 100, 1000]);
  t.same(values(conv2d, [x, w, tensor([1], [0.5])]), [5421.5, 6532.5]);
  t.same(values(conv2d, [x, w], { padding: [1, 0, 0, 0], stride: [1, 2] }), [2100, 5421]);
  t.same(values(conv2d, [x, tensor([1, 1, 2, 2], [0, 1, -1, 0])], { activation: 'relu' }), [0, 0]);
  const dy = tensor([1, 1, 1, 2], [1, 2]);
  t.same(values(conv2dDataGradient, [dy, w], { inputSize: [2, 3] }), [1, 12, 20, 100, 1200, 2000]);
  t.same(values(conv2dWeightGradient, [dy, x], { kernelSize: [2, 2] }), [5, 8, 14, 17]);
  t.same(values(conv2dBiasGradient, [dy]), [3]);
  // Group 1 reads input channel 1 and writes output channel 1.
  const twoChannels = tensor([1, 2, 1, 1], [3, 5]);
  t.same(values(conv2d, [twoChannels, tensor([2, 1, 1, 1], [10, 100])], { groups: 2 }), [30, 500]);
});

t.test('linear', async (t) => {
  const x = tensor([2, 3], [1, 2, 3, 4, 5, 6]);
  const w = tensor([2, 3], [1, 10, 100, -1, 0, 1]);
  const b = tensor([2], [0.5, -2.5]);
  t.same(values(linear, [x, w, b]), [321.5, -0.5, 654.5, -0.5]);
  t.same(values(linear, [x, w, b], { activation: 'relu' }), [321.5, 0, 654.5, 0]);
  const dy = tensor([2, 2], [1, 2, 3, 4]);
  t.same(values(linearDataGradient, [dy, w]), [-1, 10, 102, -1, 30, 304]);
  t.same(values(linearWeightGradient, [dy, x]), [13, 17, 21, 18, 24, 30]);
  t.same(values(linearBiasGradient, [dy]), [4, 6]);
  t.same(shapeOf(linear, [type('f32', 8, 9216), type('f32', 4096, 9216)]), [8, 4096]);
  t.equal(linear.cost({ activation: 'none' }, [x, w], [type('f32', 2, 2)]).macs, 12);
  rejects(t, () => shapeOf(linear, [x, type('f32', 2, 4)]), /\[2, 3\].*\[2, 4\] must be equal/);
  rejects(t, () => shapeOf(linear, [type('f32', 2, 3, 1), w]), /x must be a f32 tensor of 2 dimensions/);
  rejects(t, () => shapeOf(linear, [x, w, type('f32', 3)]), /bias must be f32 \[2\]/);
  rejects(t, () => shapeOf(linearDataGradient, [type('f32', 2, 3), w]), /must be equal/);
  rejects(t, () => shapeOf(linearWeightGradient, [type('f32', 3, 2), x]), /must be equal/);
  rejects(t, () => linear.attributes({ activation: 'tanh' as 'relu' }), /one of none, relu, got tanh/);
});

t.test('relu', async (t) => {
  const x = tensor([5], [-2, 0, 3, nan, -infinity]);
  t.same(values(relu, [x]), [0, 0, 3, nan, 0]);
  t.same(values(reluGradient, [tensor([4], [1, nan, 7, nan]), tensor([4], [0, 0, 3, 1])]), [0, 0, 7, nan]);
  rejects(t, () => shapeOf(relu, [type('i32', 5)]), /x must be f32/);
  rejects(t, () => shapeOf(reluGradient, [type('f32', 4), type('f32', 5)]), /dy must be f32 \[5\], got f32 \[4\]/);
});

t.test('lrn: values and conventions', async (t) => {
  const x = tensor([1, 4, 1, 1], [1, 2, 3, 4]);
  const simple: Partial<LrnAttributes> = { alpha: 1, beta: 1, k: 1, alphaPer: 'element' };
  close(t, values(lrn, [x], { ...simple, size: 3 }), [1 / 6, 2 / 15, 3 / 30, 4 / 26]);
  // An even window holds one channel more before than after.
  close(t, values(lrn, [x], { ...simple, size: 2 }), [1 / 2, 2 / 6, 3 / 14, 4 / 26]);
  close(t, values(lrn, [x], { ...simple, size: 4 }), [1 / 6, 2 / 15, 3 / 31, 4 / 30]);
  close(t, values(lrn, [x], { ...simple, size: 3, alphaPer: 'window' }), [
    1 / (1 + 5 / 3),
    2 / (1 + 14 / 3),
    3 / (1 + 29 / 3),
    4 / (1 + 25 / 3),
  ]);
  close(t, values(lrn, [tensor([1, 1, 1, 1], [2])], { size: 1, alpha: 3.75, k: 1 }), [2 / 8]);
  close(t, values(lrn, [tensor([1, 2, 1, 2], [1, 2, 3, 4])], { ...simple, size: 3 }), [1 / 11, 2 / 21, 3 / 11, 4 / 21]);
  t.same(values(lrn, [tensor([1, 4, 1, 1], [nan, 0, 0, 0])], { size: 3 }), [nan, nan, 0, 0]);
  // One channel, s = 1 + x²: d/dx x/(1 + x²) = (1 − x²)/(1 + x²)².
  close(t, values(lrnGradient, [tensor([1, 1, 1, 1], [5]), tensor([1, 1, 1, 1], [2])], { ...simple, size: 1 }), [
    (5 * -3) / 25,
  ]);
});

t.test('lrn: attributes and shapes', async (t) => {
  t.same(lrn.attributes({}), {
    size: 5,
    alpha: 1e-4,
    beta: 0.75,
    k: 1,
    alphaPer: 'window',
    groups: 1,
    evenWindow: 'torch',
  });
  rejects(t, () => lrn.attributes({ size: 0 }), /size must be an integer from 1/);
  rejects(t, () => lrn.attributes({ alpha: nan }), /alpha must be a finite number.*NaN/);
  rejects(t, () => lrn.attributes({ beta: -1 }), /beta must be/);
  rejects(t, () => lrn.attributes({ k: -1 }), /k must be/);
  rejects(t, () => lrn.attributes({ alphaPer: 'channel' as 'window' }), /alphaPer must be one of window, element/);
  rejects(t, () => shapeOf(lrn, [type('f32', 2, 3)]), /4 dimensions/);
  rejects(
    t,
    () => shapeOf(lrnGradient, [type('f32', 1, 2, 3, 4), type('f32', 1, 2, 3, 5)]),
    /dy must be f32 \[1, 2, 3, 5\]/,
  );
});

t.test('maxPool: shapes, floor and ceil', async (t) => {
  const pool = (height: number, given: Partial<MaxPoolAttributes>): number =>
    shapeOf(maxPool, [type('f32', 1, 1, height, 50)], given)[2];
  t.same(
    [55, 27, 13].map((height) => pool(height, { kernel: 3, stride: 2 })),
    [27, 13, 6],
  );
  t.same([pool(54, { kernel: 3, stride: 2 }), pool(54, { kernel: 3, stride: 2, rounding: 'ceil' })], [26, 27]);
  t.equal(pool(4, { kernel: 2, stride: 2, padding: 1, rounding: 'ceil' }), 3);
  // A window that would start beyond the image is dropped, with padding and without.
  t.equal(pool(5, { kernel: 2, stride: 2, padding: 1, rounding: 'ceil' }), 3);
  t.equal(pool(5, { kernel: 1, stride: 3, rounding: 'ceil' }), 2);
  t.equal(pool(3, { kernel: 1, stride: 4, rounding: 'ceil' }), 1);
  rejects(t, () => maxPool.attributes({}), /kernel must be a number or/);
  rejects(
    t,
    () => maxPool.attributes({ kernel: 2, padding: 2 }),
    /padding \[2, 2, 2, 2\] must be less than the kernel/,
  );
  rejects(
    t,
    () => maxPool.attributes({ kernel: 2, rounding: 'round' as 'ceil' }),
    /rounding must be one of floor, ceil/,
  );
  rejects(t, () => pool(2, { kernel: 3 }), /kernel \[3, 3\] is larger than the padded image \[2, 50\]/);
  rejects(
    t,
    () => shapeOf(maxPoolGradient, [type('f32', 1, 1, 3, 3), type('f32', 1, 1, 4, 4)], { kernel: 3 }),
    /dy must be f32 \[1, 1, 2, 2\]/,
  );
});

t.test('maxPool: values, padding, NaN and ties', async (t) => {
  const x = tensor([1, 1, 3, 3], [-9, -2, -3, -4, -1, -6, -7, -8, -5]);
  t.same(values(maxPool, [x], { kernel: 2 }), [-1, -1, -1, -1]);
  t.same(values(maxPool, [x], { kernel: 2, stride: 2, padding: 1 }), [-9, -2, -4, -1]);
  t.same(values(maxPool, [x], { kernel: 2, stride: 2, rounding: 'ceil' }), [-1, -3, -7, -5]);
  const bad = tensor([1, 1, 1, 5], [1, nan, 2, -infinity, -infinity]);
  t.same(values(maxPool, [bad], { kernel: [1, 2] }), [nan, nan, 2, -infinity]);
  t.same(values(maxPoolGradient, [tensor([1, 1, 1, 4], [1, 2, 4, 8]), bad], { kernel: [1, 2] }), [0, 3, 4, 8, 0]);
  const once = evaluate(maxPoolGradient, [random([1, 2, 2, 2], 1), random([1, 2, 4, 4], 2)], {
    kernel: 2,
    stride: 2,
  })[0];
  t.ok(
    once.bound.every((bound) => bound === 0),
    'exact where windows do not overlap',
  );
});

t.test('dropout', async (t) => {
  const x = tensor([9], [1, 2, 3, 4, 5, 6, nan, 8, 9]);
  const key = tensor([4], [7, -2, 11, 0], 'i32');
  const given = { probability: 0.25, stream: 3 };
  const words = [0, 1, 2].flatMap((block) => {
    const out = new Uint32Array(4);
    philox4x32([block, 3, 11, 0], [7, 0xfffffffe], out);
    return [...out];
  });
  const expected = [...x.data].map((value, i) => (words[i] < 0.75 * 2 ** 32 ? value * Math.fround(4 / 3) : 0));
  const got = evaluate(dropout, [x, key], given)[0];
  t.same([...got.data], expected);
  t.ok(expected.includes(0) && expected.some((value) => value !== 0));
  t.ok(got.bound.every((bound, i) => (got.data[i] === 0 ? bound === 0 : !(bound > 2 ** -24 * Math.abs(got.data[i])))));
  t.not(String(values(dropout, [x, key], { ...given, stream: 4 })), String(expected), 'another stream, another mask');
  t.same(values(dropout, [x, key], { probability: 0 }), [...x.data], 'probability 0 keeps everything');
  const many = values(dropout, [tensor([40000], new Float64Array(40000).fill(1)), key], { probability: 0.5 });
  t.ok(Math.abs(many.filter((value) => value === 2).length - 20000) < 400, 'half are kept (4 standard deviations)');
  t.same([keepThreshold(0.5), keepThreshold(0), keepScale(0.5)], [2 ** 31, 2 ** 32, 2]);
  rejects(t, () => dropout.attributes({ probability: 1 }), /less than 1/);
  rejects(t, () => dropout.attributes({ probability: -0.1 }), /probability must be/);
  rejects(t, () => dropout.attributes({ stream: 0.5 }), /stream must be an integer/);
  rejects(t, () => shapeOf(dropout, [x, type('i32', 3)]), /random must be i32 \[4\]/);
  rejects(t, () => shapeOf(dropout, [x, type('f32', 4)]), /random must be a i32 tensor/);
});

t.test('softmax', async (t) => {
  const ln = Math.log;
  close(t, values(softmax, [tensor([2, 3], [ln(1), ln(2), ln(5), 1000, 1000 + ln(3), -1e4])]), [
    1 / 8,
    2 / 8,
    5 / 8,
    1 / 4,
    3 / 4,
    0,
  ]);
  t.same(values(softmax, [tensor([3, 2], [nan, 1, infinity, 1, -infinity, 5])]), [nan, nan, nan, nan, 0, 1]);
  close(t, values(softmaxGradient, [tensor([1, 2], [3, 7]), tensor([1, 2], [0.25, 0.75])]), [-0.75, 0.75]);
  rejects(t, () => shapeOf(softmax, [type('f32', 2, 3, 4)]), /2 dimensions/);
});

t.test('crossEntropy', async (t) => {
  const logits = tensor([2, 2], [0, Math.log(3), 1000, 1000]);
  const labels = tensor([2], [1, 0], 'i32');
  close(t, values(crossEntropy, [logits, labels]), [(Math.log(4 / 3) + Math.log(2)) / 2]);
  close(t, values(crossEntropyGradient, [tensor([1], [4]), logits, labels]), [0.5, -0.5, -1, 1]);
  t.ok(
    Math.abs(values(crossEntropy, [tensor([1, 1000], new Float64Array(1000)), tensor([1], [3], 'i32')])[0] - 6.907755) <
      1e-6,
  );
  t.same(values(crossEntropy, [tensor([1, 2], [nan, 0]), tensor([1], [1], 'i32')]), [nan]);
  const outOfRange = (): unknown => values(crossEntropy, [logits, tensor([2], [1, 2], 'i32')]);
  t.throws(outOfRange, InputError);
  t.throws(outOfRange, { message: /label 2 of sample 1.*0 to 1/ });
  rejects(t, () => shapeOf(crossEntropy, [logits, type('i32', 3)]), /labels \[3\] must have one entry for each row/);
  rejects(t, () => shapeOf(crossEntropy, [logits, type('f32', 2)]), /labels must be a i32 tensor/);
  rejects(t, () => shapeOf(crossEntropyGradient, [type('f32', 2), logits, labels]), /dloss must be f32 \[1\]/);
});

t.test('add and reshape', async (t) => {
  t.same(values(add, [tensor([2], [1, nan]), tensor([2], [10, 20])]), [11, nan]);
  rejects(t, () => shapeOf(add, [type('f32', 2), type('f32', 3)]), /b must be f32 \[2\], got f32 \[3\]/);
  t.same(shapeOf(reshape, [type('f32', 2, 256, 6, 6)], { shape: [2, 9216] }), [2, 9216]);
  t.same(values(reshape, [tensor([2, 2], [1, 2, 3, 4])], { shape: [4] }), [1, 2, 3, 4]);
  rejects(t, () => shapeOf(reshape, [type('f32', 2, 3)], { shape: [5] }), /\[2, 3\] has 6 elements, \[5\] has 5/);
  rejects(t, () => reshape.attributes({ shape: [2, -1] }), /extent of shape.*got -1/);
  rejects(t, () => reshape.attributes({}), /shape is missing/);
});

t.test('sgd: the three rules', async (t) => {
  const step = (given: Partial<SgdAttributes>, v: number, rate: number): number[] =>
    evaluate(sgd, [tensor([1], [2]), tensor([1], [3]), tensor([1], [v]), tensor([1], [rate])], given).map(
      ({ data }) => data[0],
    );
  const given = { momentum: 0.5, weightDecay: 0.25, learningRateMultiplier: 2 };
  // g + λw = 3.5, ε = 2 · 0.25
  t.same(step({ ...given, rule: 'caffe' }, 4, 0.25), [2 - 3.75, 3.75]);
  t.same(step({ ...given, rule: 'paper' }, -4, 0.25), [2 - 3.75, -3.75]);
  t.same(step({ ...given, rule: 'torch' }, 4, 0.25), [2 - 0.5 * 5.5, 5.5]);
  t.same(step({}, 0, 0.25), [2 - 0.75, 0.75], 'plain descent by default');
  rejects(t, () => sgd.attributes({ momentum: 1.5 }), /momentum must be a finite number from 0 to 1/);
  rejects(t, () => sgd.attributes({ weightDecay: -1 }), /weightDecay/);
  rejects(t, () => sgd.attributes({ learningRateMultiplier: infinity }), /learningRateMultiplier/);
  rejects(t, () => sgd.attributes({ rule: 'adam' as 'torch' }), /rule must be one of caffe, torch, paper/);
  const w = type('f32', 3);
  rejects(t, () => shapeOf(sgd, [w, w, type('f32', 4), type('f32', 1)]), /v must be f32 \[3\]/);
  rejects(t, () => shapeOf(sgd, [w, w, w, type('f32', 3)]), /learningRate must be f32 \[1\]/);
});
