/** Greedy pre-training of convolutions as autoencoders: what it learns, what it leaves alone, and what it refuses. */
import t, { type Test } from 'tap';
import type { BackendName } from '../src/backends/open.js';
import { memoryDataset } from '../src/data/dataset.js';
import { type Engine, openEngine } from '../src/engine/engine.js';
import type { Network } from '../src/engine/network.js';
import type { Model } from '../src/models/model.js';
import { preset, presets } from '../src/models/presets.js';
import { elements } from '../src/ops/define.js';
import { autoencoder, convolutionsOf, forwardGraph } from '../src/train/autoencoder.js';
import { type PretrainingEvent, type PretrainOptions, pretrain } from '../src/train/pretrain.js';

const narrow = preset('cifar10-quick', { width: 0.25, inputSize: 16, init: 'he' });
const side = 16;
const count = 96;

/** Smooth waves of random direction and phase, a little different in each channel: bytes [count, 3, 16, 16]. */
const bytes = Uint8Array.from({ length: count * 3 * side * side }, (_, i) => {
  const [x, y] = [i % side, Math.floor(i / side) % side];
  const [channel, image] = [Math.floor(i / (side * side)) % 3, Math.floor(i / (3 * side * side))];
  const phase = Math.sin(image * 12.9898) * 43758;
  return 128 + 90 * Math.sin(0.5 * (x * Math.cos(phase) + y * Math.sin(phase)) + phase + channel * 0.4);
});
const scale = Math.fround(1 / 64);
const floats = Float32Array.from(bytes, (byte) => Math.fround(byte - 120) * scale);

async function open(t: Test, backend: BackendName = 'wasm') {
  const engine = await openEngine({ backend });
  t.teardown(() => engine.close());
  return engine;
}

async function run(engine: Engine, network: Network, options: PretrainOptions): Promise<PretrainingEvent[]> {
  const events: PretrainingEvent[] = [];
  for await (const event of pretrain(engine, network, options)) events.push(event);
  return events;
}

/** Everything that the network holds, by name. */
async function content(network: Network): Promise<Map<string, Float32Array>> {
  const held = new Map<string, Float32Array>();
  for (const { name } of [...network.parameters, ...network.states]) held.set(name, await network.read(name));
  return held;
}

/** Names of what differs in any bit. */
function changed(t: Test, before: Map<string, Float32Array>, after: Map<string, Float32Array>): string[] {
  t.same([...after.keys()], [...before.keys()], 'the network has the variables it had');
  const same = (a: Float32Array, b: Float32Array) => a.every((value, i) => Object.is(value, b[i]));
  return [...before].filter(([name, data]) => !same(data, after.get(name) as Float32Array)).map(([name]) => name);
}

t.test('every convolution learns to give back its input', async (t) => {
  const engine = await open(t);
  const network = await engine.network(narrow);
  const before = await content(network);
  const options = { data: floats, steps: 150, batch: 32, learningRate: 0.005 };
  const events = await run(engine, network, options);
  const layers = ['conv1', 'conv2', 'conv3'];
  t.same(
    events.map(({ layer, step, steps }) => `${layer} ${step} of ${steps}`),
    layers.flatMap((layer) => Array.from({ length: 150 }, (_, i) => `${layer} ${i + 1} of 150`)),
  );
  // A layer's input once those before it were trained: pixels, pool1 behind its ReLU, pool2.
  const { layers: activations } = await network.forward(floats, { layers: ['relu1', 'pool2'] });
  const inputs = [floats, activations.relu1, activations.pool2];
  for (const [i, layer] of layers.entries()) {
    const losses = events.filter((event) => event.layer === layer).map(({ loss }) => loss);
    const last = losses.slice(-10).reduce((sum, loss) => sum + loss) / 10;
    const input = inputs[i];
    const mean = input.reduce((sum, value) => sum + value, 0) / input.length;
    const zeros = input.reduce((sum, value) => sum + value ** 2, 0) / input.length;
    t.ok(last < 0.25 * (zeros - mean ** 2), `${layer}: far better than its mean`, { last, zeros, mean });
    t.ok(last < 0.5 * losses[0], `${layer}: far better than at first`, { last, first: losses[0] });
  }
  t.same(
    changed(t, before, await content(network)),
    layers.flatMap((layer) => [`${layer}.weight`, `${layer}.bias`]),
  );
});

