/** Whole networks from ONNX files: those of the model zoo, and of torch.onnx.export; what they are called here, and how they train. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { lossGraph } from '../src/engine/graphs.js';
import { memorySource } from '../src/formats/byteSource.js';
import { pixelsOf } from '../src/formats/network.js';
import { readTensorProto } from '../src/formats/tensorProto.js';
import {
  imageInput,
  importOnnx,
  loadNetwork,
  openEngine,
  openOnnxProgram,
  openWeights,
  preset,
  replaceHead,
  saveNetwork,
  Trainer,
} from '../src/index.js';
import { headParameters } from '../src/models/head.js';
import { maxRelative, uniform } from './golden.js';
import { fixturePath } from './support/fixtures.js';
import { float, OnnxBuilder, tensor } from './support/onnxBuilder.js';
import { runImported, runOnnxruntime } from './support/onnxConformance.js';
import { contentOf, cornerImages, eventsOf, ofKind } from './support/training.js';
import { zooModel } from './support/zoo.js';

const engine = await openEngine({ backend: 'wasm', threads: 2 });
t.teardown(() => engine.close());

t.test("the zoo's AlexNet and CaffeNet run as they are, at any batch size", async (t) => {
  for (const which of ['bvlcalexnet', 'caffenet'] as const) {
    const bytes = await zooModel(which).bytes();
    const images = uniform(2 * 3 * 224 * 224, 3, 120);
    const single = images.subarray(0, images.length / 2);
    const { prob_1: theirs } = await runOnnxruntime(bytes, { data_0: { shape: [1, 3, 224, 224], data: single } });
    const ours = await runImported(engine, bytes, { data_0: { shape: [1, 3, 224, 224], data: single } });
    t.same(ours.prob_1.dims, [1, 1000]);
    t.ok(maxRelative(ours.prob_1.data, Float64Array.from(theirs.data)) <= 1e-5, which);

    const { model, weights } = await importOnnx(new Blob([bytes]), { preprocessing: 'caffe-alexnet' });
    t.match(model, { classes: 1000, inputShape: [3, 224, 224], preprocessing: { channels: 'BGR', crop: 224 } });
    t.same([...weights.tensors.keys()].slice(0, 3), ['conv1_w_0', 'conv1_b_0', 'conv2_w_0']);
    await using net = await engine.network(model, { weights });
    const { probabilities } = await net.forward(images);
    t.ok(maxRelative(probabilities.subarray(0, 1000), Float64Array.from(theirs.data)) <= 1e-5, 'a batch of two');
    await weights.close();

    const { model: caffes } = await importOnnx(new Blob([bytes]), { inputShape: [3, 227, 227] });
    t.same(caffes.inputShape, [3, 227, 227], "Caffe's own size fits too");
  }
});

t.test('what torch.onnx.export writes', async (t) => {
  const image = uniform(3 * 127 * 127, 100, 1);
  for (const opset of [9, 13]) {
    const path = fixturePath(`torch-alexnet-opset${opset}.onnx`);
    const stored = memorySource(await readFile(path.replace('.onnx', '.pb')));
    const wanted = await (await readTensorProto(stored)).floats();
    const { model, weights } = await importOnnx(path);
    t.match(model, { name: 'torch_jit', classes: 10, inputShape: [3, 127, 127] });
    t.equal(weights.tensors.size, 16);
    await using net = await engine.network(model, { weights });
    const { logits } = await net.forward(Float32Array.from([...image, ...image]));
    t.ok(maxRelative(logits.subarray(10), Float64Array.from(wanted)) <= 1e-5, `opset ${opset}`);
    t.same(await net.read('classifier.6.bias'), await weights.read('classifier.6.bias'));
    await weights.close();
  }
});

t.test('an imported network is trained, with another head, and resumed', async (t) => {
  const options = { classes: ['a', 'b', 'c', 'd'] };
  const { model, weights } = await importOnnx(await zooModel('bvlcalexnet').blob(), options);
  t.match(model, { classes: 4, classNames: options.classes });
  t.same([...weights.tensors.keys()].at(-1), 'fc7_b_0', 'the head is drawn');
  const size = 224;
  const train = cornerImages(32, 9, 'corners', size);
  const scaled = { ...model, preprocessing: { ...model.preprocessing, mean: [110, 110, 110], scale: 1 / 64 } };
  const folder = t.testdir();
  const network = () =>
    engine.network(scaled, { weights, seed: 3, input: imageInput(scaled, [3, size, size]), learningRate: 0.01 });
  const recipe = { batch: 8, learningRate: 0.02 };
  await using whole = await network();
  const steps = ofKind(await eventsOf(new Trainer(whole, { train, steps: 12, recipe, reportEvery: 1 })), 'step');
  const [first, last] = [steps[0].loss, steps[steps.length - 1].loss];
  t.ok(last < 0.7 * first, `the loss falls from ${first} to ${last}`);

  await using begun = await network();
  const checkpoint = join(folder, 'run');
  const plan = { train, recipe, checkpoint, checkpointEvery: 5, steps: 12 };
  const stop = new AbortController();
  const trainer = new Trainer(begun, { ...plan, reportEvery: 1, signal: stop.signal });
  for await (const event of trainer.fit()) if (event.kind === 'step' && event.step === 5) stop.abort();
  await using other = await network();
  await eventsOf(new Trainer(other, { ...plan, resume: true }));
  t.same(await contentOf(other), await contentOf(whole), 'as if it had never been stopped');

  const { model: back, file } = await openWeights(join(checkpoint, 'last.safetensors'));
  t.match(back, { name: 'bvlc_alexnet', classes: 4, classNames: options.classes, structure: model.structure });
  await file.close();
  await weights.close();
});

t.test('an ONNX file opens like any other file of weights', async (t) => {
  const images = uniform(3 * 224 * 224, 3, 120);
  const zoo = zooModel('bvlcalexnet');
  const { prob_1: theirs } = await runOnnxruntime(await zoo.bytes(), {
    data_0: { shape: [1, 3, 224, 224], data: images },
  });
  const blob = await zoo.blob();
  await using net = await loadNetwork(engine, blob);
  t.match(net.model, { name: 'bvlc_alexnet', classes: 1000, preprocessing: { channels: 'RGB', scale: 1 } });
  t.ok(maxRelative((await net.forward(images)).probabilities, Float64Array.from(theirs.data)) <= 1e-5);
  await using other = await loadNetwork(engine, blob, { classes: ['a', 'b'] });
  t.same(await other.read('fc7_w_0'), await net.read('fc7_w_0'));
  t.same(other.parameters.at(-1), { name: 'fc8_b_0', shape: [2], role: 'parameter', frozen: false });

  const { model, weights } = await importOnnx(blob, { preprocessing: 'caffe-alexnet' });
  await weights.close();
  await using known = await loadNetwork(engine, blob, { model, classes: 3 });
  t.match(known.model, { classes: 3, preprocessing: { channels: 'BGR' } }, 'with what the caller has said of it');
  await t.rejects(loadNetwork(engine, await zooModel('caffenet').blob(), { model }), {
    name: 'ArgumentError',
    message: /the blob holds another network than bvlc_alexnet/,
  });

  const stored = (rename: (name: string) => string) => pixelsOf({ label: 'the file', tensors: caffenet(rename) });
  t.equal(
    stored((name) => name.replace('.weight', '_w_0').replace('.bias', '_b_0')),
    'caffe-alexnet',
    "the zoo's names",
  );
  t.equal(
    stored((name) => `my ${name}`),
    undefined,
    'names that tell nothing',
  );
});

/** The tensors of a full CaffeNet under other names. */
function caffenet(rename: (name: string) => string) {
  const { values } = lossGraph(preset('caffenet'), 1);
  const variables = values.filter(({ kind }) => kind === 'variable');
  return new Map(variables.map(({ name, shape }) => [rename(name), { dtype: 'F32', shape }]));
}

