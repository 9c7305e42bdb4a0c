/** Networks in files with their input, another head on the layers of an old one, and what stored images are to a model. */
import { join } from 'node:path';
import t, { type Test } from 'tap';
import {
  type Engine,
  type ImageInput,
  imageInput,
  loadNetwork,
  type Model,
  openEngine,
  openSafetensors,
  openWeights,
  preset,
  replaceHead,
  saveNetwork,
  writeSafetensors,
} from '../src/index.js';
import { headParameters } from '../src/models/head.js';
import { presets } from '../src/models/presets.js';
import { elements } from '../src/ops/define.js';

const model = preset('cifar10-quick', { width: 0.25, classes: 5 });
const meanImage = Float32Array.from({ length: 3 * 36 * 34 }, (_, i) => 120 + 30 * Math.sin(i / 50));
const colourNoise = {
  std: 0.1,
  scales: [60, 20, 5],
  components: [
    [0.6, 0.6, 0.5],
    [0.7, 0, -0.7],
    [0.4, -0.8, 0.4],
  ],
  divide: 1.1,
};
const input = imageInput(model, [3, 36, 34], { meanImage, colourNoise });

function bytes(count: number, shape: readonly number[], salt = 0): Uint8Array {
  return Uint8Array.from({ length: count * elements(shape) }, (_, i) => 127 + 127 * Math.sin(i * i * 0.37 + salt));
}

async function open(t: Test, backend: 'wasm' | 'reference' = 'wasm'): Promise<Engine> {
  const engine = await openEngine(backend === 'wasm' ? { backend, threads: 1 } : { backend });
  t.teardown(() => engine.close());
  return engine;
}

t.test('a network comes back from its file with its input, and trains on as before', async (t) => {
  const engine = await open(t);
  const path = join(t.testdir(), 'net.safetensors');
  const images = bytes(3, input.shape);
  for (const one of [input, imageInput(model, [3, 40, 40]), undefined]) {
    const net = await engine.network(model, { input: one, seed: 5 });
    await saveNetwork(net, path);
    const back = await loadNetwork(engine, path, { seed: 5 });
    t.same(back.input, one);
    t.same(back.model.options, model.options);
    if (one === input) {
      t.same((await back.forward(images)).logits, (await net.forward(images)).logits);
      t.equal(await (await back.step(images, [1, 2, 3])).loss, await (await net.step(images, [1, 2, 3])).loss);
      for (const { name } of net.parameters) t.same(await back.read(name), await net.read(name), name);
    }
    const other = imageInput(model, [3, 33, 33]);
    t.equal((await loadNetwork(engine, path, { input: other })).input, other, 'an option replaces what the file says');
  }
});

t.test('what a checkpoint has beside the parameters is no weight', async (t) => {
  const engine = await open(t);
  const path = join(t.testdir(), 'checkpoint.safetensors');
  const net = await engine.network(model, { input });
  await saveNetwork(net, path);
  const file = await openSafetensors(path);
  const tensors = [];
  for (const [name, { shape }] of file.tensors) tensors.push({ name, shape, data: await file.read(name) });
  await file.close();
  for (const { name, shape } of net.states) tensors.push({ name, shape, data: await net.read(name) });
  await writeSafetensors(path, tensors, file.metadata);
  const opened = await openWeights(path);
  t.same([...opened.file.tensors.keys()].sort(), net.parameters.map(({ name }) => name).sort());
  t.same(opened.input, input);
  await opened.file.close();
  const back = await loadNetwork(engine, path);
  for (const { name } of net.parameters) t.same(await back.read(name), await net.read(name), name);

  await writeSafetensors(
    path,
    [...tensors, { name: 'conv9.weight', shape: [1], data: new Float32Array(1) }],
    file.metadata,
  );
  await t.rejects(openWeights(path), { name: 'FileError', message: /tensor 'conv9\.weight', which is no parameter/ });
});

