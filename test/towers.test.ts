/**
 * Two ways to write the same network: two towers as groups or as ops of their own between split and concat (document 003's picture), and the
 * first fully connected layer as a convolution over the whole map.
 */
import t, { type Test } from 'tap';
import { type BackendOptions, inferenceGraph, openEngine } from '../src/index.js';
import type { FamilyOptions } from '../src/models/family.js';
import type { Model } from '../src/models/model.js';
import { preset } from '../src/models/presets.js';
import { elements } from '../src/ops/define.js';
import { distance, maxRelative, norm, uniform } from './golden.js';

const batch = 3;
const backends: readonly BackendOptions[] = [{ backend: 'reference' }, { backend: 'wasm', threads: 2 }];

interface Run {
  readonly logits: Float32Array;
  readonly gradients: Readonly<Record<string, Float32Array>>;
  readonly losses: number[];
  readonly parameters: Readonly<Record<string, Float32Array>>;
}

async function run(backend: BackendOptions, model: Model, steps: number): Promise<Run> {
  await using engine = await openEngine(backend);
  const net = await engine.network(model, { seed: 3 });
  const images = uniform(batch * elements(model.inputShape), 100, 128);
  const labels = Int32Array.from({ length: batch }, (_, n) => n);
  const names = net.parameters.map(({ name }) => name);
  const { logits } = await net.forward(images);
  const { gradients } = await net.gradients(images, labels, { of: [...names, 'images'] });
  const losses: number[] = [];
  for (let i = 0; i < steps; i++) losses.push(await (await net.step(images, labels)).loss);
  const parameters: Record<string, Float32Array> = {};
  for (const name of names) parameters[name] = await net.read(name);
  return { logits, gradients, losses, parameters };
}

/** Whether two arrays hold the same numbers; `same` of tap takes long to say so. */
function equal(t: Test, found: Float32Array, wanted: Float32Array, name: string): void {
  t.ok(found.length === wanted.length && wanted.every((value, i) => Object.is(found[i], value)), name);
}

const narrow = { width: 1 / 12, inputSize: 71, classes: 10 };

for (const backend of backends) {
  for (const name of ['alexnet', 'alexnet-2012', 'caffe-alexnet', 'caffenet']) {
    t.test(`${name} on ${backend.backend}: towers written out give what groups give, bit for bit`, async (t) => {
      const form = (towerForm: FamilyOptions['towerForm']) => preset(name, { ...narrow, towerForm });
      const groups = await run(backend, form('groups'), 3);
      const towers = await run(backend, form('split'), 3);
      equal(t, towers.logits, groups.logits, 'logits');
      t.same(towers.losses, groups.losses, 'losses');
      for (const [parameter, gradient] of Object.entries(groups.gradients)) {
        t.ok(norm(gradient) > 0);
        equal(t, towers.gradients[parameter], gradient, `gradient of ${parameter}`);
      }
      for (const [parameter, data] of Object.entries(groups.parameters)) {
        equal(t, towers.parameters[parameter], data, `${parameter} after three steps`);
      }
    });
  }
}

t.test('towers written out look like the picture', async (t) => {
  const graph = inferenceGraph(preset('alexnet', { towerForm: 'split', dropout: 0 }), 1);
  const names = graph.nodes.map(({ name, outputs }) => `${name} ${graph.values[outputs[0]].shape.slice(1).join('×')}`);
  const wanted = [
    'norm1a 48×55×55',
    'norm1b 48×55×55',
    'pool1a 48×27×27',
    'conv2a 128×27×27',
    'conv2b 128×27×27',
    'pool2a 128×13×13',
    'conv3/concat 256×13×13',
    'conv4b 192×13×13',
    'conv5a 128×13×13',
    'pool5b 128×6×6',
    'towers/concat 256×6×6',
  ];
  for (const name of wanted) t.ok(names.includes(name), name);
  t.notOk(graph.nodes.some(({ attributes }) => attributes.groups === 2));
});

for (const backend of backends) {
  for (const name of ['alexnet', 'alexnet-owt', 'cifar10-quick']) {
    t.test(`${name} on ${backend.backend}: the first fully connected layer as a convolution`, async (t) => {
      const options = name === 'cifar10-quick' ? { width: 1 / 4 } : narrow;
      const linear = await run(backend, preset(name, options), 3);
      const convolution = await run(backend, preset(name, { ...options, fc: 'convolution' }), 3);
      // The reference adds the same products in the same order, WASM in two orders.
      const exact = backend.backend === 'reference';
      if (exact) equal(t, convolution.logits, linear.logits, 'logits');
      t.ok(maxRelative(convolution.logits, linear.logits) <= 1e-5, 'logits');
      convolution.losses.forEach((loss, i) => {
        t.ok(Math.abs(loss / linear.losses[i] - 1) <= 1e-5, `loss of step ${i}`);
      });
      for (const [parameter, gradient] of Object.entries(linear.gradients)) {
        const error = distance(convolution.gradients[parameter], gradient) / norm(gradient);
        t.ok(error <= (exact ? 1e-7 : 1e-4), `gradient of ${parameter} is off by ${error}`);
      }
    });
  }
}