t.test('outputs keep their size', async (t) => {
  const engine = await open(t);
  const images = floats.subarray(0, 16 * 768);
  for (const init of ['preset', 'he'] as const) {
    const network = await engine.network(preset('cifar10-quick', { width: 0.25, inputSize: 16, init }));
    const size = async () => {
      const { layers } = await network.forward(images, { layers: ['conv1'] });
      return Math.hypot(...layers.conv1.map((value) => Math.max(value, 0)));
    };
    const before = await size();
    // All images are in the first batch, so that their order does not matter.
    await run(engine, network, { data: images, steps: 20, batch: 16, layers: ['conv1'] });
    t.ok(Math.abs((await size()) / before - 1) < 1e-4, `${init}: conv1`, { before, after: await size() });
  }
  const dead = await engine.network(narrow);
  await dead.write('conv1.weight', new Float32Array(8 * 75));
  await run(engine, dead, { data: floats, steps: 3, batch: 16, layers: ['conv1'] });
  t.ok((await dead.read('conv1.weight')).every(Number.isFinite), 'a layer whose output is 0 has no size to keep');
});

t.test('a layer that is not named stays as it is, and so do all others', async (t) => {
  const engine = await open(t);
  const network = await engine.network(narrow);
  await network.step(floats.subarray(0, 8 * 768), new Int32Array(8));
  const before = await content(network);
  await run(engine, network, { data: floats, steps: 3, batch: 16, layers: ['conv2'] });
  t.same(changed(t, before, await content(network)), ['conv2.weight', 'conv2.bias']);
  t.equal(network.stepCounter, 1);
  await network.step(floats.subarray(0, 8 * 768), new Int32Array(8));
  t.pass('and it can be trained on');
});

t.test('the same seed gives the same bits, from floats or from bytes', async (t) => {
  const engine = await open(t);
  const dataset = memoryDataset('waves', [3, side, side], ['wave'], new Int32Array(count), bytes);
  const attributes = { mean: 120, scale };
  const input = { shape: dataset.shape, training: attributes, inference: attributes };
  const meanImage = new Float32Array(3 * side * side).fill(120);
  const withMeanImage = { ...input, inference: { meanImage: 'centre', scale }, meanImage } as const;
  const learned = async (options: Partial<PretrainOptions>, from: Parameters<Engine['network']>[1] = {}) => {
    const network: Network<Model> = await engine.network(narrow, { input, ...from });
    const events = await run(engine, network, { data: floats, steps: 5, batch: 32, noise: 0.3, seed: 7, ...options });
    const result = [events.map(({ loss }) => loss), ...(await content(network)).values()];
    await network.close();
    return result;
  };
  const first = await learned({});
  t.same(await learned({}), first, 'again');
  t.same(await learned({ data: dataset }), first, 'stored images');
  t.same(await learned({ data: dataset }, { input: withMeanImage }), first, 'stored images less their mean image');
  t.notSame((await learned({ seed: 8 }))[0], first[0], 'another seed has another order');
  t.notSame((await learned({ noise: 0 }))[0], first[0], 'noise hides something');
});

t.test('the convolutions of every preset have autoencoders', async (t) => {
  for (const name of presets.keys()) {
    const model = preset(name);
    const forward = forwardGraph(model, 2, undefined);
    const convolutions = convolutionsOf(forward);
    t.ok(convolutions.length >= 2, `${name}: ${convolutions.map((node) => node.name).join(' ')}`);
    for (const node of convolutions) {
      const { graph, trained } = autoencoder(forward, node, { optimizer: {}, noise: 0 });
      const [weight, bias] = trained;
      t.same([weight, bias], [`${node.name}.weight`, `${node.name}.bias`]);
      const decoder = graph.nodes.find(({ op }) => op.name === 'convTranspose2d');
      const decoded = graph.values[decoder?.outputs[0] ?? -1].shape;
      t.same(decoded, forward.values[node.inputs[0]].shape, `${name} ${node.name}: the input's size`);
      t.equal(decoder?.attributes.groups, node.attributes.groups);
      const step = graph.nodes.filter(({ layer }) => layer === node.name);
      const activations = step.filter(({ op, attributes }) => op.name === 'relu' || attributes.activation === 'relu');
      t.equal(activations.length, 1, `${name} ${node.name}: with its ReLU, before or behind the pooling`);
    }
    const declared = autoencoder(forward, convolutions[0], { optimizer: {}, noise: 0 }).graph.values;
    const parameters = declared.filter(({ variable }) => variable?.role === 'parameter');
    const [weight] = convolutions[0].inputs.slice(1).map((id) => forward.values[id].shape);
    const [filters, ...rest] = weight;
    const channels = forward.values[convolutions[0].inputs[0]].shape[1];
    const expected = filters * elements(rest) + filters + channels;
    t.equal(
      parameters.reduce((sum, { shape }) => sum + elements(shape), 0),
      expected,
      `${name}: no memory for later layers`,
    );
  }
});

