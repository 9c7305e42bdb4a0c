/** The op `augment` against examples worked out by hand, and its chance against statistics and known words. */
import t from 'tap';
import { GraphError } from '../src/errors.js';
import {
  type AugmentAttributes,
  augment,
  augmentGeometry,
  augmentIsRandom,
  noiseFactor,
  noiseSum,
  placement,
} from '../src/ops/augment.js';
import type { Tensor64, TensorType } from '../src/ops/define.js';
import { philox4x32 } from '../src/ops/lib/philox.js';
import { evaluate, random, tensor, type, values } from './support/tensors.js';

type Given = Partial<AugmentAttributes>;

function shapeOf(inputs: readonly TensorType[], given: Given): readonly number[] {
  return augment.infer(augment.attributes(given), inputs)[0].shape;
}

function rejects(t: { throws: typeof import('tap').t.throws }, run: () => unknown, message: RegExp): void {
  t.throws(run, GraphError);
  t.throws(run, { message });
}

/** Bytes 0, 1, 2, … */
function ramp(...shape: number[]): Tensor64 {
  const count = shape.reduce((a, b) => a * b);
  return tensor(
    shape,
    Array.from({ length: count }, (_, i) => i % 256),
    'u8',
  );
}

const key = tensor([4], [7, -2, 11, 0], 'i32');

t.test('attributes and shapes', async (t) => {
  const u8 = type('u8', 2, 3, 8, 9);
  t.same(shapeOf([u8], {}), [2, 3, 8, 9]);
  t.same(shapeOf([u8], { size: 5 }), [2, 3, 5, 5]);
  t.same(shapeOf([type('f32', 2, 3, 8, 9)], { size: [8, 1] }), [2, 3, 8, 1]);
  t.equal(augment.infer(augment.attributes({}), [u8])[0].dtype, 'f32');
  const random = type('i32', 4);
  const all: Given = { crop: 'random', size: 4, colour: true, meanImage: 'crop' };
  t.same(shapeOf([u8, random, type('f32', 2, 3), type('f32', 3, 8, 9)], all), [2, 3, 4, 4]);
  t.same(shapeOf([u8, type('f32', 3, 4, 5)], { size: [4, 5], meanImage: 'centre' }), [2, 3, 4, 5]);
  t.same(
    [{}, { flipHorizontal: 1 }, { flipVertical: 0.5 }, { translate: 1 }, { noise: 1 }, { crop: 'random' } as Given].map(
      augmentIsRandom,
    ),
    [false, false, true, true, true, true],
  );
  t.same(JSON.parse(JSON.stringify(augment.attributes(all))), augment.attributes(all), 'attributes survive JSON');
  rejects(t, () => augment.attributes({ size: [3] }), /size must be a number or/);
  rejects(t, () => augment.attributes({ crop: 'center' as 'centre' }), /crop must be one of centre, random, fixed/);
  rejects(t, () => augment.attributes({ flipHorizontal: 1.5 }), /flipHorizontal must be a finite number from 0 to 1/);
  rejects(t, () => augment.attributes({ translate: -1 }), /translate must be an integer from 0/);
  rejects(t, () => augment.attributes({ fill: 'wrap' as 'edge' }), /fill must be one of zero, edge/);
  rejects(t, () => augment.attributes({ noise: Number.NaN }), /noise must be/);
  rejects(t, () => augment.attributes({ mean: 1, meanImage: 'crop' }), /mean must be \[\] where there is a mean image/);
  rejects(t, () => augment.attributes({ scale: [] }), /scale must have/);
  rejects(t, () => augment.attributes({ sharedBy: 0 }), /sharedBy must be an integer from 1/);
  rejects(t, () => augment.attributes({ stream: -1 }), /stream must be/);
  rejects(t, () => shapeOf([u8], { size: 9 }), /size \[9, 9\] is larger than the images \[2, 3, 8, 9\]/);
  rejects(t, () => shapeOf([u8], { size: 5, crop: 'fixed', offset: [4, 0] }), /offset \[4, 0\] leaves the images/);
  rejects(t, () => shapeOf([u8], { mean: [1, 2] }), /mean has 2 numbers, the images 3 channels/);
  rejects(t, () => shapeOf([u8], { noise: 1 }), /ask for the inputs images, random, got 1/);
  rejects(t, () => shapeOf([u8, random], {}), /ask for the inputs images, got 2/);
  rejects(t, () => shapeOf([type('i32', 2, 3, 8, 9)], {}), /images must be a f32 tensor/);
  rejects(t, () => shapeOf([u8, type('i32', 3)], { noise: 1 }), /random must be i32 \[4\]/);
  rejects(t, () => shapeOf([u8, type('f32', 3)], { colour: true }), /colour must be f32 \[2, 3\]/);
  rejects(t, () => shapeOf([u8, type('f32', 3, 8, 8)], { meanImage: 'crop' }), /mean image must be f32 \[3, 8, 9\]/);
  rejects(t, () => shapeOf([u8, type('f32', 3, 8, 8)], { meanImage: 'centre' }), /at least f32 \[3, 8, 9\]/);
});

