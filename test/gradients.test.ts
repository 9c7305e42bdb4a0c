/** Gradient rules against central differences, both in float64 on the references. */
import t, { type Test } from 'tap';
import { adaptiveAvgPool } from '../src/ops/adaptiveAvgPool.js';
import { add } from '../src/ops/add.js';
import { type AvgPoolAttributes, avgPool } from '../src/ops/avgPool.js';
import { batchNorm } from '../src/ops/batchNorm.js';
import { clip } from '../src/ops/clip.js';
import { concat } from '../src/ops/concat.js';
import { type Conv2dAttributes, conv2d } from '../src/ops/conv2d.js';
import { type ConvTranspose2dAttributes, convTranspose2d } from '../src/ops/convTranspose2d.js';
import { crossEntropy } from '../src/ops/crossEntropy.js';
import type { Attributes, GradientScope, Op, Ref, Tensor64 } from '../src/ops/define.js';
import { dropout } from '../src/ops/dropout.js';
import { leakyRelu } from '../src/ops/leakyRelu.js';
import { linear } from '../src/ops/linear.js';
import { type Local2dAttributes, local2d } from '../src/ops/local2d.js';
import { logSoftmax } from '../src/ops/logSoftmax.js';
import { type LrnAttributes, lrn } from '../src/ops/lrn.js';
import { lrnWithin } from '../src/ops/lrnWithin.js';
import { matMul } from '../src/ops/matMul.js';
import { type MaxPoolAttributes, maxPool } from '../src/ops/maxPool.js';
import { meanSquaredError } from '../src/ops/meanSquaredError.js';
import { ops } from '../src/ops/registry.js';
import { relu } from '../src/ops/relu.js';
import { reshape } from '../src/ops/reshape.js';
import { scale } from '../src/ops/scale.js';
import { sigmoid } from '../src/ops/sigmoid.js';
import { softmax } from '../src/ops/softmax.js';
import { split, splitGradient } from '../src/ops/split.js';
import { tanh } from '../src/ops/tanh.js';
import { evaluate, random, tensor } from './support/tensors.js';

/** Gradients of every wanted input for one incoming gradient: runs the rule, evaluating each node as it is emitted. */
function backward<A extends Attributes>(
  op: Op<A>,
  inputs: readonly Tensor64[],
  given: Partial<A>,
  dy: Tensor64 | readonly (Tensor64 | undefined)[],
  wanted: readonly boolean[],
): { gradients: readonly (Tensor64 | undefined)[]; emitted: string[] } {
  const known: Tensor64[] = [];
  const emitted: string[] = [];
  const keep = (value: Tensor64): Ref => ({ ...value, id: known.push(value) - 1 });
  const valueFor = (ref: Ref): Tensor64 => known[ref.id];
  const scope: GradientScope<A> = {
    attributes: op.attributes(given),
    inputs: inputs.map(keep),
    outputs: evaluate(op, inputs, given).map(keep),
    outputGradients: ('data' in dy ? [dy] : dy).map((one) => one && keep(one)),
    wanted,
    emit: (next, from, attributes) => {
      emitted.push(next.name);
      return evaluate(next, from.map(valueFor), attributes).map(keep);
    },
  };
  const refs = op.gradient?.(scope) ?? [];
  return { gradients: refs.map((ref) => ref && valueFor(ref)), emitted };
}

const tried = new Set<string>();

/**
 * Compares the rule with (L(x + h) − L(x − h)) / 2h for L = Σ dy·y, element by element. With h = 10⁻⁵·max(1, |x|) both the
 * truncation (h²) and the rounding (2⁻⁵³·|L|/h) stay below 10⁻⁸ of the largest gradient; the tolerance is ten times that.
 */
