/** Document 004's network on MNIST, as the document has it or with He's initialisation. */
import { subset } from '../../src/data/dataset.js';
import { preset } from '../../src/models/presets.js';
import { type Run, type RunOptions, script } from './script.js';
import { dataFor, networkFor, testFigures, train } from './training.js';

interface Options extends RunOptions {
  readonly he: boolean;
}

/** TensorFlow's reader of MNIST keeps the first 5,000 training images for validation, and the document judges by 256 test images. */
const heldBack = 5000;
const judged = 256;

const range = (from: number, to: number) => Int32Array.from({ length: to - from }, (_, i) => from + i);

async function work(run: Run<Options>) {
  const { he } = run.options;
  const model = preset('mnist-tf', { init: he ? 'he' : 'preset' });
  const data = await dataFor(run, model);
  const images = subset(data.train, range(heldBack, data.train.labels.length));
  const network = await networkFor(run, model, images);
  const history = await train(run, model.name, network, { train: images, steps: run.steps(3124, 300) });
  return {
    name: he ? 'mnist-tf-he' : 'mnist-tf',
    goal: he
      ? '≥ 99.0 % on 10,000 test images, median of three seeds'
      : 'trains without NaN from a loss of about 10⁵ (no figure was published)',
    figures: [
      ...(await testFigures(run, network, data.test)),
      (await testFigures(run, network, subset(data.test, range(0, judged))))[0],
      { name: 'first training loss', value: history.first ?? null, unit: '' },
    ],
    curves: history.curves('steps', ['loss']),
  };
}

await script("document 004's network on MNIST: Adam, 3,124 steps of 64 images of 55,000", work, (command) =>
  command.option('--he', 'weights N(0, 2/fan_in) and biases 0; N(0, 1) both by default, as the document has it', false),
);
