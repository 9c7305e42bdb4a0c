import t from 'tap';
import { type Dataset, memoryDataset, split, subset } from '../src/data/dataset.js';
import { permutation } from '../src/data/permutation.js';
import { ArgumentError, InputError } from '../src/errors.js';

/** Image i has the bytes i, i + 1, … and class i mod 3. */
function ramp(count: number): Dataset {
  const labels = Int32Array.from({ length: count }, (_, i) => i % 3);
  const bytes = Uint8Array.from({ length: 4 * count }, (_, i) => (i >> 2) + (i & 3));
  return memoryDataset('ramp', [1, 2, 2], ['a', 'b', 'c'], labels, bytes);
}

async function firstBytes(dataset: Dataset, indices: readonly number[]): Promise<number[]> {
  const into = new Uint8Array(4 * indices.length);
  await dataset.read(indices, into);
  return indices.map((_, i) => into[4 * i]);
}

t.test('images in memory are read in any order', async (t) => {
  const into = new Uint8Array(12);
  await ramp(9).read([4, 0, 4], into);
  t.same([...into], [4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7]);
});

t.test('what cannot be is refused, by name', async (t) => {
  const dataset = ramp(9);
  await t.rejects(
    dataset.read([9], new Uint8Array(4)),
    new ArgumentError('ramp has images 0 to 8, there is no image 9'),
  );
  await t.rejects(dataset.read([0.5], new Uint8Array(4)), ArgumentError);
  await t.rejects(dataset.read([0], new Uint8Array(5)), {
    name: 'ArgumentError',
    message: 'ramp: 1 images of [1, 2, 2] take 4 bytes, got an array of 5',
  });
  const make = (labels: number[], bytes: number) =>
    memoryDataset('x', [1, 2, 2], ['a', 'b'], Int32Array.from(labels), new Uint8Array(bytes));
  t.throws(() => make([0, 2], 8), new InputError('x: the label of image 1 is 2, expected 0 to 1 (2 classes)'));
  t.throws(() => make([-1], 4), InputError);
  t.throws(() => make([0, 1], 9), new InputError('x: 2 images of [1, 2, 2] take 8 bytes, got 9'));
  t.throws(() => subset(dataset, [0, 9]), ArgumentError);
});

t.test('a subset has its own order, and may repeat', async (t) => {
  const part = subset(ramp(9), [7, 2, 2], 'part');
  t.equal(part.name, 'part');
  t.same([...part.labels], [1, 2, 2]);
  t.same(await firstBytes(part, [2, 0]), [2, 7]);
  await t.rejects(part.read([3], new Uint8Array(4)), { message: 'part has images 0 to 2, there is no image 3' });
  t.same(await firstBytes(subset(part, [0]), [0]), [7], 'a subset of a subset');
});

t.test('a split is stratified, seeded, and loses nothing', async (t) => {
  const count = 100;
  const dataset = ramp(count);
  const all = async (part: Dataset) =>
    firstBytes(
      part,
      [...part.labels].map((_, i) => i),
    );
  const [rest, part] = split(dataset, 0.25, 7);
  t.equal(part.labels.length, 25);
  const [kept, taken] = [await all(rest), await all(part)];
  t.same(
    [...kept, ...taken].sort((a, b) => a - b),
    Array.from({ length: count }, (_, i) => i),
  );
  for (const label of [0, 1, 2]) {
    const of = part.labels.filter((each) => each === label).length;
    t.ok(Math.abs(of - 25 / 3) < 1.5, `class ${label} gives ${of}`);
  }
  t.same(await all(split(dataset, 0.25, 7)[1]), taken, 'the same with the same seed');
  t.notSame(await all(split(dataset, 0.25, 8)[1]), taken, 'another with another');
  t.throws(() => split(dataset, 0, 1), ArgumentError);
  t.throws(() => split(dataset, 1, 1), ArgumentError);
  t.throws(() => split(dataset, 0.001, 1), /a share of 0.001 leaves one part of ramp \(100 images\) empty/);
});

t.test('permutations: every place alike, always the same', async (t) => {
  const sorted = permutation(1000, 'test', 3).sort();
  t.ok(sorted.every((value, i) => value === i));
  t.same([...permutation(8, 'test', 1, 0)], [2, 4, 1, 0, 6, 7, 3, 5], 'checkpoints of older versions go on');
  t.notSame(permutation(100, 'test', 1, 1), permutation(100, 'test', 1, 0), 'another epoch');
  t.notSame(permutation(100, 'test', 2, 0), permutation(100, 'test', 1, 0), 'another seed');
  t.notSame(permutation(100, 'tests', 1, 0), permutation(100, 'test', 1, 0), 'another purpose');
  t.notSame(permutation(100, 'test', 2 ** 32 + 1, 0), permutation(100, 'test', 1, 0), 'all bits of the seed');
  // Where the first of five goes: χ² with 4 degrees of freedom is above 23.5 once in 10⁴.
  const counts = new Float64Array(5);
  const draws = 2000;
  for (let seed = 0; seed < draws; seed++) counts[permutation(5, 'test', seed).indexOf(0)]++;
  const chi2 = counts.reduce((sum, seen) => sum + (seen - draws / 5) ** 2 / (draws / 5), 0);
  t.ok(chi2 < 23.5, `χ² = ${chi2}`);
  t.throws(() => permutation(5, 'test', -1), ArgumentError);
});