function check<A extends Attributes>(
  t: Test,
  op: Op<A>,
  inputs: readonly Tensor64[],
  given: Partial<A> = {},
  differentiable: readonly boolean[] = inputs.map(() => true),
): void {
  tried.add(op.name);
  const [y] = evaluate(op, inputs, given);
  const dy = random(y.shape, 99);
  const loss = (): number => evaluate(op, inputs, given)[0].data.reduce((sum, value, i) => sum + value * dy.data[i], 0);
  const { gradients } = backward(op, inputs, given, dy, differentiable);
  for (const [i, { data, shape }] of inputs.entries()) {
    const gradient = gradients[i];
    if (!differentiable[i] || !gradient) {
      t.notOk(gradient, `input ${i} has no gradient`);
      continue;
    }
    t.same(gradient.shape, shape, `input ${i}: the gradient has its shape`);
    let worst = 0;
    let largest = 0;
    for (let k = 0; k < data.length; k++) {
      const x = data[k];
      const h = 1e-5 * Math.max(1, Math.abs(x));
      data[k] = x + h;
      const above = loss();
      data[k] = x - h;
      const below = loss();
      data[k] = x;
      const numeric = (above - below) / (2 * h);
      worst = Math.max(worst, Math.abs(numeric - gradient.data[k]));
      largest = Math.max(largest, Math.abs(numeric));
    }
    t.ok(worst <= 1e-7 * largest, `input ${i}: worst ${worst} of ${largest}`);
    t.ok(largest > 0, `input ${i} matters`);
  }
}

/** Values a twentieth apart in random order: no ties, and no two within reach of a difference quotient. */
function distinct(shape: readonly number[], seed: number): Tensor64 {
  const order = random(shape, seed).data;
  const rank = [...order.keys()].sort((a, b) => order[a] - order[b]);
  const data = new Float64Array(order.length);
  for (const [place, at] of rank.entries()) data[at] = 0.05 * (place - order.length / 2) + 0.02;
  return tensor(shape, data);
}

t.test('conv2d', async (t) => {
  const cases: readonly [x: number[], w: number[], Partial<Conv2dAttributes>][] = [
    [[2, 3, 5, 6], [4, 3, 3, 3], {}],
    [[1, 2, 9, 8], [3, 2, 3, 2], { stride: [3, 2] }],
    [[1, 2, 5, 5], [2, 2, 3, 3], { padding: [1, 2, 0, 1] }],
    [[1, 2, 8, 9], [2, 2, 3, 2], { dilation: [2, 3], padding: 1 }],
    [[2, 4, 5, 4], [6, 2, 3, 3], { groups: 2, padding: 1, stride: 2 }],
    [[1, 4, 4, 4], [4, 1, 2, 2], { groups: 4 }],
  ];
  for (const [x, w, given] of cases) {
    check(t, conv2d, [random(x, 1), random(w, 2), random([w[0]], 3)], given);
  }
});

t.test('convTranspose2d', async (t) => {
  const cases: readonly [x: number[], w: number[], Partial<ConvTranspose2dAttributes>][] = [
    [[2, 3, 3, 4], [3, 2, 3, 3], {}],
    [[1, 2, 3, 3], [2, 3, 3, 2], { stride: [3, 2], outputPadding: [2, 1] }],
    [[2, 4, 3, 2], [4, 3, 3, 3], { groups: 2, stride: 2, padding: [1, 0, 0, 1] }],
    [[1, 2, 4, 3], [2, 2, 2, 3], { dilation: [3, 2], padding: 1 }],
  ];
  for (const [x, w, given] of cases) {
    check(t, convTranspose2d, [random(x, 1), random(w, 2), random([w[1] * (given.groups ?? 1)], 3)], given);
  }
});

t.test('matMul', async (t) => {
  for (const transposeA of [false, true]) {
    for (const transposeB of [false, true]) {
      const [a, b] = [transposeA ? [4, 3] : [3, 4], transposeB ? [5, 4] : [4, 5]];
      check(t, matMul, [random(a, 1), random(b, 2)], { transposeA, transposeB });
    }
  }
});

t.test('local2d', async (t) => {
  const cases: readonly [x: number[], w: number[], Partial<Local2dAttributes>][] = [
    [[2, 3, 4, 5], [2, 2, 3, 3, 3, 3], {}],
    [[2, 2, 3, 3], [3, 3, 3, 2, 3, 3], { padding: 1 }],
    [[1, 2, 6, 7], [2, 3, 4, 2, 3, 2], { stride: 2, padding: [1, 0, 0, 1] }],
  ];
  for (const [x, w, given] of cases) {
    check(t, local2d, [random(x, 1), random(w, 2), random(w.slice(0, 3), 3)], given);
    check(t, local2d, [random(x, 1), random(w, 2)], given);
  }
});

