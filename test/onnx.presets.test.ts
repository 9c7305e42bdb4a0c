/** Every preset, narrowed, and a network that has learned something: onnxruntime gives the logits and the answers that we give. */
import t from 'tap';
import { agreementBound } from '../bench/agreement.js';
import { compareAccuracy } from '../bench/exchange/accuracy.js';
import { compareLogits } from '../bench/exchange/logits.js';
import { openEngine } from '../src/index.js';
import type { FamilyOptions } from '../src/models/family.js';
import { preset, presets } from '../src/models/presets.js';
import { elements } from '../src/ops/define.js';
import { Trainer } from '../src/train/trainer.js';
import { uniform } from './golden.js';
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

for (const [name, options] of networks) {
  t.test(`${name} ${JSON.stringify(options)}`, async (t) => {
    const model = preset(name, { ...narrowed(name), ...options });
    const images = uniform(3 * elements(model.inputShape), 7, 128);
    const [{ difference }] = await compareLogits(model, images, [engine], 3);
    t.ok(difference <= agreementBound, `${difference}`);
    t.ok(difference > 0, 'computed by another program');
  });
}

t.test('a network that was trained here gives as many right answers there', async (t) => {
  const network = await smallNetwork(engine);
  // Half learned: some of its answers are narrow ones.
  for await (const _ of new Trainer(network, { train: cornerImages(64, 4), steps: 24 }).fit());
  const { images, rightHere, rightThere } = await compareAccuracy(engine, network, cornerImages(230, 9));
  t.equal(images, 230, 'the last batch is smaller than the others');
  t.ok(rightHere > 115 && rightHere < 230, `${rightHere} right here`);
  t.equal(rightThere, rightHere);
});
