/** Caffe's quick net with its convolutions pre-trained as autoencoders, against the same from scratch, for 1,000 iterations each. */
import { preset } from '../../src/models/presets.js';
import { pretrain } from '../../src/train/pretrain.js';
import { type Curve, type Figure, Means, rounded } from './record.js';
import { type Run, script } from './script.js';
import { dataFor, networkFor, testFigures, train } from './training.js';

const batch = 100;

async function work(run: Run) {
  const model = preset('cifar10-quick');
  const data = await dataFor(run, model);
  const figures: Figure[] = [];
  const curves: Curve[] = [];
  for (const pretrained of [true, false]) {
    const label = pretrained ? 'pre-trained' : 'from scratch';
    const network = await networkFor(run, model, data.train);
    if (pretrained) {
      const steps = run.steps(1000, 100);
      const losses = new Map<string, Means>();
      const options = { data: data.train, steps, batch, seed: run.seed, signal: run.signal };
      for await (const { layer, step, loss } of pretrain(run.engine, network, options)) {
        const means = losses.get(layer) ?? new Means(steps);
        losses.set(layer, means);
        means.add(step, loss);
        if (step === 1 || step === steps) {
          run.say(`${layer}: step ${step}, reconstruction loss ${loss.toPrecision(4)}`);
          figures.push({ name: `${layer}, loss at step ${step}`, value: rounded(loss), unit: '' });
        }
      }
      for (const [name, { points }] of losses) {
        curves.push({ name, x: 'steps', y: 'reconstruction loss', points });
      }
    }
    const steps = run.steps(1000, 100);
    const history = await train(run, label, network, { train: data.train, steps });
    figures.push(...(await testFigures(run, network, data.test, `the test images, ${label}`)));
    curves.push(...history.curves('steps', ['loss', 'error']));
    await network.close();
  }
  return { name: 'cifar10-quick-pretraining', goal: 'both curves', figures, curves };
}

await script('cifar10-quick, pre-trained layer by layer as autoencoders or not, for 1,000 iterations of 100', work);
