/** Every preset, narrowed, and a network that has learned something: onnxruntime gives the logits and the answers that we give. */
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import sharp from 'sharp';
import t from 'tap';
import { agreementBound } from '../bench/agreement.js';
import { compareAccuracy } from '../bench/exchange/accuracy.js';
import { compareLogits, type LogitDifference, randomWeights } from '../bench/exchange/logits.js';
import { inferenceGraph } from '../src/engine/graphs.js';
import { loadNetwork, openWeights } from '../src/formats/network.js';
import { writeOnnx } from '../src/formats/onnx.js';
import { openEngine, openOnnxProgram } from '../src/index.js';
import type { FamilyOptions } from '../src/models/family.js';
import { weightsMetadata } from '../src/models/metadata.js';
import type { Model } from '../src/models/model.js';
import { preset, presets } from '../src/models/presets.js';
import { elements } from '../src/ops/define.js';
import { Trainer } from '../src/train/trainer.js';
import { maxRelative, uniform } from './golden.js';
import { emptyFolder, tandem } from './support/cli.js';
import { runOnnx } from './support/onnx.js';
import { cornerImages, smallNetwork } from './support/training.js';

const engine = await openEngine({ backend: 'wasm', threads: 1 });
t.teardown(() => engine.close());

function narrowed(name: string): FamilyOptions {
  if (name === 'mnist-tf' || name.startsWith('cifar10')) return { width: 1 / 8 };
  return { width: 1 / 24, inputSize: 75, classes: 10 };
}

const networks: [string, FamilyOptions][] = [
  ...[...presets.keys()].map((name): [string, FamilyOptions] => [name, {}]),
  ['alexnet', { towerForm: 'split', lrn: 'source' }],
  ['alexnet-2012', { towerForm: 'split', fc: 'convolution' }],
  ['alexnet-owt', { inputSize: 127, lrn: 'paper', order: 'pool-norm', towers: 2 }],
  ['cifar10-13pct', { activation: 'tanh', lrn: true }],
  ['cifar10-18pct', { activation: 'sigmoid', poolKernel: 2 }],
];

/** The random weights of a model by name. */
async function arraysOf(model: Model): Promise<ReadonlyMap<string, Float32Array>> {
  const weights = randomWeights(model, 3);
  const variables = inferenceGraph(model, 1).values.filter(({ kind }) => kind === 'variable');
  return new Map(await Promise.all(variables.map(async ({ name }) => [name, await weights(name)] as const)));
}

for (const [name, options] of networks) {
  t.test(`${name} ${JSON.stringify(options)}`, async (t) => {
    const model = preset(name, { ...narrowed(name), ...options });
    const images = uniform(3 * elements(model.inputShape), 7, 128);
    const [{ difference }] = await compareLogits(model, images, [engine], 3);
    t.ok(difference <= agreementBound, `${difference}`);
    t.ok(difference > 0, 'computed by another program');
  });
}

t.test('weights come back from ONNX, every bit of them, with the model that they are of', async (t) => {
  const path = (await emptyFolder(t))('network.onnx');
  for (const [name, options] of networks) {
    const model = preset(name, { ...narrowed(name), ...options });
    const weights = randomWeights(model, 3);
    const graph = inferenceGraph(model, 1);
    await writeOnnx(path, graph, weights, { anyBatch: true, metadata: weightsMetadata(model) });
    const back = await openWeights(path);
    t.same([back.model.name, back.model.options], [name, model.options]);
    const variables = graph.values.filter(({ kind }) => kind === 'variable');
    t.same([...back.file.tensors.keys()].sort(), variables.map((variable) => variable.name).sort(), name);
    for (const variable of variables) {
      const [found, written] = [await back.file.read(variable.name), weights(variable.name)];
      t.ok(Buffer.from(found.buffer).equals(Buffer.from(written.buffer)), `${name}: ${variable.name}`);
    }
    await back.file.close();
  }
});