t.test('conv2d and linear with a fused ReLU', async (t) => {
  check(t, conv2d, [random([1, 2, 5, 5], 1), random([3, 2, 3, 3], 2), random([3], 3)], { activation: 'relu' });
  check(t, linear, [random([4, 7], 1), random([5, 7], 2), random([5], 3)], { activation: 'relu' });
});

t.test('linear', async (t) => {
  check(t, linear, [random([3, 7], 1), random([4, 7], 2), random([4], 3)]);
  check(t, linear, [random([1, 5], 1), random([2, 5], 2)]);
});

t.test('a rule emits nothing for a gradient that is not wanted', async (t) => {
  const inputs = [random([3, 7], 1), random([4, 7], 2), random([4], 3)];
  const dy = random([3, 4], 4);
  t.same(backward(linear, inputs, {}, dy, [false, true, false]).emitted, ['linearWeightGradient']);
  t.same(backward(linear, inputs, {}, dy, [true, false, false]).emitted, ['linearDataGradient']);
  const image = [random([1, 2, 4, 4], 1), random([2, 2, 3, 3], 2), random([2], 3)];
  const incoming = random([1, 2, 2, 2], 4);
  t.same(backward(conv2d, image, {}, incoming, [false, false, true]).emitted, ['conv2dBiasGradient']);
  t.same(backward(relu, [image[0]], {}, image[0], [false]).emitted, []);
});

t.test('relu', async (t) => {
  check(t, relu, [random([2, 3, 4], 1, 0.1, 1)]);
});

t.test('leakyRelu, clip, tanh, sigmoid and scale', async (t) => {
  const x = random([2, 3, 4], 1, 0.1, 1);
  for (const slope of [0, 0.1, 2]) check(t, leakyRelu, [x], { slope });
  check(t, clip, [distinct([2, 3, 4], 1)], { min: -0.25, max: 0.4 });
  check(t, clip, [x]);
  for (const given of [{}, { a: 1.7159, b: 2 / 3 }, { a: -2, b: -0.5 }])
    check(t, tanh, [random([3, 5], 2, 0, 2)], given);
  check(t, sigmoid, [random([3, 5], 3, 0, 4)]);
  check(t, scale, [x], { factor: -0.3 });
});

t.test('batchNorm: statistics are constants', async (t) => {
  const differentiable = [true, true, true, false, false];
  for (const shape of [
    [2, 3, 2, 4],
    [5, 3],
  ]) {
    const perChannel = [random([3], 2), random([3], 3), random([3], 4), tensor([3], [0.5, 1.25, 3])];
    check(t, batchNorm, [random(shape, 1), ...perChannel], { epsilon: 0.1 }, differentiable);
  }
});

t.test('concat', async (t) => {
  check(t, concat, [random([2, 3, 2], 1), random([2, 1, 2], 2), random([2, 4, 2], 3)]);
  check(t, concat, [random([2, 3], 1), random([4, 3], 2)], { axis: 0 });
});

t.test('split: the gradient of each piece goes where the piece came from, and zero where there is none', async (t) => {
  tried.add(split.name);
  const x = random([2, 4], 1);
  const [low, high] = [tensor([2, 1], [1, 2]), tensor([2, 3], [3, 4, 5, 6, 7, 8])];
  const gradientOf = (incoming: readonly (Tensor64 | undefined)[]): readonly unknown[] => {
    const { gradients, emitted } = backward(split, [x], { axis: 1, sizes: [1, 3] }, incoming, [true]);
    return [emitted, [...(gradients[0]?.data ?? [])]];
  };
  t.same(gradientOf([low, high]), [['concat'], [1, 3, 4, 5, 2, 6, 7, 8]]);
  t.same(gradientOf([undefined, high]), [[splitGradient.name], [0, 3, 4, 5, 0, 6, 7, 8]]);
  t.same(gradientOf([low, undefined]), [[splitGradient.name], [1, 0, 0, 0, 2, 0, 0, 0]]);
  t.same(gradientOf([undefined, undefined]), [[], []]);
});

t.test('logSoftmax, meanSquaredError and crossEntropy against probabilities', async (t) => {
  check(t, logSoftmax, [random([3, 6], 1, 0, 3)]);
  check(t, meanSquaredError, [random([3, 5], 1), random([3, 5], 2)]);
  // Whether or not the rows of the target add up to 1.
  check(t, crossEntropy, [random([4, 6], 1, 0, 3), random([4, 6], 2)]);
});

