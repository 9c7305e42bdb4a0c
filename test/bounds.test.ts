/**
 * The error bounds of the references: plain float32 evaluations, every operation rounded, stay within them; the bounds are
 * small beside the results; and the faults that kernels are known for exceed them.
 */
import t from 'tap';
import { conv2d, conv2dWeightGradient } from '../src/ops/conv2d.js';
import { crossEntropy, crossEntropyGradient } from '../src/ops/crossEntropy.js';
import type { Tensor64 } from '../src/ops/define.js';
import { linear } from '../src/ops/linear.js';
import { type LrnAttributes, lrn, lrnGradient } from '../src/ops/lrn.js';
import { maxPoolGradient } from '../src/ops/maxPool.js';
import { type SgdAttributes, sgd } from '../src/ops/sgd.js';
import { softmax, softmaxGradient } from '../src/ops/softmax.js';
import { caught, largest, ratio, within } from './support/bounds.js';
import { evaluate, random, tensor } from './support/tensors.js';

const f = Math.fround;

/** A float32 LRN of one column of channels: y, and dx with the second term multiplied by `sign`. */
function lrn32(given: LrnAttributes, x: Float64Array, g: Float64Array, sign = 1): { y: number[]; dx: number[] } {
  const a = f(given.alphaPer === 'window' ? given.alpha / given.size : given.alpha);
  const before = Math.floor(given.size / 2);
  const after = Math.floor((given.size - 1) / 2);
  const window = (values: ArrayLike<number>, c: number, back: number, ahead: number): number => {
    let sum = 0;
    for (let j = Math.max(0, c - back); j <= Math.min(values.length - 1, c + ahead); j++) sum = f(sum + values[j]);
    return sum;
  };
  const squares = [...x].map((value) => f(value * value));
  const s = squares.map((_, c) => f(f(given.k) + f(a * window(squares, c, before, after))));
  const power = s.map((value) =>
    given.beta === 0.75
      ? f(1 / f(f(Math.sqrt(value)) * f(Math.sqrt(f(Math.sqrt(value))))))
      : f(value ** -f(given.beta)),
  );
  const y = power.map((value, c) => f(x[c] * value));
  const q = y.map((value, c) => f(f(g[c] * value) / s[c]));
  const factor = f(sign * 2 * a * given.beta);
  const dx = q.map((_, c) => f(f(g[c] * power[c]) - f(f(factor * x[c]) * window(q, c, after, before))));
  return { y, dx };
}

t.test('lrn', async (t) => {
  const shape = [1, 96, 1, 1];
  for (const [alpha, least, most] of [
    [0.1, 1, 10],
    [1e-4, 0, 100],
    [1e-4, 0, 1],
  ]) {
    for (const beta of [0.75, 0.6]) {
      for (const size of [3, 4, 5]) {
        const given = lrn.attributes({ alpha, beta, size });
        const x = random(shape, size, least, most);
        const g = random(shape, size + 1);
        const { y, dx } = lrn32(given, x.data, g.data);
        const what = `alpha ${alpha}, beta ${beta}, size ${size}, |x| ≤ ${most}`;
        within(t, evaluate(lrn, [x], given)[0], y, what);
        within(t, evaluate(lrnGradient, [g, x], given)[0], dx, `gradient, ${what}`);
      }
    }
  }
  const given = lrn.attributes({ alpha: 0.1, size: 5 });
  const x = random(shape, 1, 1, 10);
  const g = random(shape, 2);
  caught(
    t,
    evaluate(lrnGradient, [g, x], given)[0],
    lrn32(given, x.data, g.data, -1).dx,
    'a wrong sign in the gradient',
  );
  const undivided = lrn32({ ...given, alphaPer: 'element' }, x.data, g.data);
  caught(t, evaluate(lrn, [x], given)[0], undivided.y, 'alpha that is not divided');
  caught(t, evaluate(lrnGradient, [g, x], given)[0], undivided.dx, 'alpha that is not divided, in the gradient');
});

/** Float32 dot products of rows of x with rows of w, one product after another, from the given one on. */
function products32(x: Tensor64, w: Tensor64, from = 0): number[] {
  const [batch, length] = x.shape;
  const outputs = w.shape[0];
  return Array.from({ length: batch * outputs }, (_, i) => {
    let sum = 0;
    const row = Math.floor(i / outputs) * length;
    for (let k = from; k < length; k++) sum = f(sum + f(x.data[row + k] * w.data[(i % outputs) * length + k]));
    return sum;
  });
}