t.test('a file of ours runs as the graph that it was written of, and one that was changed does not', async (t) => {
  const path = (await emptyFolder(t))('network.onnx');
  for (const name of ['alexnet', 'alexnet-2012', 'cifar10-13pct']) {
    const model = preset(name, narrowed(name));
    const graph = inferenceGraph(model, 2);
    const options = { anyBatch: true, metadata: weightsMetadata(model) };
    await writeOnnx(path, inferenceGraph(model, 1), randomWeights(model, 3), options);
    const onnx = await openOnnxProgram(path);
    t.same([...onnx.inputs], [['images', `[N, ${model.inputShape.join(', ')}]`]]);
    const shape = [2, ...model.inputShape];
    t.throws(() => onnx.graph(new Map([['images', [2, 3, 1, 1]]])), {
      name: 'ArgumentError',
      message: /must be \[N, 3/,
    });
    const { graph: own, weights } = onnx.graph(new Map([['images', shape]]));
    t.same(own.nodes.length, graph.nodes.length, 'no composition is left');
    const program = await engine.compile(own, { weights });
    const images = uniform(elements(shape), 7, 128);
    const { outputs } = await program.run({ images });
    const network = await engine.network(model, { weights: await arraysOf(model) });
    t.same(outputs.logits, (await network.forward(images)).logits, name);
    await Promise.all([program.close(), network.close(), onnx.close()]);

    const bytes = await readFile(path);
    const at = bytes.indexOf('kernel_shape');
    bytes.write('kernel_shapo', at);
    await writeFile(path, bytes);
    const changed = await openOnnxProgram(path);
    const message = /network\.onnx.*(Mul|Pow|Pad|kernel_shapo)/;
    t.throws(() => changed.graph(new Map([['images', shape]])), { name: 'FileError', message }, 'as its nodes say');
    await changed.close();
  }
});

t.test('tandem export: a trained network that onnxruntime runs', async (t) => {
  const path = (await emptyFolder(t))('quick.onnx');
  const weights = 'models/cifar10-quick.safetensors';
  const { code, stdout, stderr } = await tandem('export', '--weights', weights, '--onnx', path);
  t.equal(code, 0, stderr);
  t.match(stdout, /quick\.onnx: cifar10-quick, images \[N, 3, 32, 32\] → logits, probabilities \[N, 10\]/);
  const network = await loadNetwork(engine, weights);
  const images = uniform(5 * elements(network.model.inputShape), 7, 128);
  const { logits, probabilities } = await network.forward(images);
  const { results } = await runOnnx(await readFile(path), { images: { data: images, shape: [5, 3, 32, 32] } });
  t.ok(maxRelative(results.logits.data as Float32Array, logits) <= agreementBound);
  t.ok(maxRelative(results.probabilities.data as Float32Array, probabilities) <= agreementBound);
});

t.test('the script that compares whole networks on a photograph', async (t) => {
  const script = fileURLToPath(new URL('../bench/exchange/run.js', import.meta.url));
  const run = (...args: string[]) => promisify(execFile)(process.execPath, [script, ...args]);
  const photo = (await emptyFolder(t))('photo.png');
  const pixels = uniform(40 * 30 * 3, 1, 128).map((value) => value + 128);
  await sharp(Uint8Array.from(pixels), { raw: { width: 40, height: 30, channels: 3 } }).toFile(photo);
  const { stdout } = await run(photo, '--model', 'mnist-tf,cifar10-11pct', '--backend', 'wasm', '--json', '-');
  const { results } = JSON.parse(stdout) as { results: LogitDifference[] };
  t.match(results, [
    { model: 'mnist-tf', backend: 'wasm' },
    { model: 'cifar10-11pct', backend: 'wasm' },
  ]);
  t.ok(
    results.every(({ difference }) => difference > 0 && difference <= agreementBound),
    stdout,
  );
  const halfSaid = run(photo, '--weights', 'x', '--backend', 'wasm');
  await t.rejects(halfSaid, { code: 2, stderr: /expected a photograph, or --weights FILE and --data FOLDER\n$/ });
});

t.test('a network that was trained here gives as many right answers there', async (t) => {
  const network = await smallNetwork(engine);
  // Half learned: some of its answers are narrow ones.
  for await (const _ of new Trainer(network, { train: cornerImages(64, 4), steps: 24 }).fit());
  const { images, rightHere, rightThere } = await compareAccuracy(engine, network, cornerImages(230, 9));
  t.equal(images, 230, 'the last batch is smaller than the others');
  t.ok(rightHere > 115 && rightHere < 230, `${rightHere} right here`);
  t.equal(rightThere, rightHere);
});
