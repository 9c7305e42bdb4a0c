import { readdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import t from 'tap';
import {
  caffeAlexnet,
  GraphBuilder,
  type Network,
  openEngine,
  openWeights,
  preset,
  saveNetwork,
} from '../src/index.js';
import { emptyFolder, tandem } from './support/cli.js';
import { someImages, someLabels, tinyModel } from './support/tiny.js';

const images = someImages(3);
const labels = someLabels(3);

async function tiny(test: { teardown(done: () => Promise<void>): void }): Promise<Network> {
  const engine = await openEngine({ backend: 'reference' });
  test.teardown(() => engine.close());
  return engine.network(tinyModel());
}

/** The same images with one value replaced. */
function replaced(value: number, at: number): Float32Array {
  const changed = images.slice();
  changed[at] = value;
  return changed;
}

t.test('images', async (t) => {
  const net = await tiny(t);
  const wrong = [
    [new Float32Array(100), /images: expected float32 \[N, 2, 7, 6\], a multiple of 84 numbers, got 100/],
    [new Float32Array(0), /got 0/],
    [new Float64Array(84) as unknown as Float32Array, /in a Float32Array, got Float64Array/],
    [undefined as unknown as Float32Array, /in a Float32Array, got undefined/],
    // 1·84 + 1·42 + 5·6 + 4: image 1, channel 1, row 5, column 4
    [replaced(Number.NaN, 160), /got NaN in image 1, channel 1, row 5, column 4/],
    [replaced(Number.NEGATIVE_INFINITY, 251), /got -Infinity in image 2, channel 1, row 6, column 5/],
    [replaced(Number.POSITIVE_INFINITY, 0), /got Infinity in image 0, channel 0, row 0, column 0/],
  ] as const;
  for (const [given, message] of wrong) {
    await t.rejects(net.forward(given), { name: 'InputError', message });
    await t.rejects(net.step(given, labels), { name: 'InputError', message });
    await t.rejects(net.gradients(given, labels), { name: 'InputError', message });
    await t.rejects(net.profile('forward', given), { name: 'InputError', message });
  }
  t.equal(net.stepCounter, 0, 'nothing was run');
});

t.test('labels', async (t) => {
  const net = await tiny(t);
  const wrong = [
    [[0, 4, 1], /labels\[1\] is 4, expected an integer from 0 to 3/],
    [[0, 1, -1], /labels\[2\] is -1, expected an integer from 0 to 3/],
    [[0.5, 1, 1], /labels\[0\] is 0.5/],
    [[0, 1, Number.NaN], /labels\[2\] is NaN/],
    [[0, 1], /expected 3 class indices, one for each image, got 2/],
    [undefined as unknown as number[], /expected 3 class indices, got undefined/],
  ] as const;
  for (const [given, message] of wrong) {
    await t.rejects(net.step(images, given), { name: 'InputError', message });
    await t.rejects(net.gradients(images, given), { name: 'InputError', message });
  }
});

t.test('options', async (t) => {
  for (const threads of [0, -1, 1.5, Number.NaN, 1000]) {
    await t.rejects(openEngine({ threads }), {
      name: 'ArgumentError',
      message: /threads must be an integer from 1 to/,
    });
  }
  await t.rejects(openEngine({ backend: 'gpu' as 'wasm' }), {
    name: 'ArgumentError',
    message: /backend must be one of wasm, webgpu, reference, got gpu/,
  });
  await t.rejects(openEngine({ simd: 'fast' as 'plain' }), { name: 'ArgumentError', message: /simd must be one of/ });

  const net = await tiny(t);
  const engine = await openEngine({ backend: 'reference' });
  t.teardown(() => engine.close());
  for (const seed of [-1, 0.5, Number.NaN, 2 ** 53]) {
    await t.rejects(engine.network(tinyModel(), { seed }), {
      name: 'ArgumentError',
      message: /seed must be an integer from 0/,
    });
  }
  for (const learningRate of [-0.1, Number.NaN, Number.POSITIVE_INFINITY]) {
    const expected = { name: 'ArgumentError', message: /learningRate must be a finite number of at least 0/ };
    await t.rejects(engine.network(tinyModel(), { learningRate }), expected);
    await t.rejects(net.step(images, labels, { learningRate }), expected);
  }
  await t.rejects(engine.network(tinyModel(), { frozen: ['conv9'] }), {
    name: 'ArgumentError',
    message: /frozen: there is no parameter or layer 'conv9'; there are conv1.weight, /,
  });
  await t.rejects(
    engine.network(tinyModel(), { optimizer: { momentum: 2 } }).then((n) => n.step(images, labels)),
    /momentum/,
  );
  await t.rejects(net.read('conv9.weight'), {
    name: 'ArgumentError',
    message: /there is no variable 'conv9.weight'; there are/,
  });
  await t.rejects(net.write('conv1.bias', new Float32Array(4)), {
    name: 'InputError',
    message: /expected float32 \[3\], 3 numbers, got 4/,
  });
  await t.rejects(net.forward(images, { layers: ['conv9'] }), {
    name: 'ArgumentError',
    message: /layers: there is no node 'conv9'/,
  });
  await t.rejects(net.forward(images, { into: { logits: new Float32Array(1) } }), {
    name: 'ArgumentError',
    message: /'logits'/,
  });
  await t.rejects(net.gradients(images, labels, { of: ['conv9.weight'] }), {
    name: 'ArgumentError',
    message: /no variable 'conv9.weight'/,
  });
  await t.rejects(net.plan({ mode: 'inference', batch: 0 }), {
    name: 'ArgumentError',
    message: /batch must be an integer from 1/,
  });
  t.throws(
    () => {
      net.stepCounter = -1;
    },
    { name: 'ArgumentError', message: /stepCounter must be an integer from 0/ },
  );
});

t.test('models and graphs', async (t) => {
  t.throws(() => preset('alexnett'), {
    name: 'ArgumentError',
    message: /there is no preset 'alexnett', expected one of alexnet, .*caffe-alexnet/,
  });
  t.throws(() => caffeAlexnet({ classes: 0 }), { name: 'ArgumentError', message: /classes must be an integer from 1/ });
  const g = new GraphBuilder('impossible');
  const x = g.input('images', [1, 3, 8, 8]);
  const w = g.variable('conv1.weight', [4, 3, 11, 11], { kind: 'he' });
  t.throws(() => g.conv2d(x, w, undefined, {}, { name: 'conv1' }), {
    name: 'GraphError',
    message:
      /node 'conv1': conv2d: the kernel is larger than the padded image .*'images' \[1, 3, 8, 8\], 'conv1.weight' \[4, 3, 11, 11\]/,
  });
});

t.test('weights files', async (t) => {
  const path = await emptyFolder(t);
  const engine = await openEngine({ backend: 'reference' });
  t.teardown(() => engine.close());
  await t.rejects(openWeights(path('missing.safetensors')), { name: 'FileError', message: /missing\.safetensors/ });
  await writeFile(path('broken.safetensors'), 'these are no weights, whatever the name says');
  await t.rejects(openWeights(path('broken.safetensors')), { name: 'FileError', message: /broken\.safetensors/ });

  const net = await engine.network(caffeAlexnet({ width: 1 / 48, inputSize: 67, classes: 10 }));
  await t.rejects(saveNetwork(net, path('no/such/folder.safetensors')), { name: 'FileError', message: /cannot write/ });
  t.same(await readdir(dirname(path('x'))), ['broken.safetensors'], 'nothing half-written');
});

t.test('the command line says what is wrong in one line, with status 2', async (t) => {
  const path = await emptyFolder(t);
  await writeFile(path('broken.safetensors'), 'these are no weights, whatever the name says');
  await writeFile(path('broken.jpg'), 'this is no picture');
  const wrong: readonly (readonly [readonly string[], RegExp])[] = [
    [['nonsense'], /unknown command 'nonsense'/],
    [['summary'], /missing required argument 'model'/],
    [['summary', 'nonsense'], /there is no preset 'nonsense', expected one of .*caffe-alexnet/],
    [['summary', 'caffe-alexnet', '--bath', '1'], /unknown option '--bath'/],
    [['summary', 'caffe-alexnet', '--batch', '0'], /'0' is invalid. Expected a whole number of at least 1/],
    [['summary', 'caffe-alexnet', '--json', path('no/such/folder.json')], /cannot write '.*folder\.json'/],
    [['plan', 'nonsense'], /there is no preset 'nonsense'/],
    [['plan', 'caffe-alexnet', '--batch', '1.5'], /'1.5' is invalid/],
    [['plan', 'caffe-alexnet', '--threads', '0'], /'0' is invalid/],
    [['plan', 'caffe-alexnet', '--threads', '100000'], /threads must be an integer from 1 to 256, got 100000/],
    [['plan', 'caffe-alexnet', '--mode', 'sideways'], /Expected one of inference, training/],
    [['plan', 'caffe-alexnet', '--backend', 'gpu'], /Expected one of wasm, webgpu, reference/],
    [['plan', 'caffe-alexnet', '--mode', 'training', '--batch', '100000'], /memory|bytes/i],
    [['verify', '--op', 'nonsense'], /op must be one of .*conv2d.* got 'nonsense'/],
    [['verify', '--quick', '--op', 'relu', '--algorithm', 'nonsense'], /algorithm 'nonsense'/],
    [['verify', '--backend', 'gpu'], /Expected one of wasm/],
    [['verify', '--json', path('no/such/folder.json')], /cannot write '.*folder\.json'/],
    [['export', '--model', 'caffe-alexnet'], /required option '--onnx <file>' not specified/],
    [['export', '--onnx', path('x.onnx')], /export needs --model NAME or --weights FILE/],
    [['export', '--model', 'caffe-alexnet', '--seed', 'x', '--onnx', path('x.onnx')], /'x' is invalid/],
    [['export', '--weights', path('missing.safetensors'), '--onnx', path('x.onnx')], /missing\.safetensors/],
    [['export', '--weights', path('broken.safetensors'), '--onnx', path('x.onnx')], /broken\.safetensors/],
    [['export', '--model', 'caffe-alexnet', '--onnx', path('no/such/folder.onnx')], /cannot write '.*folder\.onnx'/],
    [['bench', path('missing.jpg')], /missing\.jpg/],
    [['bench', path('broken.jpg')], /broken\.jpg/],
    [['bench', '--model', 'nonsense'], /there is no preset 'nonsense'/],
    [['bench', '--algorithm', 'conv2d'], /Expected NAME=VALUE/],
    [['bench', '--algorithm', 'conv9=im2col'], /no op and no node 'conv9'/],
    [['bench', '--threads', '0'], /'0' is invalid|threads must be/],
  ];
  for (const [args, message] of wrong) {
    const { code, stderr } = await tandem(...args);
    t.equal(code, 2, `tandem ${args.join(' ')}`);
    t.match(stderr, message);
    t.match(stderr, /^[^\n]+\n$/, 'one line');
  }
  t.same((await readdir(dirname(path('x')))).sort(), ['broken.jpg', 'broken.safetensors'], 'nothing half-written');
});