t.test('crop, flips and channel order copy exactly', async (t) => {
  const x = ramp(1, 1, 3, 4);
  t.same(values(augment, [x], {}), [...x.data]);
  t.same(values(augment, [x], { size: [1, 2] }), [5, 6], 'the centre');
  t.same(values(augment, [x], { size: 2, crop: 'fixed', offset: [1, 2] }), [6, 7, 10, 11]);
  t.same(values(augment, [x], { size: 2, crop: 'fixed', flipHorizontal: 1 }), [1, 0, 5, 4], 'the crop is mirrored');
  t.same(values(augment, [x], { size: [2, 3], crop: 'fixed', flipVertical: 1 }), [4, 5, 6, 0, 1, 2]);
  t.same(values(augment, [x], { size: [3, 1], crop: 'fixed', offset: [0, 3] }), [3, 7, 11]);
  t.same(values(augment, [ramp(2, 3, 1, 1)], { reverseChannels: true }), [2, 1, 0, 5, 4, 3]);
  const [{ bound }] = evaluate(augment, [x], { size: 2, mean: 100, scale: 0.5 });
  t.ok(
    bound.every((allowed) => allowed === 0),
    'whole numbers stay exact',
  );
});

t.test('mean, colour and scale are in the order of the output', async (t) => {
  const x = tensor([1, 3, 1, 1], [10, 20, 30], 'u8');
  t.same(values(augment, [x], { mean: [1, 2, 3], scale: [1, 10, 100] }), [9, 180, 2700]);
  t.same(values(augment, [x], { mean: [1, 2, 3], scale: 2, reverseChannels: true }), [58, 36, 14]);
  t.same(values(augment, [x, tensor([1, 3], [0.5, -1, 4])], { colour: true, mean: 10, scale: 2 }), [1, 18, 48]);
  const paper = values(augment, [x], { scale: 1 / 1.1 });
  t.same(
    paper,
    [10, 20, 30].map((value) => value * Math.fround(1 / 1.1)),
  );
});

t.test('a mean image goes with the crop, or stays at its centre', async (t) => {
  const x = tensor([1, 1, 1, 4], [10, 20, 30, 40], 'u8');
  const mean = tensor([1, 1, 4], [1, 2, 3, 4]);
  const given: Given = { size: [1, 2], crop: 'fixed', offset: [0, 2] };
  t.same(values(augment, [x, mean], { ...given, meanImage: 'crop' }), [27, 36]);
  t.same(values(augment, [x, mean], { ...given, meanImage: 'centre' }), [28, 37]);
  t.same(values(augment, [x, mean], { ...given, meanImage: 'crop', flipHorizontal: 1 }), [36, 27]);
  t.same(values(augment, [x, mean], { ...given, meanImage: 'centre', flipHorizontal: 1 }), [38, 27]);
  const small = tensor([1, 1, 2], [1, 2]);
  t.same(values(augment, [x, small], { ...given, meanImage: 'centre' }), [29, 38], 'one that is cut already');
});

/** Images of one row; gives each image's shift (what its first cell shows, the image being a ramp from 0). */
function shifted(given: Given, count: number, width: number): number[][] {
  const x = tensor(
    [count, 1, 1, width],
    Array.from({ length: count * width }, (_, i) => 1 + (i % width)),
    'u8',
  );
  const all = values(augment, [x, key], given);
  return Array.from({ length: count }, (_, n) => all.slice(n * width, (n + 1) * width));
}