t.test('strides, groups and uneven padding: WASM as the reference', async (t) => {
  const [reference, wasm] = [await open(t, 'reference'), await open(t, 'wasm')];
  for (const [name, inputSize] of [
    ['alexnet-2012', 60],
    ['caffenet', 55],
    ['alexnet-owt', 63],
  ] as const) {
    const model = preset(name, { width: 1 / 32, inputSize, classes: 4, init: 'he' });
    const images = Float32Array.from({ length: 2 * elements(model.inputShape) }, (_, i) => Math.sin(1 + i * i * 0.37));
    const options = {
      data: images,
      steps: 2,
      batch: 2,
      optimizer: { kind: 'sgd', momentum: 0.9 },
      learningRate: 0.01,
    } as const;
    const results = [];
    for (const engine of [reference, wasm]) {
      const network = await engine.network(model);
      const losses = (await run(engine, network, options)).map(({ loss }) => loss);
      results.push({ losses, weights: await content(network) });
    }
    const [wanted, found] = results;
    for (const [i, loss] of wanted.losses.entries()) {
      t.ok(Math.abs(found.losses[i] - loss) <= 1e-5 * loss, `${name}: loss ${i}`, { loss, found: found.losses[i] });
    }
    for (const [parameter, data] of wanted.weights) {
      const other = found.weights.get(parameter) as Float32Array;
      const norm = Math.hypot(...data);
      const error = Math.hypot(...data.map((value, i) => value - other[i]));
      t.ok(error <= 1e-5 * norm, `${name} ${parameter}`, { error, norm });
    }
  }
});

t.test('what cannot be is refused before any work', async (t) => {
  const engine = await open(t);
  const network = await engine.network(narrow);
  const first = (options: Partial<PretrainOptions>, of: Network = network) =>
    pretrain(engine, of, { data: floats, steps: 2, batch: 8, ...options }).next();
  const dataset = memoryDataset('waves', [3, side, side], ['wave'], new Int32Array(count), bytes);
  const split = await engine.network(
    preset('alexnet', { width: 1 / 48, inputSize: 55, towerForm: 'split', classes: 4 }),
  );
  const two = new Float32Array(2 * elements(split.model.inputShape));
  const attributes = { size: [16, 16], scale };
  const other = await engine.network(narrow, {
    input: { shape: [3, 20, 20], training: attributes, inference: attributes },
  });
  for (const [refused, name, message] of [
    [first({ layers: ['ip1'] }), 'ArgumentError', /no convolution 'ip1'; there are conv1, conv2, conv3/],
    [first({ steps: 0 }), 'ArgumentError', /steps must be an integer from 1/],
    [first({ noise: 1 }), 'ArgumentError', /noise must be from 0 to below 1, got 1/],
    [first({ learningRate: -1 }), 'ArgumentError', /learningRate/],
    [first({ optimizer: { kind: 'adam', beta1: 2 } }), 'GraphError', /beta1/],
    [first({ batch: 97 }), 'InputError', /96 images, expected at least the 97 of one batch/],
    [first({ data: dataset }), 'ArgumentError', /does not say how it reads bytes/],
    [first({ data: dataset }, other), 'InputError', /waves: its images are \[3, 16, 16\].*reads \[3, 20, 20\]/],
    [first({ data: floats.subarray(1) }), 'InputError', /a multiple of 768/],
    [first({ data: two, batch: 2 }, split), 'ArgumentError', /'conv2a'.*towerForm 'groups'/],
  ] as const) {
    await t.rejects(refused, { name, message });
  }
});

t.test('whoever stops keeps the layers that were finished', async (t) => {
  const engine = await open(t);
  const network = await engine.network(narrow);
  const before = await content(network);
  const controller = new AbortController();
  const events = pretrain(engine, network, { data: floats, steps: 3, batch: 8, signal: controller.signal });
  for (let i = 0; i < 4; i++) await events.next();
  controller.abort();
  await t.rejects(events.next(), { name: 'AbortError' });
  t.same(changed(t, before, await content(network)), ['conv1.weight', 'conv1.bias'], 'conv2 is as it was');

  const other = await engine.network(narrow);
  const diverging = run(engine, other, { data: floats, batch: 8, optimizer: { kind: 'sgd' }, learningRate: 1e20 });
  await t.rejects(diverging, { name: 'DivergenceError', layer: 'conv1', message: /'conv1' has diverged: loss/ });
  t.same(changed(t, before, await content(other)), [], 'nothing bad is kept');
});
