/** Caffe's quick net with its convolutions pre-trained as autoencoders, against the same from scratch, for 1,000 iterations each. */
import { preset } from '../../src/models/presets.js';
import { pretrain } from '../../src/train/pretrain.js';
import { type Curve, type Figure, Means } from './record.js';
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
      const first = new Map<string, number>();
      const shares = new Map<string, Means>();
      const options = { data: data.train, steps, batch, seed: run.seed, signal: run.signal };
      for await (const { layer, step, loss } of pretrain(run.engine, network, options)) {
        if (step === 1) {
          first.set(layer, loss);
          shares.set(layer, new Means(steps));
        }
        shares.get(layer)?.add(step, (100 * loss) / (first.get(layer) ?? loss));
        if (step === 1 || step === steps) run.say(`${layer}: step ${step}, reconstruction loss ${loss.toPrecision(4)}`);
      }
      for (const [name, { points }] of shares) {
        curves.push({ name, x: 'steps', y: 'reconstruction loss, % of the first', points });
        figures.push({
          name: `reconstruction loss of ${name}, of the first`,
          value: points.at(-1)?.[1] ?? null,
          unit: '%',
        });
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