t.test('names, weights and heads', async (t) => {
  const m = new OnnxBuilder(13);
  const x = m.input('images', 'N', 2, 4, 4);
  const weight = { value: tensor('f32', [3, 2, 1, 1], [1, 2, 3, 4, 5, 6]) };
  m.node('Constant', [], '/conv/weight', weight);
  m.node('Conv', [x, '/conv/weight', m.weight('images_', [3])], 'labels');
  const statistics = [m.weight('scale', [3]), m.weight('random', [3]), m.weight('mean', [3])];
  m.node('BatchNormalization', ['labels', ...statistics, m.floats('variance', [3], [1, 2, 3])], 'normal');
  m.node('Dropout', ['normal', m.floats('ratio', [], [0.5])], 'dropped');
  m.node('MatMul', [m.node('Flatten', ['dropped'], 'flat'), m.weight('kernel', [48, 5])], 'product');
  m.node('Add', ['product', m.weight('.conv.weight', [5])], 'sum');
  m.node('Reshape', ['sum', m.integers('shape', -1, 5, 1, 1)], 'map');
  m.node('Softmax', [m.node('Relu', ['map'], 'gate')], 'soft', { axis: 1 });
  m.output(m.node('Squeeze', ['soft', m.integers('axes', 2, 3)], 'scores'), 'flat');
  const blob = await m.blob();
  const { model, weights } = await importOnnx(blob);
  t.match(model, { name: 'made', classes: 5, inputShape: [2, 4, 4], preprocessing: { channels: 'grey' } });
  const names = ['conv.weight', 'images_', 'scale', 'random_', 'mean', 'variance', 'kernel', 'conv.weight_2'];
  t.same([...weights.tensors.keys()], names);
  await using net = await engine.network(model, { weights });
  t.same([...(await net.read('conv.weight'))], [1, 2, 3, 4, 5, 6]);
  const kernel = await net.read('kernel');
  t.same([...net.parameters].find(({ name }) => name === 'kernel')?.shape, [5, 48], 'outputs × inputs');
  const part = new Float32Array(3);
  await weights.readInto('kernel', part, 47);
  t.same(part, kernel.subarray(47, 50), 'in parts too');

  const frozen = net.parameters.filter((each) => each.frozen).map(({ name }) => name);
  t.same(frozen, ['mean', 'variance'], 'statistics are not learned');
  const images = uniform(6 * 32, 5, 1);
  const before = await contentOf(net);
  const { logits, probabilities } = await net.forward(images);
  const { scores } = await runOnnxruntime(await m.bytes(), { images: { shape: [6, 2, 4, 4], data: images } });
  t.ok(maxRelative(probabilities, Float64Array.from(scores.data)) <= 1e-5);
  t.ok(
    logits.every((logit) => logit >= 0),
    'what the softmax is taken of',
  );
  const dropped = await net.gradients(images, [0, 1, 2, 3, 4, 0]);
  const plain = await net.gradients(images, [0, 1, 2, 3, 4, 0], { dropout: false });
  t.notSame(dropped.logits, plain.logits, 'dropout while training');
  t.same(plain.logits, logits);
  await net.step(images, [0, 1, 2, 3, 4, 0], { learningRate: 0.1 });
  for (const [name, values] of before) {
    if (!name.includes('/')) t.equal(frozen.includes(name), (await net.read(name)).join() === values.join(), name);
  }

  t.same(headParameters(model), ['kernel', 'conv.weight_2']);
  const path = join(t.testdir(), 'net.safetensors');
  await saveNetwork(net, path);
  await using back = await loadNetwork(engine, path);
  t.same((await back.forward(images)).logits, (await net.forward(images)).logits, 'the file says what the network is');
  await using other = await loadNetwork(engine, path, { classes: 7, seed: 4 });
  t.equal((await other.forward(images)).logits.length, 6 * 7);
  t.same(await other.read('scale'), await net.read('scale'));
  t.equal(replaceHead(other.model, 3).classes, 3, 'again');
  t.throws(() => replaceHead(model, 0), { name: 'ArgumentError', message: /classes must be an integer of at least 1/ });

  const { model: features } = await importOnnx(blob, { output: 'flat' });
  t.equal(features.classes, 48, 'another output');
  t.throws(() => replaceHead(features, 3), {
    name: 'ArgumentError',
    message: /logits come from node 'normal' \(Batch/,
  });
  await weights.close();
});

t.test('files that are no networks', async (t) => {
  const two = new OnnxBuilder(13);
  two.output(two.node('Add', [two.input('a', 1, 4), two.input('b', 1, 4)], 'y'));
  const open = new OnnxBuilder(13);
  open.output(open.node('GlobalAveragePool', [open.input('x', 'N', 3, 'H', 'W')], 'y'));
  const map = new OnnxBuilder(13);
  map.output(map.node('Relu', [map.input('x', 1, 3, 4, 4)], 'y'));
  const mixed = new OnnxBuilder(13);
  mixed.output(mixed.node('Flatten', [mixed.input('x', 1, 3, 1, 1)], 'y', { axis: 0 }));
  const none = new OnnxBuilder(13);
  none.node('Relu', [none.input('x', 1, 3)], 'y');
  const dropped = new OnnxBuilder(7);
  dropped.output(dropped.node('Dropout', [dropped.input('x', 1, 3)], 'y', { ratio: float(1) }));
  const cases = [
    [two, {}, 'FileError', /a network has one input, this one has 'a', 'b'/],
    [open, {}, 'FileError', /input 'x' is \[N, 3, \?, \?\]: expected the option inputShape/],
    [none, {}, 'FileError', /^the blob: there are no outputs/],
    [open, { inputShape: [3, 8, 0] }, 'ArgumentError', /inputShape \[3, 8, 0\] does not suit input 'x'/],
    [
      open,
      { inputShape: [4, 8, 8] },
      'ArgumentError',
      /inputShape \[4, 8, 8\] does not suit input 'x' \[N, 3, \?, \?\]/,
    ],
    [open, { inputShape: [3, 8, 8], output: 'z' }, 'ArgumentError', /made has no output 'z'; there are 'y'/],
    [open, { inputShape: [3, 8, 8], preprocessing: 'alexnot' }, 'ArgumentError', /there is no preset 'alexnot'/],
    [map, {}, 'FileError', /'y' is \[1, 3, 4, 4\] for a batch of 1, expected logits \[1, classes\]/],
    [mixed, {}, 'FileError', /'y' is \[1, 6\] for a batch of 2, expected logits \[2, classes\]/],
    [dropped, {}, 'FileError', /node 'y' \(Dropout\): dropout: probability must be less than 1/],
  ] as const;
  for (const [m, options, name, message] of cases) {
    await t.rejects(importOnnx(await m.blob(), options), { name, message }, String(message));
  }
  t.equal((await importOnnx(await open.blob(), { inputShape: [3, 8, 8] })).model.classes, 3);

  const program = await openOnnxProgram(await open.blob());
  t.same([[...program.inputs], program.outputs], [[['x', '[N, 3, ?, ?]']], ['y']]);
  t.throws(() => program.graph(new Map()), { name: 'ArgumentError', message: /input 'x' \[N, 3, \?, \?\] is missing/ });
  const wrong = { name: 'ArgumentError', message: /input 'x' must be \[N, 3, \?, \?\], got \[2, 4, 5, 5\]/ };
  t.throws(() => program.graph(new Map([['x', [2, 4, 5, 5]]])), wrong);
  await program.close();
  await t.rejects(importOnnx('missing.onnx'), { name: 'FileError', message: /missing\.onnx/ });
});