t.test('translation brings in zeros or the edge', async (t) => {
  const zero = new Set(shifted({ translate: [0, 2] }, 60, 4).map(String));
  t.same(zero, new Set(['3,4,0,0', '2,3,4,0', '1,2,3,4', '0,1,2,3', '0,0,1,2']));
  const edge = new Set(shifted({ translate: [0, 2], fill: 'edge' }, 60, 4).map(String));
  t.same(edge, new Set(['3,4,4,4', '2,3,4,4', '1,2,3,4', '1,1,2,3', '1,1,1,2']));
  const afterMean = new Set(shifted({ translate: [0, 1], mean: 1, scale: 2 }, 60, 3).map(String));
  t.same(afterMean, new Set(['2,4,0', '0,2,4', '0,0,2']), 'zero is what the network sees');
  const vertical = shifted({ translate: [1, 0] }, 60, 2).map(String);
  t.same(new Set(vertical), new Set(['1,2', '0,0']), 'one row: it stays or leaves');
});

/** Asserts that each outcome is as frequent as expected, within five standard deviations. */
function uniform(t: { ok: typeof import('tap').t.ok }, outcomes: readonly number[], kinds: number): void {
  const counts = new Array<number>(kinds).fill(0);
  for (const outcome of outcomes) counts[outcome]++;
  const expected = outcomes.length / kinds;
  const deviation = Math.sqrt(expected * (1 - 1 / kinds));
  const worst = Math.max(...counts.map((count) => Math.abs(count - expected) / deviation));
  t.ok(worst < 5, `${kinds} kinds, ${expected} of each expected: worst ${worst.toFixed(2)} deviations`);
}

t.test('every position, shift and flip is as likely as it should be', async (t) => {
  const given = augment.attributes({
    size: [4, 6],
    crop: 'random',
    flipVertical: 0.25,
    flipHorizontal: 0.5,
    translate: [1, 2],
    stream: 3,
  });
  const count = 20_000;
  const g = augmentGeometry(given, [count, 1, 7, 10]);
  const drawn = Array.from({ length: count }, (_, n) => placement(given, g, key.data, n));
  const still = augment.attributes({ ...given, translate: 0 });
  const crops = drawn.map((_, n) => placement(still, augmentGeometry(still, [count, 1, 7, 10]), key.data, n));
  uniform(
    t,
    crops.map(({ top, left }) => top * 5 + left),
    4 * 5,
  );
  uniform(
    t,
    drawn.map(({ top, left }, n) => (top - crops[n].top + 1) * 5 + (left - crops[n].left + 2)),
    3 * 5,
  );
  t.ok(
    drawn.every(({ flipHorizontal, flipVertical }, n) => {
      return flipHorizontal === crops[n].flipHorizontal && flipVertical === crops[n].flipVertical;
    }),
    'what is not used moves nothing else',
  );
  uniform(
    t,
    drawn.map(({ flipHorizontal }) => Number(flipHorizontal)),
    2,
  );
  const upsideDown = drawn.filter(({ flipVertical }) => flipVertical).length;
  t.ok(Math.abs(upsideDown - count / 4) < 5 * Math.sqrt((count * 3) / 16), `${upsideDown} of ${count} upside down`);
});

t.test('decisions are the words of Philox that the definition names', async (t) => {
  const given = augment.attributes({
    size: 2,
    crop: 'random',
    flipVertical: 0.5,
    flipHorizontal: 0.3,
    translate: 3,
    stream: 5,
  });
  const g = augmentGeometry(given, [9, 1, 12, 15]);
  for (let n = 0; n < 9; n++) {
    const [first, second] = [new Uint32Array(4), new Uint32Array(4)];
    philox4x32([2 * n, 5, 11, 0], [7, 0xfffffffe], first);
    philox4x32([2 * n + 1, 5, 11, 0], [7, 0xfffffffe], second);
    const below = (word: number, count: number) => Number((BigInt(word) * BigInt(count)) >> 32n);
    t.same(placement(given, g, key.data, n), {
      top: below(first[0], 11) - (below(second[0], 7) - 3),
      left: below(first[1], 14) - (below(second[1], 7) - 3),
      flipVertical: first[2] < 2 ** 31,
      flipHorizontal: first[3] >>> 1 < Math.floor(0.3 * 2 ** 31),
    });
  }
  const shared = augment.attributes({ ...given, sharedBy: 3 });
  const places = Array.from({ length: 9 }, (_, n) => placement(shared, g, key.data, n));
  t.same(
    places,
    [0, 0, 0, 1, 1, 1, 2, 2, 2].map((n) => placement(given, g, key.data, n)),
    'three images share a draw',
  );
});

