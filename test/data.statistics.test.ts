import t from 'tap';
import { type Dataset, memoryDataset } from '../src/data/dataset.js';
import { symmetricEigen } from '../src/data/eigen.js';
import { channelMeans, meanImage, principalComponents } from '../src/data/statistics.js';
import { ArgumentError, InputError } from '../src/errors.js';
import { imagenetColourNoise } from '../src/models/augmentation.js';
import { philox4x32 } from '../src/ops/lib/philox.js';
import { close } from './support/asserts.js';

const [images, side] = [37, 6];
const plane = side * side;

/** RGB images whose channels depend on each other. */
function colours(): { dataset: Dataset; bytes: Uint8Array } {
  const bytes = new Uint8Array(images * 3 * plane);
  const words = new Uint32Array(4);
  for (let n = 0; n < images; n++) {
    for (let i = 0; i < plane; i++) {
      philox4x32([i, n, 0, 0], [5, 6], words);
      const [common, first, second] = [words[0] % 120, words[1] % 60, words[2] % 25];
      const pixel = [20 + common + first, 35 + common, 10 + common + second + (first >> 1)];
      for (let c = 0; c < 3; c++) bytes[(n * 3 + c) * plane + i] = pixel[c];
    }
  }
  return { dataset: memoryDataset('colours', [3, side, side], ['one'], new Int32Array(images), bytes), bytes };
}

/** Means and covariances in two passes. */
function direct(bytes: Uint8Array): { means: number[]; covariance: number[][] } {
  const level = (n: number, c: number, i: number) => bytes[(n * 3 + c) * plane + i];
  const mean = (of: (n: number, i: number) => number): number => {
    let sum = 0;
    for (let n = 0; n < images; n++) for (let i = 0; i < plane; i++) sum += of(n, i);
    return sum / (images * plane);
  };
  const channels = [0, 1, 2];
  const means = channels.map((c) => mean((n, i) => level(n, c, i)));
  const covariance = channels.map((a) =>
    channels.map((b) => mean((n, i) => (level(n, a, i) - means[a]) * (level(n, b, i) - means[b]))),
  );
  return { means, covariance };
}

const product = (matrix: readonly (readonly number[])[], vector: readonly number[]): number[] =>
  matrix.map((row) => row.reduce((sum, value, i) => sum + value * vector[i], 0));

t.test('the mean image and the means of the channels', async (t) => {
  const { dataset, bytes } = colours();
  const mean = await meanImage(dataset);
  t.equal(mean.length, 3 * plane);
  const wanted = Float32Array.from(mean, (_, k) => {
    let sum = 0;
    for (let n = 0; n < images; n++) sum += bytes[n * 3 * plane + k];
    return sum / images;
  });
  t.same(mean, wanted);
  close(t, await channelMeans(dataset), direct(bytes).means);
});

t.test('principal components in both conventions', async (t) => {
  const { dataset, bytes } = colours();
  const { covariance } = direct(bytes);
  const deviation = await principalComponents(dataset, 'deviation');
  const eigenvalue = await principalComponents(dataset, 'eigenvalue');
  const { components } = deviation;
  t.same(eigenvalue.components, components);
  t.same([deviation.std, deviation.divide], [0.1, 1.1], 'as cuda-convnet2 has it');
  t.same([eigenvalue.std, eigenvalue.divide], [0.1, 1]);
  const values = deviation.scales.map((scale) => scale ** 2);
  t.ok(values[0] > values[1] && values[1] > values[2] && values[2] > 0, `${values}`);
  close(t, [values[0] + values[1] + values[2]], [covariance[0][0] + covariance[1][1] + covariance[2][2]]);
  for (const [k, component] of components.entries()) {
    for (const [l, other] of components.entries()) {
      const dot = component.reduce((sum, value, i) => sum + value * other[i], 0);
      t.ok(Math.abs(dot - Number(k === l)) < 1e-14, `components ${k} and ${l}`);
    }
    const image = product(covariance, component);
    const worst = Math.max(...image.map((value, i) => Math.abs(value - values[k] * component[i])));
    t.ok(worst < 1e-10 * values[0], `component ${k}: off by ${worst}`);
    // Pixels from 0 to 1 have λ/255², and their noise is 255 times as large on pixels from 0 to 255.
    t.ok(Math.abs(eigenvalue.scales[k] - 255 * (values[k] / 255 ** 2)) < 1e-10);
  }
});

t.test('eigenvalues of ImageNet’s colours are those that were published', async (t) => {
  const { scales, components } = imagenetColourNoise;
  const matrix = [0, 1, 2].map((a) =>
    [0, 1, 2].map((b) => components.reduce((sum, p, k) => sum + scales[k] ** 2 * p[a] * p[b], 0)),
  );
  const { values, vectors } = symmetricEigen(matrix);
  for (const [k, value] of values.entries()) {
    t.ok(Math.abs(Math.sqrt(value) / scales[k] - 1) < 1e-4, `${Math.sqrt(value)} is ${scales[k]}`);
    const dot = vectors[k].reduce((sum, entry, i) => sum + entry * components[k][i], 0);
    t.ok(Math.abs(Math.abs(dot) - 1) < 1e-4, `component ${k}`);
  }
});

t.test('eigenvalues of matrices that need no or only one rotation, or have equal ones', async (t) => {
  t.same(
    symmetricEigen([
      [1, 0, 0],
      [0, 3, 0],
      [0, 0, 2],
    ]),
    {
      values: [3, 2, 1],
      vectors: [
        [0, 1, 0],
        [0, 0, 1],
        [1, 0, 0],
      ],
    },
  );
  const { values, vectors } = symmetricEigen([
    [2, 1],
    [1, 2],
  ]);
  close(t, values, [3, 1]);
  close(t, vectors[0], [Math.SQRT1_2, Math.SQRT1_2]);
  t.ok(Math.max(...vectors[1]) > 0);
  // All entries 1: eigenvalues 3, 0, 0.
  close(t, symmetricEigen([1, 1, 1].map(() => [1, 1, 1])).values, [3, 0, 0]);
});

t.test('grey pixels in RGB have one component', async (t) => {
  const bytes = Uint8Array.from({ length: 4 * 3 * 4 }, (_, i) => 10 * (i % 4) + 50 * Math.floor(i / 12));
  const dataset = memoryDataset('grey', [3, 2, 2], ['one'], new Int32Array(4), bytes);
  const { scales, components } = await principalComponents(dataset, 'deviation');
  close(
    t,
    components[0],
    [1, 1, 1].map(() => Math.sqrt(1 / 3)),
  );
  t.ok(scales[0] > 50 && scales[1] < 1e-5 && scales[2] < 1e-5, `${scales}`);
});

t.test('what has no statistics', async (t) => {
  const empty = memoryDataset('nothing', [3, 2, 2], ['one'], new Int32Array(0), new Uint8Array(0));
  await t.rejects(meanImage(empty), InputError);
  await t.rejects(channelMeans(empty), InputError);
  const grey = memoryDataset('grey', [1, 2, 2], ['one'], new Int32Array(1), new Uint8Array(4));
  await t.rejects(
    principalComponents(grey, 'deviation'),
    new ArgumentError('principal components are those of RGB images, grey has 1 channels'),
  );
  // @ts-expect-error: no such scale
  await t.rejects(principalComponents(colours().dataset, 'variance'), ArgumentError);
  await t.rejects(meanImage(colours().dataset, AbortSignal.abort(new Error('enough'))), new Error('enough'));
});
