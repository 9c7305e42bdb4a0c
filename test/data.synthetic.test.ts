import t from 'tap';
import type { Dataset } from '../src/data/dataset.js';
import { openData } from '../src/data/openData.js';
import { openSynthetic } from '../src/data/synthetic.js';
import { ArgumentError } from '../src/errors.js';
import { preset } from '../src/models/presets.js';

const stored = { channels: 3, side: 16 } as const;
const small = { stored, trainingImages: 200, testImages: 50, seed: 2 };

async function readAll(dataset: Dataset): Promise<Uint8Array[]> {
  const [c, h, w] = dataset.shape;
  return Promise.all(
    Array.from(dataset.labels, async (_, i) => {
      const into = new Uint8Array(c * h * w);
      await dataset.read([i], into);
      return into;
    }),
  );
}

t.test('ten classes alike, from a seed', async (t) => {
  const { train, test } = await openSynthetic(small);
  t.ok(test);
  t.match(train, { name: 'synthetic train', shape: [3, 16, 16] });
  t.equal(new Set(train.classes).size, 10);
  for (const dataset of [train, test as Dataset]) {
    const counts = dataset.classes.map((_, label) => dataset.labels.filter((each) => each === label).length);
    t.same(new Set(counts), new Set([dataset.labels.length / 10]));
  }
  const images = await readAll(train);
  t.equal(new Set(images.map(String)).size, images.length, 'no image twice');
  t.same(await readAll((await openSynthetic(small)).train), images, 'the same again');
  const other = await readAll((await openSynthetic({ ...small, seed: 3 })).train);
  t.ok(
    other.every((image, i) => String(image) !== String(images[i])),
    'another seed',
  );
  const tests = await readAll(test as Dataset);
  const more = await readAll((await openSynthetic({ ...small, trainingImages: 250 })).train);
  t.same(more, [...images, ...tests], 'the test images come after the training images');
});

t.test('large images are drawn when they are asked for, and are the same', async (t) => {
  const beforehand = await readAll((await openSynthetic(small)).train);
  t.same(await readAll((await openSynthetic({ ...small, inMemory: 0 })).train), beforehand);
});

t.test('grey, and any size', async (t) => {
  const { train } = await openSynthetic({ stored: { channels: 1, side: 45 }, trainingImages: 20, testImages: 0 });
  t.same(train.shape, [1, 45, 45]);
  for (const image of await readAll(train)) {
    const spread = Math.max(...image) - Math.min(...image);
    t.ok(spread > 40, `levels spread over ${spread}`);
  }
});

t.test('colours and places say little: it has to be learned', async (t) => {
  const { train, test } = await openSynthetic({ ...small, trainingImages: 1000, testImages: 200 });
  const [images, tests] = [await readAll(train), await readAll(test as Dataset)];
  const means = train.classes.map(() => new Float64Array(images[0].length));
  for (const [i, image] of images.entries()) {
    const mean = means[train.labels[i]];
    for (const [k, value] of image.entries()) mean[k] += value / (images.length / 10);
  }
  const distance = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
    let sum = 0;
    for (let k = 0; k < a.length; k++) sum += (a[k] - b[k]) ** 2;
    return sum;
  };
  const nearest = (image: Uint8Array, to: readonly ArrayLike<number>[]): number => {
    const distances = to.map((each) => distance(image, each));
    return distances.indexOf(Math.min(...distances));
  };
  const share = (guess: (image: Uint8Array) => number) =>
    tests.filter((image, i) => guess(image) === (test as Dataset).labels[i]).length / tests.length;
  const byMean = share((image) => nearest(image, means));
  t.ok(byMean < 0.3, `the nearest mean image is right for ${byMean}`);
  const byNeighbour = share((image) => train.labels[nearest(image, images)]);
  t.ok(byNeighbour < 0.5, `the nearest of ${images.length} images is right for ${byNeighbour}`);
});

t.test('openData knows it by name, and makes it to the size that crops are cut from', async (t) => {
  const model = preset('cifar10-13pct');
  const seen: number[] = [];
  const { train, test } = await openData('synthetic', {
    ...model,
    seed: 1,
    validation: 0.1,
    onProgress: (done) => seen.push(done),
  });
  t.same(train.shape, [3, 32, 32], 'not the 24×24 of its input');
  t.equal(test?.labels.length, 2000);
  t.equal(seen.at(-1), 12_000);
  t.ok(seen.every((done, i) => i === 0 || done >= seen[i - 1]));
});

t.test('what cannot be', async (t) => {
  await t.rejects(openSynthetic({ ...small, trainingImages: 0 }), ArgumentError);
  await t.rejects(openSynthetic({ ...small, seed: 0.5 }), ArgumentError);
  const signal = AbortSignal.timeout(20);
  await t.rejects(openSynthetic({ ...small, trainingImages: 50_000, signal }), { name: 'TimeoutError' });
});
