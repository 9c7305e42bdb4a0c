/** The page of a training run: well formed, whole, and with the right pictures in it. */
import { readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import sharp from 'sharp';
import t from 'tap';
import { memoryDataset } from '../src/data/dataset.js';
import type { Pixels } from '../src/data/image.js';
import { crop, enlarge, overlay, pixelsOfPlanes, reduce } from '../src/data/pixels.js';
import { encodePng } from '../src/data/png.js';
import { openEngine } from '../src/index.js';
import { preset } from '../src/models/presets.js';
import { chartFile, lineChart } from '../src/train/chart.js';
import type { Evaluation } from '../src/train/evaluate.js';
import type { TrainingEvent } from '../src/train/events.js';
import { filterPictures, firstFilters } from '../src/train/filters.js';
import { trainingReport } from '../src/train/report.js';
import { runFacts } from '../src/train/runFacts.js';
import { emptyFolder, tandem } from './support/cli.js';
import { findAll, findClass, type MarkupElement, parseMarkup } from './support/markup.js';
import { uniform } from './support/tensors.js';

/** Noise, so that every filter and every byte value occurs. */
function noise(width: number, height: number, seed = 1): Pixels {
  const next = uniform(seed);
  return { width, height, data: Uint8Array.from({ length: 3 * width * height }, () => Math.floor(256 * next())) };
}

async function decoded(png: Uint8Array): Promise<Pixels> {
  const { data, info } = await sharp(png).raw().toBuffer({ resolveWithObject: true });
  if (info.channels !== 3) throw new Error(`${info.channels} channels`);
  return { width: info.width, height: info.height, data: new Uint8Array(data) };
}

async function decodedUri(uri: string): Promise<Pixels> {
  const prefix = 'data:image/png;base64,';
  if (!uri.startsWith(prefix)) throw new Error(`not a PNG: ${uri.slice(0, 40)}`);
  return decoded(Buffer.from(uri.slice(prefix.length), 'base64'));
}

t.test('a PNG holds exactly its pixels', async (t) => {
  const ramp = new Uint8Array(3 * 300 * 4).map((_, i) => (i % 900) / 4);
  const pictures: readonly Pixels[] = [
    { width: 1, height: 1, data: Uint8Array.of(1, 2, 255) },
    noise(7, 5),
    { width: 300, height: 4, data: ramp },
    { width: 4, height: 300, data: ramp },
    noise(200, 150, 2),
  ];
  for (const picture of pictures) t.same(await decoded(await encodePng(picture)), picture);
  const flat = await encodePng({ width: 100, height: 100, data: new Uint8Array(30_000).fill(77) });
  t.ok(flat.length < 300, 'what is alike takes no room', { bytes: flat.length });
  for (const wrong of [
    { width: 2, height: 2, data: new Uint8Array(11) },
    { width: 0, height: 2, data: new Uint8Array(0) },
  ]) {
    await t.rejects(encodePng(wrong), { name: 'ArgumentError', message: /PNG of \d×2 RGB pixels/ });
  }
});

t.test('pictures are made of planes, cut, enlarged and reduced', async (t) => {
  const planes = Uint8Array.of(1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16, 21, 22, 23, 24, 25, 26);
  const picture = pixelsOfPlanes(planes, [3, 2, 3]);
  t.same([picture.width, picture.height], [3, 2]);
  t.same([...picture.data.subarray(0, 6)], [1, 11, 21, 2, 12, 22]);
  t.same([...pixelsOfPlanes(planes.subarray(0, 2), [1, 1, 2]).data], [1, 1, 1, 2, 2, 2], 'grey');
  t.throws(() => pixelsOfPlanes(planes, [2, 3, 3]), { name: 'ArgumentError', message: /one or three planes/ });

  const part = crop(picture, { top: 1, left: 1, height: 1, width: 2 });
  t.same(part, { width: 2, height: 1, data: Uint8Array.of(5, 15, 25, 6, 16, 26) });
  const large = enlarge(part, 2);
  const row = [5, 15, 25, 5, 15, 25, 6, 16, 26, 6, 16, 26];
  t.same(large, { width: 4, height: 2, data: Uint8Array.from([...row, ...row]) });
  t.same(reduce(large, 2), part, 'reducing undoes it');
  t.equal(reduce(part, 2), part, 'small pictures stay');
  // 5×3 in squares of 2: the column and the row that are over are cut.
  const data = new Uint8Array(45).map((_, i) => 10 * (Math.floor(i / 3) % 5));
  t.same(reduce({ width: 5, height: 3, data }, 3), { width: 2, height: 1, data: Uint8Array.of(5, 5, 5, 25, 25, 25) });
  const thin = reduce({ width: 6, height: 1, data: new Uint8Array(18).fill(9) }, 3);
  t.same(thin, { width: 3, height: 1, data: new Uint8Array(9).fill(9) });
});

t.test('a map is laid over a grey picture, in colours the stronger the larger it is', async (t) => {
  const colour = (pixels: Pixels, i: number) => {
    const own = pixels.data.subarray(3 * i, 3 * i + 3);
    return Math.max(...own) - Math.min(...own);
  };
  const below = noise(4, 1);
  const laid = overlay(below, Float32Array.of(-3, 0, 1, 2));
  t.same([colour(laid, 0), colour(laid, 1)], [0, 0], 'nothing where there is nothing');
  t.ok(colour(laid, 2) > 80 && colour(laid, 3) > colour(laid, 2) + 80);
  const none = overlay(below, new Float32Array(4));
  t.same(
    [0, 1, 2, 3].map((i) => colour(none, i)),
    [0, 0, 0, 0],
  );
});

t.test('filters: zero is grey, each has its own contrast, BGR is turned', async (t) => {
  const shape = [2, 3, 1, 2];
  const weights = Float32Array.of(0, 1, 0, -0.5, 0, 0.25, 0, 0, 0, 0, 0, 0);
  const [first, empty] = filterPictures({ name: 'conv1.weight', shape, weights, channels: 'RGB' });
  t.same(first, { width: 2, height: 1, data: Uint8Array.of(128, 128, 128, 255, 64, 159) });
  t.ok(empty.data.every((value) => value === 128));
  const [turned] = filterPictures({ name: 'conv1.weight', shape, weights, channels: 'BGR' });
  t.same([...turned.data.subarray(3)], [159, 64, 255]);
  const [grey] = filterPictures({ name: 'w', shape: [1, 1, 1, 2], weights: Float32Array.of(2, -2), channels: 'grey' });
  t.same([...grey.data], [255, 255, 255, 0, 0, 0]);

  const engine = await openEngine({ backend: 'reference' });
  t.teardown(() => engine.close());
  const network = await engine.network(preset('caffe-alexnet', { width: 1 / 48, inputSize: 67, classes: 3 }), {
    seed: 2,
  });
  const found = await firstFilters(network);
  t.match(found, { name: 'conv1.weight', shape: [2, 3, 11, 11], channels: 'BGR' });
  t.same(found?.weights, await network.read('conv1.weight'));
});

t.test('charts', async (t) => {
  const labels = (svg: string) =>
    findAll(parseMarkup(svg), 'text')
      .filter((text) => text.attributes['text-anchor'] === 'end' && text.attributes.class === undefined)
      .map(({ text }) => text);
  const chart = (points: readonly (readonly [number, number])[], more = {}) =>
    lineChart({ title: 'loss', x: 'step', series: [{ name: 'a', points }], ...more });
  t.same(
    labels(
      chart([
        [1, 1.98],
        [9, 2.34],
      ]),
    ).slice(0, 6),
    ['1.9', '2', '2.1', '2.2', '2.3', '2.4'],
  );
  t.same(
    labels(
      chart([
        [1, 1e5],
        [9, 12],
      ]),
    ).slice(0, 5),
    ['10', '100', '1000', '10000', '1e5'].slice(0, 5),
    'logarithmic',
  );
  t.same(
    labels(
      chart(
        [
          [1, 0.1],
          [9, 0.8],
        ],
        { format: (v: number) => `${100 * v} %` },
      ),
    ).at(0),
    '0 %',
  );
  const flat = findAll(
    parseMarkup(
      chart([
        [1, 5],
        [9, 5],
      ]),
    ),
    'polyline',
  )[0].attributes.points;
  t.notMatch(flat, 'NaN');

  // Points lie where their values are: 0 at the bottom, 10 at the top, in the middle of the steps.
  const [line] = findAll(
    parseMarkup(
      chart([
        [0, 0],
        [50, 10],
        [100, 5],
      ]),
    ),
    'polyline',
  );
  const [start, middle, end] = line.attributes.points.split(' ').map((point) => point.split(',').map(Number));
  t.equal(middle[0], (start[0] + end[0]) / 2);
  t.equal(end[1], (start[1] + middle[1]) / 2);
  t.ok(start[1] > middle[1]);

  const broken = chart([
    [1, 2],
    [2, Number.NaN],
    [3, Number.POSITIVE_INFINITY],
    [4, 1],
  ]);
  t.equal(
    findAll(parseMarkup(broken), 'polyline')[0].attributes.points.split(' ').length,
    2,
    'what is not finite is left out',
  );
  t.doesNotThrow(() => parseMarkup(chart([])));

  const many = Array.from({ length: 5000 }, (_, i) => [i + 1, i === 2500 ? 40 : 1 + (i % 2)] as const);
  const thinned = parseMarkup(chart(many));
  t.ok(findAll(thinned, 'polyline')[0].attributes.points.split(' ').length <= 240);
  const heights = findAll(thinned, 'polygon')[0]
    .attributes.points.split(' ')
    .map((point) => Number(point.split(',')[1]));
  const drawn = findAll(thinned, 'polyline')[0]
    .attributes.points.split(' ')
    .map((point) => Number(point.split(',')[1]));
  t.ok(Math.min(...heights) < Math.min(...drawn) - 100, 'the band reaches to the one value that stands out');

  const file = chartFile({ title: 'a < b', x: 'epoch', series: [] });
  const [svg] = findAll(parseMarkup(file), 'svg');
  t.equal(svg.attributes.xmlns, 'http://www.w3.org/2000/svg');
  t.match(svg.text, 'a < b');
  t.equal((await sharp(Buffer.from(file)).metadata()).format, 'svg', 'an image program opens it');
});

const classes = ['cat', 'dog <b>"Rex" & co', 'ship'];
const images = new Uint8Array(6 * 3 * 8 * 8).map((_, i) => (i * 37 + Math.floor(i / 192)) % 256);
const dataset = memoryDataset('pets test', [3, 8, 8], classes, Int32Array.of(0, 1, 2, 0, 1, 2), images);

const evaluation: Evaluation = {
  images: 6,
  loss: 0.75,
  top1: 4 / 6,
  top5: 1,
  classes,
  confusion: Int32Array.of(2, 0, 0, 0, 1, 1, 1, 0, 1),
  perClass: [],
  mistakes: [
    { index: 4, label: 1, predicted: 2, probability: 0.9 },
    { index: 5, label: 2, predicted: 0, probability: 0.6 },
  ],
};

const events: readonly TrainingEvent[] = [
  { kind: 'step', epoch: 1, step: 1, loss: 1.1, top1: 0.3, top5: 1, lr: 0.01, imagesPerSecond: 50 },
  { kind: 'step', epoch: 1, step: 2, loss: 0.9, top1: 0.5, top5: 1, lr: 0.01, imagesPerSecond: 210 },
  { kind: 'validation', epoch: 1, step: 2, loss: 1, top1: 0.625, top5: 1, best: true },
  { kind: 'drop', step: 2, lr: 0.001 },
  { kind: 'step', epoch: 2, step: 3, loss: 0.8, top1: 0.6, top5: 1, lr: 0.001, imagesPerSecond: 200 },
  { kind: 'validation', epoch: 2, step: 3, loss: 1, top1: 0.5, top5: 1, best: false },
  { kind: 'checkpoint', path: 'last.safetensors', step: 3 },
  { kind: 'end', reason: 'early stop', epoch: 2, step: 3 },
];

/** The sections of a page by their ids. */
function sectionsOf(page: MarkupElement): ReadonlyMap<string, MarkupElement> {
  return new Map(findAll(page, 'section').map((section) => [section.attributes.id, section]));
}

/** Nothing that a browser would fetch or run. */
function expectAlone(t: { notMatch(text: string, pattern: RegExp, message: string): unknown }, html: string): void {
  t.notMatch(html, /https?:(?!\/\/www\.w3\.org\/2000\/svg")/, 'no address but the name of SVG');
  t.notMatch(html, /<script|<link|<iframe|@import|url\(|\son\w+=/i, 'nothing to load or to run');
  t.notMatch(html, /src="(?!data:image\/png;base64,)/, 'images are in the page');
}

t.test('the page of a run', async (t) => {
  const weights = Float32Array.from({ length: 4 * 3 * 25 }, (_, i) => Math.sin(i));
  const filters = { name: 'conv1.weight', shape: [4, 3, 5, 5], weights, channels: 'RGB' } as const;
  const facts = { model: 'cifar10-quick', recipe: 'sgd & more', seed: '7', backend: 'wasm, 2 threads', time: '3 min' };
  const html = await trainingReport({ events, facts, filters, evaluation, dataset });
  t.match(html, /^<!doctype html>\n<html lang="en">/);
  const page = parseMarkup(html);
  expectAlone(t, html);
  t.equal(findAll(page, 'title')[0].text, 'Training of cifar10-quick');
  const viewport = findAll(page, 'meta').find(({ attributes }) => attributes.name === 'viewport');
  t.equal(viewport?.attributes.content, 'width=device-width, initial-scale=1');
  t.match(findAll(page, 'style')[0].text, 'prefers-color-scheme: dark');
  t.same(
    findClass(page, 'tile').map(({ text }) => text),
    [
      '66.7\u00a0%rightof 6 images evaluated',
      '0.75losson them',
      '62.5\u00a0%best validationafter step 2',
      '3stepsearly stop',
      '200images/smedian of the steps',
    ],
  );

  const sections = sectionsOf(page);
  t.same([...sections.keys()], ['curves', 'filters', 'confusion', 'mistakes', 'facts']);
  const of = (id: string) => sections.get(id) as MarkupElement;

  const charts = findAll(of('curves'), 'svg');
  t.same(
    charts.map((chart) => findAll(chart, 'text')[0].text),
    ['loss', 'accuracy (top 1)', 'accuracy (top 5)', 'learning rate', 'throughput (images/s)'],
  );
  t.equal(charts[0].attributes['aria-label'], 'loss: training 0.8 at step 3; validation 1 at step 3');
  t.same(
    charts.map((chart) => findAll(chart, 'polyline').map(({ attributes }) => attributes.points.split(' ').length)),
    [[3, 2], [3, 2], [3, 2], [3], [3]],
  );
  t.equal(findClass(charts[0], 'mark').length, 1, 'where the rate dropped');

  const pictures = await Promise.all(findAll(of('filters'), 'img').map(({ attributes }) => decodedUri(attributes.src)));
  t.same(pictures, filterPictures(filters));

  const [matrix, pairs] = findAll(of('confusion'), 'table');
  t.same(
    findAll(matrix, 'tr')
      .slice(1)
      .map((row) => findAll(row, 'td').map(({ text }) => text)),
    [
      ['2', '', '', '100.0 %'],
      ['', '1', '1', '50.0 %'],
      ['1', '', '1', '50.0 %'],
    ],
  );
  t.same(
    findAll(matrix, 'tr')
      .slice(1)
      .map((row) => findAll(row, 'th')[0].text),
    classes,
  );
  t.same(
    findAll(pairs, 'tr')
      .slice(1)
      .map((row) => findAll(row, 'td').map(({ text }) => text)),
    [
      [classes[1], 'ship', '1', '50.0 %'],
      ['ship', 'cat', '1', '50.0 %'],
    ],
  );

  const shown = findAll(of('mistakes'), 'figure');
  t.same(
    shown.map(({ text }) => text),
    [`${classes[1]} taken for ship 90.0\u00a0%`, 'ship taken for cat 60.0\u00a0%'],
  );
  for (const [i, index] of [4, 5].entries()) {
    const { src, alt } = findAll(shown[i], 'img')[0].attributes;
    t.match(alt, `image ${index}: `);
    t.same(await decodedUri(src), pixelsOfPlanes(images.subarray(index * 192, (index + 1) * 192), [3, 8, 8]));
  }

  t.same(
    findAll(of('facts'), 'tr').map((row) => [findAll(row, 'th')[0].text, findAll(row, 'td')[0].text]),
    Object.entries(facts),
  );
});

t.test('pages of runs with less to tell', async (t) => {
  const bare = parseMarkup(await trainingReport({ events: [], facts: {} }));
  t.same([...sectionsOf(bare).keys()], ['curves', 'facts']);
  t.match(sectionsOf(bare).get('curves')?.text, 'No step was taken.');

  const diverged: TrainingEvent = { ...events[0], step: 4, loss: Number.NaN } as TrainingEvent;
  const html = await trainingReport({ events: [...events.slice(0, 2), diverged], facts: { model: 'x' } });
  t.match(findClass(parseMarkup(html), 'bad')[0].text, /not finite \(NaN\) at step 4/);
  t.notMatch(html, /="[^"a-z]*NaN/, 'nothing is drawn at no place');

  const perfect = { ...evaluation, confusion: Int32Array.of(2, 0, 0, 0, 2, 0, 0, 0, 2), mistakes: [] };
  const right = sectionsOf(parseMarkup(await trainingReport({ events, facts: {}, evaluation: perfect, dataset })));
  t.match(right.get('confusion')?.text, 'Every image was recognised.');
  t.match(right.get('mistakes')?.text, 'There were none.');

  const others = memoryDataset('others', [3, 8, 8], classes, Int32Array.of(0, 1, 2, 0, 2, 2), images);
  await t.rejects(trainingReport({ events, facts: {}, evaluation, dataset: others }), {
    name: 'ArgumentError',
    message: /not of others.*image 4 has another label/,
  });
});

t.test('many classes: the matrix is a picture', async (t) => {
  const count = 40;
  const confusion = new Int32Array(count ** 2);
  for (let label = 0; label < count; label++) confusion[label * count + label] = 4;
  confusion[3 * count + 30] = 4;
  const names = Array.from({ length: count }, (_, i) => `class ${i}`);
  const many: Evaluation = { ...evaluation, classes: names, confusion, mistakes: [] };
  const section = sectionsOf(parseMarkup(await trainingReport({ events, facts: {}, evaluation: many }))).get(
    'confusion',
  );
  const picture = await decodedUri(findAll(section as MarkupElement, 'img')[0].attributes.src);
  t.same([picture.width, picture.height], [count, count]);
  const level = (row: number, column: number) => picture.data[3 * (row * count + column)];
  t.equal(level(0, 1), 255, 'white where nothing is');
  t.equal(level(7, 7), 11, 'full colour where all are');
  t.equal(level(3, 30), Math.round(255 - Math.SQRT1_2 * 244), 'half of a class');
  t.match((section as MarkupElement).text, /class 3class 30450\.0 %/);
});

t.test('facts of a run', async (t) => {
  const engine = await openEngine({ backend: 'reference' });
  t.teardown(() => engine.close());
  const model = preset('cifar10-quick', { width: 1 / 16, classes: 3, inputSize: 12 });
  const network = await engine.network(model, { frozen: ['conv1'] });
  const facts = runFacts({
    network,
    recipe: model.recipe,
    optimizer: { rule: 'caffe', momentum: 0.9 },
    train: dataset,
    seed: 5,
    backend: engine.info.description,
    seconds: 3725.4,
  });
  t.match(facts, {
    model: 'cifar10-quick',
    options: /classes 3, width 0.0625, inputSize 12/,
    frozen: 'conv1.weight, conv1.bias',
    data: 'pets test: 6 images of 3 × 8 × 8, 3 classes',
    recipe: '5,000 steps of 100 images, learning rate 0.001',
    schedule: 'multistep, epochs 8, factors 0.1',
    optimizer: 'sgd, rule caffe, momentum 0.9',
    seed: '5',
    backend: /reference/,
    time: '1 h 2 min 5 s',
  });
});

t.test('tandem train --report, of a training that ends well and of one that diverges', async (t) => {
  const path = await emptyFolder(t);
  const next = uniform(3);
  const batch = Uint8Array.from({ length: 24 * 3073 }, (_, i) => (i % 3073 === 0 ? (i / 3073) % 10 : 256 * next()));
  await writeFile(path('data_batch_1.bin'), batch);
  await writeFile(path('test_batch.bin'), batch.subarray(0, 12 * 3073));
  const common = ['--model', 'cifar10-quick', '--option', 'width=0.125', '--data', dirname(path('x')), '--batch', '8'];
  const [good, bad] = await Promise.all([
    tandem('train', ...common, '--steps', '6', '--seed', '9', '--report', path('good.html')),
    tandem('train', ...common, '--steps', '60', '--lr', '1e9', '--report', path('bad.html')),
  ]);
  t.equal(good.code, 0, good.stderr);
  const html = await readFile(path('good.html'), 'utf8');
  expectAlone(t, html);
  const sections = sectionsOf(parseMarkup(html));
  t.same([...sections.keys()], ['curves', 'filters', 'confusion', 'mistakes', 'facts']);
  t.equal(findAll(sections.get('filters') as MarkupElement, 'img').length, 4);
  t.match(
    sections.get('facts')?.text,
    /cifar10 train: 24 images of 3 × 32 × 32, 10 classes.*6 steps of 8 images.*seed9/s,
  );
  // Each picture is that of the image it names, which lies in the file as planes.
  const images = findAll(sections.get('mistakes') as MarkupElement, 'img');
  t.ok(images.length > 0);
  for (const { attributes } of images) {
    const index = Number(/^image (\d+): /.exec(attributes.alt)?.[1]);
    const planes = batch.subarray(index * 3073 + 1, (index + 1) * 3073);
    t.same(await decodedUri(attributes.src), pixelsOfPlanes(planes, [3, 32, 32]), attributes.alt);
  }

  t.equal(bad.code, 1, bad.stderr);
  const ended = sectionsOf(parseMarkup(await readFile(path('bad.html'), 'utf8')));
  t.same([...ended.keys()], ['curves', 'filters', 'facts'], 'there is nothing to evaluate');
  t.match(ended.get('facts')?.text, /ended by.*step \d+/s);
});
