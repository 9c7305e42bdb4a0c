import { readFile, stat } from 'node:fs/promises';
import t from 'tap';
import { caffeAlexnet, loadNetwork, openEngine, saveNetwork } from '../src/index.js';
import { emptyFolder, tandem } from './support/cli.js';

async function json(path: string) {
  return JSON.parse(await readFile(path, 'utf8'));
}

t.test('help and version', async (t) => {
  const help = await tandem('--help');
  t.equal(help.code, 0);
  for (const command of [
    'bench',
    'verify',
    'summary',
    'plan',
    'info',
    'convert',
    'export',
    'run',
    'serve',
    'train',
    'evaluate',
    'classify',
  ]) {
    t.match(help.stdout, new RegExp(`^  ${command} `, 'm'), `lists ${command}`);
    const own = await tandem(command, '--help');
    t.equal(own.code, 0, `${command} --help`);
    t.match(own.stdout, `Usage: tandem ${command}`);
  }
  const version = await tandem('--version');
  t.match(version, { code: 0, stdout: /^\d+\.\d+\.\d+\n$/ });
});

t.test('summary', async (t) => {
  const path = await emptyFolder(t);
  const { code, stdout } = await tandem('summary', 'caffe-alexnet', '--json', path('summary.json'));
  t.equal(code, 0);
  t.match(stdout, /^conv2 +conv2d +256 × 27 × 27 +307,456 +223,948,800$/m);
  t.match(stdout, /^total +60,965,224 +724,406,816$/m);
  const summary = await json(path('summary.json'));
  t.match(summary, { model: 'caffe-alexnet', parameters: 60965224, macs: 724406816 });
  t.same(summary.layers[0], {
    name: 'conv1',
    op: 'conv2d',
    outputShape: [96, 55, 55],
    parameters: 34944,
    macs: 105415200,
  });
  t.same(
    summary.layers.filter((layer: { macs: number }) => layer.macs > 0).map((layer: { name: string }) => layer.name),
    ['conv1', 'conv2', 'conv3', 'conv4', 'conv5', 'fc6', 'fc7', 'fc8'],
  );

  const cost = await tandem('summary', 'caffe-alexnet', '--cost', '--batch', '16', '--json', '-');
  const figures = JSON.parse(cost.stdout);
  t.equal(figures.macs, 724406816, 'multiply-adds stay those of one image');
  t.ok(figures.flops > 16 * 2 * figures.macs, 'FLOPs are those of the batch');
  t.ok(figures.layers.every((layer: { bytes: number }) => layer.bytes > 0));
});

t.test('plan', async (t) => {
  const path = await emptyFolder(t);
  const inference = await tandem('plan', 'caffe-alexnet', '--threads', '1', '--json', path('inference.json'));
  t.equal(inference.code, 0, inference.stderr);
  t.match(inference.stdout, /^caffe-alexnet, inference at batch 1 on wasm/);
  t.match(inference.stdout, /Memory: variables 233 MiB/);
  const plan = await json(path('inference.json'));
  t.match(plan, { graph: 'caffe-alexnet', backend: 'wasm', batch: 1, mode: 'inference' });
  t.ok(plan.steps.every((step: { phase: string }) => step.phase === 'forward'));
  t.ok(plan.bytes.total >= 4 * 60965224);

  const training = await tandem('plan', 'caffe-alexnet', '--mode', 'training', '--batch', '128', '--json', '-');
  const { steps, bytes } = JSON.parse(training.stdout);
  t.same(new Set(steps.map((step: { phase: string }) => step.phase)), new Set(['forward', 'backward', 'update']));
  t.ok(bytes.total < 2 ** 32, 'training at batch 128 fits the address space of WebAssembly', bytes);
});

t.test('info', async (t) => {
  const path = await emptyFolder(t);
  const { code, stdout } = await tandem('info', '--json', path('info.json'));
  t.equal(code, 0);
  t.match(stdout, /^wasm +\d+ +(relaxed|plain) /m);
  const { machine, backends } = await json(path('info.json'));
  t.match(machine, { cores: Number, node: process.version });
  const found = (name: string) => backends.find((backend: { name: string }) => backend.name === name);
  t.match(found('wasm'), { available: true });
  t.match(found('reference'), { available: true, threads: 1 });
  t.ok(found('webgpu').adapter ?? found('webgpu').reason, 'an adapter, or why there is none');
});

