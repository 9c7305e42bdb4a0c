/** Weights that PyTorch, NumPy and protoc wrote, in networks of ours: the logits are those that PyTorch has with them. */
import { openAsBlob } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { loadNetwork, openEngine, openWeights, preset, saveWeights, writeSafetensors } from '../src/index.js';
import { elements } from '../src/ops/define.js';
import { maxRelative, uniform } from './golden.js';
import { fixturePath } from './support/fixtures.js';
import { fileOf, ownWeights, sameBits } from './support/foreignWeights.js';

const narrow = { width: 1 / 64, classes: 5 };
const owt = preset('alexnet-owt', { ...narrow, inputSize: 95 });
const caffe = preset('caffe-alexnet', { ...narrow, inputSize: 71 });

const files = [
  { file: 'torchvision.pth', model: owt, logits: 'torchvision.json', pixels: 32 },
  { file: 'bvlc_alexnet.npy', model: caffe, logits: 'bvlc_alexnet.json', pixels: 128 },
  { file: 'bvlc_alexnet.caffemodel', model: caffe, logits: 'bvlc_alexnet.json', pixels: 128 },
] as const;

for (const { file, model, logits, pixels } of files) {
  t.test(file, async (t) => {
    const golden = JSON.parse(await readFile(fixturePath(logits), 'utf8')) as { logits: number[] };
    const images = uniform(2 * elements(model.inputShape), 100, pixels);
    for (const [backend, most] of [
      ['reference', 2 ** -22],
      ['wasm', 1e-5],
    ] as const) {
      await using engine = await openEngine(backend === 'wasm' ? { backend, threads: 2 } : { backend });
      const source = backend === 'wasm' ? fixturePath(file) : await openAsBlob(fixturePath(file));
      const net = await loadNetwork(engine, source, { model });
      const found = (await net.forward(images)).logits;
      const off = maxRelative(found, Float32Array.from(golden.logits));
      t.ok(off <= most, `${backend}: logits are off by ${off}`);
    }
    const path = join(t.testdir(), 'ours.safetensors');
    const weights = await openWeights(fixturePath(file), { model });
    await saveWeights(weights, path);
    const ours = await openWeights(path);
    t.same(ours.model.options, model.options, 'a file of ours says itself what it is of');
    for (const name of ours.file.tensors.keys()) {
      t.ok(sameBits(await ours.file.read(name), await weights.file.read(name)), name);
    }
    await ours.file.close();
    await weights.file.close();
  });
}

t.test('the same weights of Caffe and as they are kept for TensorFlow', async (t) => {
  const [one, other] = await Promise.all(
    [files[1], files[2]].map(({ file, model }) => openWeights(fixturePath(file), { model })),
  );
  for (const name of one.file.tensors.keys()) {
    t.ok(sameBits(await one.file.read(name), await other.file.read(name)), name);
  }
  await one.file.close();
  await other.file.close();
});

t.test('another head on the layers of a file of others', async (t) => {
  const path = fixturePath('torchvision.pth');
  await using engine = await openEngine({ backend: 'reference' });
  const net = await loadNetwork(engine, path, { model: owt, classes: ['a', 'b', 'c'] });
  t.equal(net.model.classes, 3);
  t.same(net.model.classNames, ['a', 'b', 'c']);
  const { file } = await openWeights(path, { model: owt });
  t.ok(sameBits(await net.read('fc7.weight'), await file.read('fc7.weight')));
  await file.close();
  await t.rejects(loadNetwork(engine, path, { model: preset('alexnet-owt', { ...owt.options, classes: 7 }) }), {
    name: 'FileError',
    message: /holds a alexnet-owt of 5 classes, expected 7: take it as one of 5 and replace its head/,
  });
});

t.test('which network a file is of', async (t) => {
  const path = join(t.testdir(), 'some.safetensors');
  const cifar = preset('cifar10-quick', { classes: 3 });
  const own = ownWeights(cifar);
  const of = async (options: Parameters<typeof openWeights>[1] = {}) => {
    const { model, file } = await openWeights(path, options);
    await file.close();
    return `${model.name} ${model.classes}`;
  };
  await writeSafetensors(path, own);
  t.equal(await of(), 'cifar10-quick 3', 'the only one with these names and shapes');
  t.equal(await of({ model: 'cifar10-quick' }), 'cifar10-quick 3', 'a name leaves the classes to the file');
  await t.rejects(of({ model: 'mnist-tf' }), {
    name: 'FileError',
    message: /some\.safetensors': .*conv1\.weight.* of mnist-tf; it has the shapes of cifar10-quick with 3 classes$/,
  });
  await t.rejects(of({ model: 'quick' }), { name: 'ArgumentError', message: /there is no preset 'quick'/ });

  // Without names, two networks are alike.
  await writeSafetensors(
    path,
    own.map((each, i) => ({ ...each, name: String(100 + i) })),
  );
  await t.rejects(of(), {
    name: 'FileError',
    message:
      /does not say which network its weights are of, expected a model \(--model NAME\): it has the shapes of cifar10-80sec with 3 classes, cifar10-quick with 3 classes$/,
  });
  t.equal(await of({ model: 'cifar10-80sec' }), 'cifar10-80sec 3');

  // A file of ours is of what it says.
  await saveWeights({ model: cifar, file: await fileOf(own) }, path);
  t.equal(await of(), 'cifar10-quick 3');
  await t.rejects(of({ model: 'cifar10-80sec' }), {
    name: 'ArgumentError',
    message: /holds the weights of cifar10-quick, expected those of cifar10-80sec/,
  });
  await t.rejects(openWeights(fixturePath('zoo.onnx'), { model: 'caffenet' }), {
    name: 'FileError',
    message:
      /tensor 'conv1_w_0' is \[4, 3, 3, 3\], expected \[96, 3, 11, 11\] for conv1\.weight of caffenet; no preset/,
  });
});
