/** As bounds.test.ts, for activations, losses, batch normalisation and Adam. */
import t from 'tap';
import { type AdamAttributes, adam } from '../src/ops/adam.js';
import { batchNorm, batchNormScaleGradient } from '../src/ops/batchNorm.js';
import { crossEntropy, crossEntropyGradient, crossEntropyTargetGradient } from '../src/ops/crossEntropy.js';
import type { Tensor64 } from '../src/ops/define.js';
import { leakyRelu } from '../src/ops/leakyRelu.js';
import { logSoftmax, logSoftmaxGradient } from '../src/ops/logSoftmax.js';
import { meanSquaredError, meanSquaredErrorGradient } from '../src/ops/meanSquaredError.js';
import { scale } from '../src/ops/scale.js';
import { sigmoid, sigmoidGradient } from '../src/ops/sigmoid.js';
import { tanh, tanhGradient } from '../src/ops/tanh.js';
import { caught, within } from './support/bounds.js';
import { evaluate, random, tensor } from './support/tensors.js';

const f = Math.fround;

function sum32(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum = f(sum + values[i]);
  return sum;
}

t.test('tanh and sigmoid', async (t) => {
  const dy = random([500], 9);
  for (const most of [0.01, 1, 10]) {
    const x = random([500], 1, 0, most);
    for (const given of [{}, { a: 1.7159, b: 2 / 3 }]) {
      const { a, b } = tanh.attributes(given);
      const what = `a ${a}, b ${b}, |x| ≤ ${most}`;
      const y = [...x.data].map((value) => f(a * f(Math.tanh(f(b * value)))));
      const judged = evaluate(tanh, [x], given)[0];
      within(t, judged, y, `tanh, ${what}`);
      caught(
        t,
        judged,
        y.map((value) => value * (1 + 2e-6)),
        `a relative error of 2e-6, ${what}`,
      );
      const slopes = y.map((value) => f(f(b / a) * f(f(a - value) * f(a + value))));
      const dx = slopes.map((slope, i) => f(dy.data[i] * slope));
      within(t, evaluate(tanhGradient, [dy, tensor([500], y)], given)[0], dx, `tanh gradient, ${what}`);
    }
    const s = [...x.data].map((value) => f(1 / f(1 + f(Math.exp(-value)))));
    within(t, evaluate(sigmoid, [x], {})[0], s, `sigmoid, |x| ≤ ${most}`);
    const back = s.map((value, i) => f(dy.data[i] * f(value * f(1 - value))));
    within(t, evaluate(sigmoidGradient, [dy, tensor([500], s)], {})[0], back, `sigmoid gradient, |x| ≤ ${most}`);
  }
});

t.test('leakyRelu and scale', async (t) => {
  const x = random([300], 1);
  const leaked = [...x.data].map((value) => (value > 0 ? value : f(f(0.1) * value)));
  within(t, evaluate(leakyRelu, [x], { slope: 0.1 })[0], leaked, 'leakyRelu');
  caught(
    t,
    evaluate(leakyRelu, [x], { slope: 0.1 })[0],
    leaked.map((value) => Math.max(value, 0)),
    'no slope',
  );
  const scaled = [...x.data].map((value) => f(f(0.7) * value));
  within(t, evaluate(scale, [x], { factor: 0.7 })[0], scaled, 'scale');
  caught(t, evaluate(scale, [x], { factor: 0.7 })[0], x.data, 'no factor');
});

/** Rows of a softmax in float32. */
function rows32(x: Tensor64) {
  const [batch, classes] = x.shape;
  return Array.from({ length: batch }, (_, n) => {
    const row = [...x.data.subarray(n * classes, (n + 1) * classes)];
    const maximum = Math.max(...row);
    const distances = row.map((value) => f(value - maximum));
    const terms = distances.map((value) => f(Math.exp(value)));
    return { distances, terms, sum: sum32(terms), logarithm: f(Math.log(sum32(terms))) };
  });
}

t.test('logSoftmax and crossEntropy against probabilities', async (t) => {
  const batch = 5;
  for (const [classes, most] of [
    [10, 1],
    [1000, 1],
    [1000, 0.01],
    [100, 100],
  ]) {
    const what = `${classes} classes, |x| ≤ ${most}`;
    const x = random([batch, classes], classes, 0, most);
    const rows = rows32(x);
    const y = rows.flatMap(({ distances, logarithm }) => distances.map((value) => f(value - logarithm)));
    within(t, evaluate(logSoftmax, [x], {})[0], y, `logSoftmax, ${what}`);
    const dy = random([batch, classes], 3);
    const totals = rows.map((_, n) => sum32(dy.data.subarray(n * classes, (n + 1) * classes)));
    const dx = y.map((value, i) => f(dy.data[i] - f(f(Math.exp(value)) * totals[Math.floor(i / classes)])));
    const judged = evaluate(logSoftmaxGradient, [dy, tensor([batch, classes], y)], {})[0];
    within(t, judged, dx, `logSoftmax gradient, ${what}`);
    caught(t, judged, dy.data, `a gradient without the row's sum, ${what}`);

    const raw = random([batch, classes], 4, 0.5, 1).data.map(Math.abs);
    const target = tensor(
      [batch, classes],
      raw.map((value) => f(value / (0.75 * classes))),
    );
    const terms = rows.map(({ distances, logarithm }, n) =>
      sum32(distances.map((value, k) => f(target.data[n * classes + k] * f(logarithm - value)))),
    );
    const loss = evaluate(crossEntropy, [x, target], {})[0];
    within(t, loss, [f(sum32(terms) / batch)], `crossEntropy, ${what}`);
    caught(t, loss, [f(sum32(terms.slice(1)) / batch)], `a sample left out, ${what}`);

    const factor = f(f(0.7) / batch);
    const seed = tensor([1], [f(0.7)]);
    const gradient = rows.flatMap((row, n) => {
      const weights = target.data.subarray(n * classes, (n + 1) * classes);
      const weight = sum32(weights);
      return row.terms.map((term, k) => f(f(f(weight * f(term / row.sum)) - weights[k]) * factor));
    });
    within(t, evaluate(crossEntropyGradient, [seed, x, target], {})[0], gradient, `gradient, ${what}`);
    const forTarget = y.map((value) => f(-value * factor));
    within(t, evaluate(crossEntropyTargetGradient, [seed, x], {})[0], forTarget, `gradient for the target, ${what}`);
  }
});