t.test('a software adapter', async (t) => {
  const path = await emptyFolder(t);
  const info = await tandem('info', '--adapter', 'software', '--json', path('info.json'));
  t.equal(info.code, 0, info.stderr);
  t.match(info.stderr, /computing on SwiftShader, a software adapter/, 'says so');
  t.match(info.stdout, /^software adapter: SwiftShader/m);
  const { backends } = await json(path('info.json'));
  const { adapter } = backends.find((backend: { name: string }) => backend.name === 'webgpu');
  t.match(adapter, { software: true, features: Array, limits: { maxStorageBufferBindingSize: Number } });

  const verified = await tandem(
    'verify',
    '--quick',
    '--op',
    'relu',
    '--backend',
    'webgpu,wasm-plain',
    '--adapter',
    'software',
    '--json',
    path('verify.json'),
  );
  t.equal(verified.code, 0, verified.stderr);
  const { results } = await json(path('verify.json'));
  const mirrored = results.filter((result: { backend: string }) => result.backend === 'webgpu');
  t.same(
    new Set(mirrored.map((result: { against: string }) => result.against)),
    new Set(['reference', 'wasm plain ×1']),
    'WebAssembly is the mirror, in whatever order they are named',
  );

  const plan = await tandem('plan', 'cifar10-quick', '--backend', 'webgpu', '--adapter', 'software', '--source');
  t.equal(plan.code, 0, plan.stderr);
  t.match(plan.stdout, /^\/\/ maxPool ─+$[\s\S]+^@compute/m);
  const sourceless = await tandem('plan', 'cifar10-quick', '--source');
  t.match(sourceless, { code: 2, stderr: /--source: the kernels of the wasm backend are the same for all networks/ });
});

t.test('verify', async (t) => {
  const path = await emptyFolder(t);
  const { code, stdout, stderr } = await tandem('verify', '--quick', '--op', 'relu', '--json', path('verify.json'));
  t.equal(code, 0, stderr);
  t.match(stdout, /^relu /m);
  t.notMatch(stdout, '\u001b', 'no progress bar where there is no terminal');
  const { summary, results } = await json(path('verify.json'));
  t.match(summary, { cases: Number, failed: 0, skipped: 0 });
  t.equal(summary.passed, summary.cases);
  t.same(
    new Set(results.map((result: { backend: string }) => result.backend)),
    new Set(['wasm relaxed ×1', 'wasm relaxed ×2', 'wasm plain ×1', 'wasm plain ×2']),
  );
  t.match(results[0], {
    op: 'relu',
    case: String,
    against: 'reference',
    algorithm: String,
    quantity: String,
    status: 'passed',
  });
});

t.test('networks are saved, loaded and exported', async (t) => {
  const path = await emptyFolder(t);
  const engine = await openEngine({ backend: 'reference' });
  t.teardown(() => engine.close());
  const model = caffeAlexnet({ width: 1 / 48, inputSize: 67, classes: 10 });
  const net = await engine.network(model, { seed: 3 });
  await saveNetwork(net, path('narrow.safetensors'));
  const loaded = await loadNetwork(engine, path('narrow.safetensors'));
  t.same(loaded.model.options, model.options);
  for (const { name } of net.parameters) t.same(await loaded.read(name), await net.read(name), name);

  const exported = await tandem('export', '--weights', path('narrow.safetensors'), '--onnx', path('narrow.onnx'));
  t.equal(exported.code, 0, exported.stderr);
  t.match(exported.stdout, /narrow\.onnx: caffe-alexnet, images \[N, 3, 67, 67\]/);
  const parameterBytes = 4 * net.parameters.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b), 0);
  const { size } = await stat(path('narrow.onnx'));
  t.ok(size > parameterBytes && size < parameterBytes + 20_000, 'the weights and little else', {
    size,
    parameterBytes,
  });

  const misnamed = await tandem(
    'export',
    '--model',
    'x',
    '--weights',
    path('narrow.safetensors'),
    '--onnx',
    path('x.onnx'),
  );
  t.match(misnamed, { code: 2, stderr: /there is no preset 'x'/ });
});

t.test('a full-size network is exported with initial weights', async (t) => {
  const path = await emptyFolder(t);
  const { code, stderr } = await tandem(
    'export',
    '--model',
    'caffe-alexnet',
    '--seed',
    '4',
    '--onnx',
    path('full.onnx'),
  );
  t.equal(code, 0, stderr);
  const { size } = await stat(path('full.onnx'));
  t.ok(size > 4 * 60965224 && size < 4 * 60965224 + 20_000, 'the weights and little else', { size });
});