t.test('an input that a file has, but that cannot be', async (t) => {
  const engine = await open(t);
  const path = join(t.testdir(), 'net.safetensors');
  const net = await engine.network(model);
  const tensors = [];
  for (const { name, shape } of net.parameters) tensors.push({ name, shape, data: await net.read(name) });
  await saveNetwork(net, path);
  const file = await openSafetensors(path);
  const { metadata } = file;
  await file.close();
  const { meanImage: _, ...data } = input;
  const mean = (shape: readonly number[]) => ({
    name: 'input/meanImage',
    shape,
    data: new Float32Array(elements(shape)),
  });
  const cases = [
    ['{', [], /'input' in the metadata is not JSON/],
    ['null', [], /'input' in the metadata lacks a field/],
    [JSON.stringify({ ...data, training: undefined }), [], /'input' in the metadata lacks a field/],
    [JSON.stringify({ ...data, colourNoise: {} }), [], /'input' in the metadata lacks a field/],
    [JSON.stringify(data), [], /input\.training names a mean image, but input\.meanImage is missing/],
    [JSON.stringify(data), [mean([3, 32, 32])], /tensor 'input\/meanImage' must be \[3, 36, 34\], got \[3, 32, 32\]/],
    [JSON.stringify({ ...data, shape: [3, 8, 8] }), [mean([3, 8, 8])], /is larger than the images/],
    [JSON.stringify({ ...data, inference: { mean: 'x' } }), [mean([3, 36, 34])], /'input' in the metadata: /],
  ] as const;
  for (const [text, more, message] of cases) {
    await writeSafetensors(path, [...tensors, ...more], { ...metadata, input: text });
    await t.rejects(loadNetwork(engine, path), { name: 'FileError', message });
    await t.rejects(openWeights(path), /net\.safetensors/);
  }
});

t.test('another head on the layers of a file', async (t) => {
  const engine = await open(t);
  const path = join(t.testdir(), 'net.safetensors');
  const net = await engine.network(model, { seed: 5, input });
  await net.step(bytes(4, input.shape), [0, 1, 2, 3], { learningRate: 0.1 });
  await saveNetwork(net, path);
  for (const classes of [7, 5]) {
    const other = await loadNetwork(engine, path, { classes, seed: 9, frozen: (name) => !name.startsWith('ip2') });
    const drawn = await engine.network(replaceHead(model, classes), { seed: 9 });
    t.equal(other.model.classes, classes);
    t.same(other.input, input, 'images are what they were');
    for (const { name, shape } of other.parameters) {
      const isHead = name.startsWith('ip2');
      t.same(
        await other.read(name),
        await (isHead ? drawn : net).read(name),
        `${name} is ${isHead ? 'drawn' : 'loaded'}`,
      );
      if (isHead) t.equal(shape[0], classes);
    }
    const before = await other.read('conv3.weight');
    await other.step(bytes(4, input.shape), [0, 1, 2, classes - 1], { learningRate: 0.1 });
    t.same(await other.read('conv3.weight'), before, 'the frozen layers stay');
    t.notSame(await other.read('ip2.weight'), await drawn.read('ip2.weight'), 'the head learns');
    const again = join(t.testdirName, 'again.safetensors');
    await saveNetwork(other, again);
    t.equal((await loadNetwork(engine, again)).model.classes, classes);
  }
  for (const classes of [0, 1.5, Number.NaN]) {
    const message = /classes must be an integer from 1/;
    await t.rejects(loadNetwork(engine, path, { classes }), { name: 'ArgumentError', message });
  }
});

