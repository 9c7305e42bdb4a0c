/** logSoftmax, crossEntropy against probabilities, meanSquaredError, adam and dropout's scaleAt: values worked out by hand. */
import t from 'tap';
import { type AdamAttributes, adam } from '../src/ops/adam.js';
import { crossEntropy, crossEntropyGradient, crossEntropyTargetGradient } from '../src/ops/crossEntropy.js';
import { dropout, keepScale } from '../src/ops/dropout.js';
import { logSoftmax, logSoftmaxGradient } from '../src/ops/logSoftmax.js';
import { meanSquaredError, meanSquaredErrorGradient } from '../src/ops/meanSquaredError.js';
import { close, rejects, shapeOf } from './support/asserts.js';
import { evaluate, random, tensor, type, values } from './support/tensors.js';

const { log } = Math;

t.test('logSoftmax', async (t) => {
  close(t, values(logSoftmax, [tensor([2, 2], [0, log(3), 1000, 1000])]), [log(1 / 4), log(3 / 4), -log(2), -log(2)]);
  t.same(values(logSoftmax, [tensor([1, 2], [Number.NaN, 0])]), [Number.NaN, Number.NaN]);
  t.same(values(logSoftmax, [tensor([1, 2], [Number.NEGATIVE_INFINITY, 5])]), [Number.NEGATIVE_INFINITY, 0]);
  close(t, values(logSoftmaxGradient, [tensor([1, 2], [3, 5]), tensor([1, 2], [log(1 / 4), log(3 / 4)])]), [1, -1]);
  rejects(t, () => shapeOf(logSoftmax, [type('f32', 2)]), /2 dimensions/);
});

t.test('crossEntropy against probabilities', async (t) => {
  const logits = tensor([2, 2], [0, log(3), 1000, 1000]);
  const target = tensor([2, 2], [0.5, 0.5, 1, 0]);
  close(t, values(crossEntropy, [logits, target]), [((log(4) + log(4 / 3)) / 2 + log(2)) / 2]);
  close(t, values(crossEntropyGradient, [tensor([1], [4]), logits, target]), [-0.5, 0.5, -1, 1]);
  close(t, values(crossEntropyTargetGradient, [tensor([1], [2]), logits]), [log(4), log(4 / 3), log(2), log(2)]);
  const scores = random([4, 6], 1, 0, 3);
  const hard = tensor([4], [0, 5, 2, 2], 'i32');
  const oneHot = tensor(
    [4, 6],
    Array.from({ length: 24 }, (_, i) => Number(i % 6 === hard.data[Math.floor(i / 6)])),
  );
  const seed = tensor([1], [1]);
  close(t, values(crossEntropy, [scores, oneHot]), values(crossEntropy, [scores, hard]));
  close(t, values(crossEntropyGradient, [seed, scores, oneHot]), values(crossEntropyGradient, [seed, scores, hard]));
  rejects(t, () => shapeOf(crossEntropy, [logits, type('f32', 2, 3)]), /probabilities must be f32 \[2, 2\]/);
  rejects(t, () => shapeOf(crossEntropy, [logits, type('i32', 2, 2)]), /labels must be a i32 tensor of 1 dimensions/);
});

t.test('meanSquaredError', async (t) => {
  const [x, target] = [tensor([2, 2], [1, 2, 3, 4]), tensor([2, 2], [1, 0, 4, 8])];
  t.same(values(meanSquaredError, [x, target]), [21 / 4]);
  t.same(values(meanSquaredErrorGradient, [tensor([1], [2]), x, target]), [0, 2, -1, -4]);
  rejects(t, () => shapeOf(meanSquaredError, [x, type('f32', 4)]), /target must be f32 \[2, 2\], got f32 \[4\]/);
});

function step(given: Partial<AdamAttributes>, [w, g, m, v, rate, t]: readonly number[]): number[] {
  const inputs = [w, g, m, v, rate, t].map((value) => tensor([1], [value]));
  return evaluate(adam, inputs, given).map(({ data }) => data[0]);
}

t.test('adam', async (t) => {
  // From rest, both corrected moments are those of the gradient itself: the step is the rate, whatever the gradient.
  close(t, step({ epsilon: 0 }, [2, 3, 0, 0, 0.25, 1]), [1.75, 0.3, 0.009]);
  close(t, step({ epsilon: 3 }, [2, 3, 0, 0, 0.25, 1]), [2 - 0.25 / 2, 0.3, 0.009]);
  const given = { beta1: 0.5, beta2: 0.75, epsilon: 1, weightDecay: 0.25, learningRateMultiplier: 2 };
  // g + λw = 4, m = 4, v = ¾·v₀ + 4; at step 2 they are divided by ¾ and 7/16.
  const v = 0.75 * 8 + 4;
  close(t, step(given, [4, 3, 4, 8, 0.5, 2]), [4 - 4 / 0.75 / (Math.sqrt((v * 16) / 7) + 1), 4, v]);
  // Far from the start the corrections are 1.
  close(t, step({ ...given, weightDecay: 0 }, [4, 4, 4, 16, 0.5, 1e6]), [4 - 4 / 5, 4, 16]);
  t.same(adam.attributes({}), {
    beta1: 0.9,
    beta2: 0.999,
    epsilon: 1e-8,
    weightDecay: 0,
    learningRateMultiplier: 1,
  });
  rejects(t, () => adam.attributes({ beta1: 1 }), /beta1 must be less than 1/);
  rejects(t, () => adam.attributes({ beta2: -0.1 }), /beta2 must be a finite number from 0 to 1/);
  rejects(t, () => adam.attributes({ epsilon: -1 }), /epsilon/);
  rejects(t, () => adam.attributes({ weightDecay: -1 }), /weightDecay/);
  const [w, one] = [type('f32', 3), type('f32', 1)];
  rejects(t, () => shapeOf(adam, [w, w, w, type('f32', 4), one, one]), /v must be f32 \[3\]/);
  rejects(t, () => shapeOf(adam, [w, w, w, w, one, w]), /step must be f32 \[1\]/);
  rejects(t, () => shapeOf(adam, [w, w, w, w, one]), /expected 6 inputs, got 5/);
});

t.test('dropout: when the scaling is done', async (t) => {
  const x = random([40], 1, 0.5, 1);
  const key = tensor([4], [7, -2, 11, 0], 'i32');
  const given = { probability: 0.25, stream: 3 };
  const atTrain = values(dropout, [x, key], given);
  const atTest = evaluate(dropout, [x, key], { ...given, scaleAt: 'test' })[0];
  t.same(
    [...atTest.data],
    atTrain.map((value, i) => (value === 0 ? 0 : x.data[i])),
    'the same mask, and what is kept stays as it is',
  );
  t.ok(atTest.data.includes(0) && atTest.bound.every((bound) => bound === 0), 'exact');
  t.same([keepScale(0.5), keepScale(0.5, 'train'), keepScale(0.5, 'test')], [2, 2, 1]);
  t.equal(dropout.attributes({}).scaleAt, 'train');
  rejects(t, () => dropout.attributes({ scaleAt: 'never' as 'test' }), /scaleAt must be one of train, test/);
});
