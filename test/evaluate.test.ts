import t from 'tap';
import { tenCrops } from '../src/data/augmentation.js';
import { memoryDataset, subset } from '../src/data/dataset.js';
import { openEngine } from '../src/engine/engine.js';
import { evaluate } from '../src/train/evaluate.js';
import { cornerImages, smallModel, smallNetwork } from './support/training.js';

const engine = await openEngine({ backend: 'wasm', threads: 1 });
t.teardown(() => engine.close());
const dataset = cornerImages(23, 4);
const all = await bytesOf(dataset);

async function bytesOf({ labels, shape, read }: typeof dataset): Promise<Uint8Array> {
  const bytes = new Uint8Array(labels.length * shape[0] * shape[1] * shape[2]);
  await read([...labels.keys()], bytes);
  return bytes;
}

/** The plain way, from probabilities [N, 4] of all images. */
function figures(probabilities: ArrayLike<number>) {
  const rows = Array.from(dataset.labels, (_, n) => Array.from({ length: 4 }, (_, c) => probabilities[4 * n + c]));
  const predicted = rows.map((row) => row.indexOf(Math.max(...row)));
  const right = predicted.filter((label, n) => label === dataset.labels[n]).length;
  const loss = rows.reduce((sum, row, n) => sum - Math.log(row[dataset.labels[n]]), 0) / rows.length;
  return { predicted, top1: right / rows.length, loss };
}

t.test('figures of one crop, with a last batch that is smaller', async (t) => {
  const network = await smallNetwork(engine);
  const { probabilities } = await network.forward(all);
  const expected = figures(probabilities);
  const seen: number[] = [];
  const evaluation = await evaluate(network, dataset, { batch: 10, onProgress: (done) => seen.push(done) });
  t.same(seen, [10, 20, 23]);
  t.match(evaluation, { images: 23, top1: expected.top1, top5: 1, classes: ['a', 'b', 'c', 'd'] });
  t.ok(Math.abs(evaluation.loss - expected.loss) < 1e-5, 'loss');
  const confusion = new Int32Array(16);
  expected.predicted.forEach((label, n) => confusion[4 * dataset.labels[n] + label]++);
  t.same(evaluation.confusion, confusion);
  t.equal(
    evaluation.perClass.reduce((sum, { images }) => sum + images, 0),
    23,
  );
  t.equal(evaluation.perClass[2].top1, confusion[10] / evaluation.perClass[2].images);
  t.equal(evaluation.mistakes.length, 23 - Math.round(expected.top1 * 23));
  for (const [i, { index, label, predicted, probability }] of evaluation.mistakes.entries()) {
    t.equal(label, dataset.labels[index]);
    t.equal(predicted, expected.predicted[index]);
    t.ok(Math.abs(probability - probabilities[4 * index + predicted]) < 1e-6);
    t.ok(i === 0 || probability <= evaluation.mistakes[i - 1].probability, 'the most confident first');
  }
});

t.test('ten crops: probabilities are averaged', async (t) => {
  const network = await smallNetwork(engine);
  const mean = new Float64Array(4 * 23);
  for (const view of tenCrops([14, 14], [12, 12])) {
    const { probabilities } = await network.forward(all, { view });
    probabilities.forEach((probability, i) => {
      mean[i] += probability / 10;
    });
  }
  const expected = figures(mean);
  const evaluation = await evaluate(network, dataset, { crops: 10, batch: 7 });
  t.equal(evaluation.top1, expected.top1);
  t.ok(Math.abs(evaluation.loss - expected.loss) < 1e-5, 'loss', { evaluation, expected });
});

t.test('bad input', async (t) => {
  const network = await smallNetwork(engine);
  const rejects = (data: typeof dataset, message: RegExp, options = {}) =>
    t.rejects(evaluate(network, data, options), { message });
  await rejects(subset(dataset, [], 'nothing'), /^nothing has no images$/);
  await rejects(
    memoryDataset('small', [3, 13, 13], ['a'], Int32Array.of(0), new Uint8Array(507)),
    /its images are \[?3/,
  );
  const five = memoryDataset('five', [3, 14, 14], [...'abcde'], Int32Array.of(0, 4), new Uint8Array(1176));
  await rejects(five, /five: image 1 has label 4, expected 0 to 3: network 'cifar10-quick' has 4 classes/);
  await rejects(dataset, /crops must be 1 or 10, got 5/, { crops: 5 });
  const blind = await engine.network(smallModel());
  await t.rejects(evaluate(blind, dataset), { name: 'ArgumentError', message: /does not say how it reads bytes/ });
  const controller = new AbortController();
  const aborted = evaluate(network, dataset, {
    batch: 5,
    signal: controller.signal,
    onProgress: () => controller.abort(),
  });
  await t.rejects(aborted, { name: 'AbortError' });
});