t.test('heads of all presets', async (t) => {
  for (const name of presets.keys()) {
    const one = preset(name, { width: 1 / 24, classes: 10 });
    const changed = { ...one, preprocessing: { ...one.preprocessing, scale: 0.5 } };
    const other = replaceHead(changed, 3);
    t.match(other, { name, classes: 3, inputShape: one.inputShape, preprocessing: { scale: 0.5 }, recipe: one.recipe });
    const parameters = headParameters(other);
    t.equal(parameters.length, 2, `${name}: ${parameters}`);
    t.match(parameters[0], /^(fc|ip|out).*\.weight$/);
    t.match(parameters[1], /\.bias$/);
  }
  t.same(headParameters(preset('alexnet', { towerForm: 'split', width: 1 / 24 })), ['fc8.weight', 'fc8.bias']);
  t.throws(() => replaceHead({ ...model, name: 'mine' }, 3), {
    name: 'ArgumentError',
    message: /there is no preset 'mine'/,
  });
});

/** A model with another preprocessing or augmentation. */
function changed(changes: Partial<Model['preprocessing']>, augmentation: Model['augmentation'] = {}): Model {
  return { ...model, preprocessing: { ...model.preprocessing, ...changes }, augmentation };
}

t.test('what stored images are to a model', async (t) => {
  const { mean } = model.preprocessing;
  t.same(imageInput(model, [3, 32, 32]).inference.mean, mean, 'the means of the channels serve without a mean image');
  t.match(input, { training: { crop: 'centre', meanImage: 'centre', mean: [], flipHorizontal: 0 }, meanImage });
  t.match(input, { inference: { crop: 'centre', meanImage: 'centre', size: 32 }, colourNoise });
  const source = { cropFrom: 36, mirror: true, meanImage: 'crop', sharedBy: 4 } as const;
  const cut = imageInput(changed({}, { ...source, colourNoise }), [3, 36, 36]);
  t.match(cut.training, { crop: 'random', flipHorizontal: 0.5, sharedBy: 4, scale: [1], mean });
  t.equal(cut.colourNoise, colourNoise, 'that of the augmentation');
  t.match(imageInput(changed({}, source), [3, 36, 34], { meanImage }), {
    training: { meanImage: 'crop', mean: [] },
    inference: { meanImage: 'crop', mean: [] },
  });

  const wrong = [
    [[1, 32, 32], {}, /cifar10-quick wants colour images \(3 channels\), the stored images have 1: \[1, 32, 32\]/],
    [[3, 31, 40], {}, /reads crops of 32×32, the stored images are smaller: 31×40/],
    [[3, 40, 31], {}, /the stored images are smaller: 40×31/],
    [[3, 32, 32], { meanImage }, /the mean image must be \[3, 32, 32\], 3072 numbers, got 3672/],
  ] as const;
  for (const [shape, statistics, message] of wrong) {
    t.throws(() => imageInput(model, shape, statistics), { name: 'ArgumentError', message });
  }
  const grey = preset('mnist-tf', { width: 0.1 });
  t.throws(() => imageInput(grey, [3, 28, 28]), {
    message: /mnist-tf wants grey images \(1 channel\), the stored images have 3/,
  });
});

t.test('statistics of RGB images serve a network that reads BGR', async (t) => {
  const engine = await open(t);
  // Planes that differ: an image that equals its mean image is nothing but zeros, if each plane meets its own.
  const image = Uint8Array.from({ length: 3 * 36 * 34 }, (_, i) => [20, 120, 220][Math.floor(i / (36 * 34))] + (i % 7));
  for (const channels of ['RGB', 'BGR'] as const) {
    for (const convention of ['centre', 'crop'] as const) {
      const bgr = changed({ channels }, { meanImage: convention });
      const own: ImageInput = imageInput(bgr, [3, 36, 34], { meanImage: Float32Array.from(image), colourNoise });
      const net = await engine.network(bgr, { input: own });
      const { logits } = await net.forward(image);
      const zeros = await net.forward(new Float32Array(elements(bgr.inputShape)));
      t.same(logits, zeros.logits, `${channels}, ${convention}`);
      const first = own.colourNoise?.components[1];
      t.same(first, channels === 'BGR' ? [-0.7, 0, 0.7] : [0.7, 0, -0.7]);
      await net.close();
    }
  }
});