t.test('pixel noise is near normal, exact, and of the standard deviation asked for', async (t) => {
  const count = 60_000;
  const noise = 3;
  const [{ data, bound }] = evaluate(augment, [tensor([1, 1, 200, 300], new Float64Array(count), 'u8'), key], {
    noise,
  });
  const moment = (power: number) => data.reduce((sum, value) => sum + (value / noise) ** power, 0) / count;
  t.ok(Math.abs(moment(1)) < 5 / Math.sqrt(count), `mean ${moment(1)}`);
  t.ok(Math.abs(moment(2) - 1) < 5 * Math.sqrt(2 / count), `variance ${moment(2)}`);
  t.ok(Math.abs(moment(4) - 2.925) < 5 * Math.sqrt(96 / count), `fourth moment ${moment(4)}, 2.925 is 3 less 0.075`);
  t.ok(
    bound.every((allowed) => allowed === 0) && data.every((value) => Math.fround(value) === value),
    'the deviate times its factor is a float32',
  );
  for (const wanted of [1e-3, 0.1, 1, 2.5, 8, 1000]) {
    const factor = noiseFactor(wanted);
    t.ok(Math.abs((factor * Math.sqrt(87380)) / wanted - 1) < 2 ** -13, `${wanted} within 13 bits`);
    t.equal(Math.fround(factor * 2039), factor * 2039);
  }
  t.equal(noiseFactor(0), 0);
  const words = new Uint32Array(4);
  philox4x32([41, 2 ** 31 + 6, 11, 0], [7, 0xfffffffe], words);
  const sum = [...words].reduce(
    (all, word) => all + (word & 255) + ((word >>> 8) & 255) + ((word >>> 16) & 255) + (word >>> 24),
    0,
  );
  t.equal(noiseSum(6, key.data, 41), sum - 2040);
});

t.test('the bound holds for float32 arithmetic, is tight, and catches faults', async (t) => {
  const f = Math.fround;
  const x = random([4, 3, 9, 9], 1, 1, 200);
  const colour = random([4, 3], 2, 1, 10);
  const given: Given = { colour: true, mean: [104.00698793, 116.66876762, 122.67891434], scale: 1 / 1.1 };
  const [{ data, bound }] = evaluate(augment, [x, colour], given);
  const means = (given.mean as number[]).map(f);
  const got = [...x.data].map((value, i) => {
    const plane = Math.floor(i / 81);
    return f(f(f(value - means[plane % 3]) + colour.data[plane]) * f(1 / 1.1));
  });
  const ratios = got.map((value, i) => (value === data[i] ? 0 : Math.abs(value - data[i]) / bound[i]));
  const worst = Math.max(...ratios);
  t.ok(worst > 0.3 && worst <= 1, `error ÷ bound ${worst}`);
  const largest = data.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  t.ok(Math.max(...bound) < 1e-6 * largest);
  const [unscaled] = evaluate(augment, [x, colour], { ...given, scale: 1 });
  t.ok(data.every((value, i) => Math.abs(unscaled.data[i] - value) > bound[i]));
});

t.test('NaN and infinities pass through, and come in nowhere', async (t) => {
  const nan = Number.NaN;
  const x = tensor([1, 1, 1, 3], [nan, Number.POSITIVE_INFINITY, 1]);
  t.same(values(augment, [x], { mean: 1, scale: -2 }), [nan, Number.NEGATIVE_INFINITY, -0]);
  const far = values(augment, [x, key], { size: 1, crop: 'fixed', offset: [0, 1], translate: [200, 0], stream: 2 });
  t.same(far, [0], 'outside the image there is only zero');
});
