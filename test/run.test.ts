/** `tandem run`: ONNX models from the command line, with inputs and outputs in files. */
import { readFile, writeFile } from 'node:fs/promises';
import t from 'tap';
import { memorySource } from '../src/formats/byteSource.js';
import { readNpy } from '../src/formats/npy.js';
import { npyBytes } from '../src/formats/npyWriter.js';
import { readTensorProto, writeTensorProto } from '../src/formats/tensorProto.js';
import { maxRelative, uniform } from './golden.js';
import { emptyFolder, tandem } from './support/cli.js';
import { fixturePath } from './support/fixtures.js';
import { OnnxBuilder } from './support/onnxBuilder.js';

const alexnet = fixturePath('torch-alexnet-opset13.onnx');
const image = uniform(3 * 127 * 127, 100, 1);

t.test('an AlexNet of torch.onnx.export', async (t) => {
  const path = await emptyFolder(t);
  await writeFile(path('image.npy'), npyBytes([1, 3, 127, 127], image));
  await writeFile(path('two.npy'), npyBytes([2, 3, 127, 127], Float32Array.from([...image, ...image])));
  await writeTensorProto(path('image.pb'), 'image', [1, 3, 127, 127], image);
  const given = await readFile(alexnet.replace('.onnx', '.pb'));
  const wanted = await (await readTensorProto(memorySource(given))).floats();
  const [npy, pb] = await Promise.all([
    tandem(
      'run',
      alexnet,
      '--input',
      `image=${path('two.npy')}`,
      '--output',
      path('scores.npy'),
      '--json',
      path('run.json'),
    ),
    tandem(
      'run',
      alexnet,
      '--input',
      `image=${path('image.pb')}`,
      '--output',
      path('scores.pb'),
      '--backend',
      'reference',
    ),
  ]);
  t.same([npy.code, npy.stderr, pb.code, pb.stderr], [0, '', 0, '']);
  t.match(npy.stdout, /scores +\[2, 10\] +-?[\d.]+ .*scores\.npy/);
  const array = await readNpy(memorySource(await readFile(path('scores.npy')), "'scores.npy'"));
  t.same(array.tensors.get('scores')?.shape, [2, 10]);
  t.ok(maxRelative((await array.read('scores')).subarray(10), Float64Array.from(wanted)) <= 1e-5);
  const scores = await readTensorProto(memorySource(await readFile(path('scores.pb'))));
  t.match(scores, { name: 'scores', shape: [1, 10] });
  t.ok(maxRelative(await scores.floats(), Float64Array.from(wanted)) <= 1e-5);
  t.match(JSON.parse(await readFile(path('run.json'), 'utf8')), {
    model: alexnet,
    backend: { name: 'wasm' },
    ms: Number,
    inputs: [{ name: 'image', shape: [2, 3, 127, 127], file: path('two.npy') }],
    outputs: [{ name: 'scores', shape: [2, 10], file: path('scores.npy'), least: Number, greatest: Number }],
  });
});

t.test('several inputs and outputs', async (t) => {
  const path = await emptyFolder(t);
  const m = new OnnxBuilder(13);
  const sum = m.node('Add', [m.input('a', 'N', 3), m.input('b', 'N', 3)], 'sum/all');
  await writeFile(path('m.onnx'), await m.output(sum, m.node('Relu', [sum], 'gate')).bytes());
  await writeFile(path('a.npy'), npyBytes([2, 3], Float32Array.of(1, 2, 3, 4, 5, 6)));
  await writeFile(path('b.npy'), npyBytes([2, 3], Float32Array.of(-5, -5, -5, 1, 1, 1)));
  const inputs = ['--input', `a=${path('a.npy')}`, '--input', `b=${path('b.npy')}`];
  const { code, stdout } = await tandem('run', path('m.onnx'), ...inputs, '--output', path('out'), '--json', '-');
  t.equal(code, 0);
  t.match(JSON.parse(stdout).outputs, [
    { name: 'sum/all', least: -4, greatest: 7, file: path('out/sum_all.npy') },
    { name: 'gate', least: 0, mean: 3, file: path('out/gate.npy') },
  ]);
  const array = await readNpy(memorySource(await readFile(path('out/sum_all.npy')), "'sum.npy'"));
  t.same([...(await array.read('sum'))], [-4, -3, -2, 5, 6, 7]);
  t.match(await tandem('run', path('m.onnx'), ...inputs), { code: 0, stdout: /sum\/all +\[2, 3\] +-4\.0+ / });
});

t.test('one clear line for what cannot be', async (t) => {
  const path = await emptyFolder(t);
  await writeFile(path('small.npy'), npyBytes([1, 3, 9, 9], new Float32Array(243)));
  await writeFile(path('flat.npy'), npyBytes([3], new Float32Array(3)));
  await writeFile(path('text.pb'), 'no tensor at all');
  const m = new OnnxBuilder(13);
  const x = m.input('x', 'N', 3);
  await writeFile(path('two.onnx'), await m.output(m.node('Relu', [x], 'y'), m.node('Tanh', [x], 'z')).bytes());
  const input = (file: string) => ['--input', `image=${path(file)}`];
  const cases = [
    [
      [alexnet],
      /wants --input image=FILE \[1, 3, 127, 127\] \(\.npy or \.pb\), and computes scores; 'image' is not given/,
    ],
    [[alexnet, '--input', 'x=y.npy'], /has no input 'x'; it wants --input image=FILE \[1, 3, 127, 127\]/],
    [[alexnet, ...input('flat.npy')], /input 'image' must be \[1, 3, 127, 127\], got \[3\]/],
    [[alexnet, ...input('small.npy')], /node '.*' \(MaxPool\): maxPool: the kernel \[3, 3\] is larger/],
    [[alexnet, ...input('text.pb')], /text\.pb/],
    [
      [path('two.onnx'), '--input', `x=${path('flat.npy')}`, '--output', path('out.npy')],
      /has 2 outputs, y, z: expected a folder/,
    ],
  ] as const;
  const results = await Promise.all(cases.map(([args]) => tandem('run', ...args)));
  for (const [i, { code, stderr }] of results.entries()) {
    t.equal(code, 2, stderr);
    t.match(stderr, cases[i][1]);
    t.equal(stderr.trim().split('\n').length, 1, stderr);
  }
});