t.test('lrn, with both terms of the gradient of one size', async (t) => {
  for (const size of [1, 3, 4, 5, 8]) {
    for (const alphaPer of ['element', 'window'] as const) {
      for (const more of [{}, { beta: 0.5, k: 2 }] as Partial<LrnAttributes>[]) {
        check(t, lrn, [random([2, 7, 2, 2], size, 1, 10)], { size, alpha: 0.1, alphaPer, ...more });
      }
    }
  }
});

t.test('lrn: groups and even windows of both kinds', async (t) => {
  const x = random([2, 6, 2, 2], 3, 1, 10);
  for (const evenWindow of ['torch', 'onnx'] as const) {
    for (const size of [2, 4]) {
      check(t, lrn, [x], { size, alpha: 0.1, evenWindow });
      check(t, lrn, [x], { size, alpha: 0.1, evenWindow, groups: 2 });
    }
  }
});

t.test('lrnWithin', async (t) => {
  for (const size of [1, 2, 3, 4, 5]) {
    for (const alphaPer of ['element', 'window'] as const) {
      check(t, lrnWithin, [random([2, 2, 4, 5], size, 1, 10)], { size, alpha: 0.1, alphaPer, k: 2 });
    }
  }
  check(t, lrnWithin, [random([1, 2, 3, 3], 1, 1, 10)], { size: 3, alpha: 0.1, beta: 0.5 });
});

t.test('avgPool and adaptiveAvgPool', async (t) => {
  const cases: Partial<AvgPoolAttributes>[] = [
    { kernel: 3, stride: 2 },
    { kernel: 3, stride: 2, rounding: 'ceil' },
    { kernel: [3, 2], stride: [1, 2], padding: [1, 0, 2, 1] },
    { kernel: 2, stride: 3, padding: 1, rounding: 'ceil' },
  ];
  for (const given of cases) {
    for (const count of ['inside', 'all'] as const) check(t, avgPool, [random([2, 2, 6, 7], 1)], { ...given, count });
  }
  for (const size of [1, 3, [2, 7], [8, 4]]) check(t, adaptiveAvgPool, [random([2, 2, 6, 7], 1)], { size });
});

t.test('maxPool away from ties', async (t) => {
  const cases: Partial<MaxPoolAttributes>[] = [
    { kernel: 3, stride: 2 },
    { kernel: 2, stride: 2 },
    { kernel: [3, 2], stride: [1, 2], padding: [1, 0, 2, 1] },
    { kernel: 3, stride: 2, rounding: 'ceil' },
    { kernel: 2, stride: 3, padding: 1, rounding: 'ceil' },
  ];
  for (const given of cases) {
    for (const ties of ['first', 'all'] as const) check(t, maxPool, [distinct([2, 2, 6, 7], 1)], { ...given, ties });
  }
});

t.test('maxPool: a tie goes to the first maximum in row-major order', async (t) => {
  const x = tensor([1, 1, 2, 3], [1, 5, 5, 5, 2, 5]);
  const { gradients } = backward(maxPool, [x], { kernel: 2 }, tensor([1, 1, 1, 2], [10, 1]), [true]);
  t.same([...(gradients[0]?.data ?? [])], [0, 11, 0, 0, 0, 0]);
});

t.test('dropout', async (t) => {
  const key = tensor([4], [1, 2, 3, 4], 'i32');
  check(t, dropout, [random([3, 11], 1), key], { probability: 0.3, stream: 5 }, [true, false]);
});

t.test('softmax and crossEntropy', async (t) => {
  check(t, softmax, [random([3, 6], 1, 0, 3)]);
  check(t, crossEntropy, [random([4, 6], 1, 0, 3), tensor([4], [0, 5, 2, 2], 'i32')], {}, [true, false]);
});

t.test('add and reshape', async (t) => {
  check(t, add, [random([2, 3], 1), random([2, 3], 2)]);
  check(t, reshape, [random([2, 6], 1)], { shape: [3, 4] });
});

t.test('every op with a gradient rule has been tried', async (t) => {
  const differentiable = [...ops.values()].filter((op) => op.gradient).map((op) => op.name);
  t.same(
    differentiable.filter((name) => !tried.has(name)),
    [],
  );
});