t.test('sums of products', async (t) => {
  const x = random([4, 9216], 1);
  const w = random([8, 9216], 2);
  const judged = evaluate(linear, [x, w], {})[0];
  within(t, judged, products32(x, w), 'linear, K = 9216');
  caught(t, judged, products32(x, w, 1), 'a dropped product');
  caught(t, judged, new Float64Array(32), 'an all-zero result');

  // The weight gradient of a convolution with one tap is a dot product over batch and positions.
  const [dy, image] = [random([1, 2, 300, 330], 3), random([1, 2, 300, 330], 4)];
  const flat = (tensor64: Tensor64): Tensor64 => tensor([2, 99000], tensor64.data);
  const gradient = evaluate(conv2dWeightGradient, [dy, image], { kernelSize: [1, 1] })[0];
  within(t, gradient, products32(flat(dy), flat(image)), 'conv2d weight gradient, K = 99000');
  caught(t, gradient, products32(flat(dy), flat(image), 1), 'a dropped product');

  const bias = random([3], 7);
  const biased = evaluate(conv2d, [random([1, 2, 4, 4], 5), random([3, 2, 3, 3], 6), bias], {})[0];
  caught(
    t,
    biased,
    biased.data.map((value, i) => value - bias.data[Math.floor(i / 4)]),
    'a missing bias',
  );
});

t.test('maxPool gradient with overlapping windows', async (t) => {
  const x = random([1, 4, 15, 15], 1);
  const dy = random([1, 4, 13, 13], 2);
  const judged = evaluate(maxPoolGradient, [dy, x], { kernel: 3 })[0];
  t.ok(ratio(judged, judged.data.map(f)) <= 1);
  t.ok(largest(judged.bound) <= 1e-3 * largest(judged.data));
});

function softmax32(x: Tensor64, n: number): { y: number[]; sum: number; maximum: number } {
  const classes = x.shape[1];
  const row = [...x.data.subarray(n * classes, (n + 1) * classes)];
  const maximum = Math.max(...row);
  const terms = row.map((value) => f(Math.exp(f(value - maximum))));
  const sum = terms.reduce((before, term) => f(before + term), 0);
  return { y: terms.map((term) => f(term / sum)), sum, maximum };
}

t.test('softmax and crossEntropy', async (t) => {
  for (const [classes, scale] of [
    [10, 1],
    [1000, 1],
    [1000, 0.01],
    [100, 100],
  ]) {
    const what = `${classes} classes, |x| ≤ ${scale}`;
    const batch = 5;
    const x = random([batch, classes], classes, 0, scale);
    const labels = tensor([batch], [0, 1, 2, 3, classes - 1], 'i32');
    const rows = Array.from({ length: batch }, (_, n) => softmax32(x, n));
    const y = rows.flatMap((row) => row.y);
    within(t, evaluate(softmax, [x], {})[0], y, `softmax, ${what}`);

    const losses = rows.map(({ sum, maximum }, n) =>
      f(f(Math.log(sum)) - f(x.data[n * classes + labels.data[n]] - maximum)),
    );
    const loss = f(losses.reduce((sum, value) => f(sum + value), 0) / batch);
    const judged = evaluate(crossEntropy, [x, labels], {})[0];
    t.ok(ratio(judged, [loss]) <= 1 && judged.bound[0] <= 1e-3 * judged.data[0], `crossEntropy, ${what}`);

    const isLabel = (i: number): boolean => i % classes === labels.data[Math.floor(i / classes)];
    const gradient = y.map((p, i) => f(f(p - (isLabel(i) ? 1 : 0)) * f(0.7 / batch)));
    const seed = tensor([1], [f(0.7)]);
    within(t, evaluate(crossEntropyGradient, [seed, x, labels], {})[0], gradient, `crossEntropy gradient, ${what}`);

    const dy = random([batch, classes], 3);
    const probabilities = tensor([batch, classes], y);
    const dots = rows.map((row, n) => row.y.reduce((sum, p, k) => f(sum + f(p * dy.data[n * classes + k])), 0));
    const back = y.map((p, i) => f(p * f(dy.data[i] - dots[Math.floor(i / classes)])));
    within(t, evaluate(softmaxGradient, [dy, probabilities], {})[0], back, `softmax gradient, ${what}`);
  }
});

t.test('sgd', async (t) => {
  const [w, g, v] = [random([1000], 1), random([1000], 2), random([1000], 3)];
  const rate = tensor([1], [f(0.01)]);
  for (const rule of ['caffe', 'torch', 'paper'] as const) {
    const given: SgdAttributes = { rule, momentum: 0.9, weightDecay: 5e-4, learningRateMultiplier: 2 };
    const step = f(rate.data[0] * 2);
    const sign = rule === 'paper' ? -1 : 1;
    const velocity = [...v.data].map((before, i) => {
      const descent = f(g.data[i] + f(f(5e-4) * w.data[i]));
      return f(f(f(0.9) * before) + (rule === 'torch' ? descent : sign * f(step * descent)));
    });
    const weight = velocity.map((next, i) => f(w.data[i] - (rule === 'torch' ? f(step * next) : sign * next)));
    const [newWeight, newVelocity] = evaluate(sgd, [w, g, v, rate], given);
    within(t, newWeight, weight, `${rule}, weight`);
    within(t, newVelocity, velocity, `${rule}, velocity`);
    const undecayed = evaluate(sgd, [w, g, v, rate], { ...given, weightDecay: 0 });
    caught(t, newVelocity, undecayed[1].data, `${rule}: a missing decay`);
  }
});