t.test('meanSquaredError', async (t) => {
  const [x, target] = [random([4, 4000], 1), random([4, 4000], 2)];
  const differences = [...x.data].map((value, i) => f(value - target.data[i]));
  const squares = differences.map((value) => f(value * value));
  const judged = evaluate(meanSquaredError, [x, target], {})[0];
  within(t, judged, [f(sum32(squares) / 16000)], 'loss');
  caught(t, judged, [f(sum32(squares.slice(2)) / 16000)], 'two elements left out');
  caught(t, judged, [f(sum32(squares) / 4)], 'a mean over the batch');
  const factor = f(f(2 * f(0.7)) / 16000);
  const gradient = evaluate(meanSquaredErrorGradient, [tensor([1], [f(0.7)]), x, target], {})[0];
  within(
    t,
    gradient,
    differences.map((value) => f(factor * value)),
    'gradient',
  );
});

t.test('batchNorm', async (t) => {
  const shape = [2, 3, 20, 20];
  const [x, dy] = [random(shape, 1), random(shape, 2)];
  const [factor, bias, mean, variance] = [random([3], 3), random([3], 4), random([3], 5), tensor([3], [0.5, 1, 2])];
  const channel = (i: number): number => Math.floor(i / 400) % 3;
  const inverses = [...variance.data].map((value) => f(1 / f(Math.sqrt(f(value + f(1e-5))))));
  const differences = [...x.data].map((value, i) => f(value - mean.data[channel(i)]));
  const y = differences.map((value, i) => {
    const c = channel(i);
    return f(f(value * f(factor.data[c] * inverses[c])) + bias.data[c]);
  });
  const judged = evaluate(batchNorm, [x, factor, bias, mean, variance], {})[0];
  within(t, judged, y, 'forward');
  caught(t, judged, evaluate(batchNorm, [x, factor, bias, mean, variance], { epsilon: 0 })[0].data, 'no epsilon');
  const sums = inverses.map((inverse, c) => {
    const products = differences.map((value, i) => f(dy.data[i] * value)).filter((_, i) => channel(i) === c);
    return f(sum32(products) * inverse);
  });
  within(t, evaluate(batchNormScaleGradient, [dy, x, mean, variance], {})[0], sums, 'scale gradient');
});

/** A step in float32, the two coefficients with the bias corrections in float64; `single` computes those in float32 too. */
function adam32(given: AdamAttributes, inputs: readonly Tensor64[], single = false): number[][] {
  const [w, g, m, v, rate, step] = inputs.map(({ data }) => data);
  const round = single ? f : (value: number): number => value;
  const { beta1, beta2, epsilon, weightDecay } = given;
  const pace = f((rate[0] * given.learningRateMultiplier) / (1 - round(round(beta1) ** step[0])));
  const correction = f(1 / Math.sqrt(1 - round(round(beta2) ** step[0])));
  const rows = [...w].map((weight, i) => {
    const gradient = f(g[i] + f(f(weightDecay) * weight));
    const mean = f(f(f(beta1) * m[i]) + f(f(1 - beta1) * gradient));
    const square = f(f(f(beta2) * v[i]) + f(f(1 - beta2) * f(gradient * gradient)));
    const divisor = f(f(f(Math.sqrt(square)) * correction) + f(epsilon));
    return [f(weight - f(f(pace * mean) / divisor)), mean, square];
  });
  return [0, 1, 2].map((output) => rows.map((row) => row[output]));
}

t.test('adam', async (t) => {
  const [w, g, m] = [random([1000], 1), random([1000], 2), random([1000], 3)];
  const v = tensor([1000], random([1000], 4, 0.1, 1).data.map(Math.abs));
  for (const step of [1, 2, 10, 1000]) {
    const given = adam.attributes({ weightDecay: 5e-4, learningRateMultiplier: 2 });
    const inputs = [w, g, m, v, tensor([1], [f(0.01)]), tensor([1], [step])];
    const judged = evaluate(adam, inputs, given);
    const got = adam32(given, inputs);
    for (const [i, name] of ['weight', 'first moment', 'second moment'].entries()) {
      within(t, judged[i], got[i], `step ${step}, ${name}`);
    }
    caught(t, judged[0], evaluate(adam, inputs, { ...given, weightDecay: 0 })[0].data, `step ${step}: no decay`);
    const late = [...inputs.slice(0, 5), tensor([1], [step + 1])];
    if (step < 1000) caught(t, judged[0], evaluate(adam, late, given)[0].data, `step ${step}: counted from 0`);
  }
  const given = adam.attributes({});
  const inputs = [w, g, m, v, tensor([1], [f(0.5)]), tensor([1], [1])];
  caught(t, evaluate(adam, inputs, given)[0], adam32(given, inputs, true)[0], 'bias corrections in single precision');
});
