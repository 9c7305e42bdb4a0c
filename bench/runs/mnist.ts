/** Document 004's network on MNIST, as the document has it or with He's initialisation; `scripts/mnist_he.py` trains the latter in PyTorch. */
import { type Dataset, subset } from '../../src/data/dataset.js';
import type { Network } from '../../src/engine/network.js';
import type { Model } from '../../src/models/model.js';
import { preset } from '../../src/models/presets.js';
import { evaluate } from '../../src/train/evaluate.js';
import { type Run, type RunOptions, script } from './script.js';
import { dataFor, networkFor, testFigures, train } from './training.js';

interface Options extends RunOptions {
  readonly he: boolean;
}

/** TensorFlow's reader of MNIST keeps the first 5,000 training images for validation, and the document judges by 256 test images. */
const heldBack = 5000;
const judged = 256;

/** In the second half of a training the held back images judge it every so many steps. */
const judgedEvery = 100;

const range = (from: number, to: number) => Int32Array.from({ length: to - from }, (_, i) => from + i);

async function work(run: Run<Options>) {
  const { he } = run.options;
  const model = preset('mnist-tf', { init: he ? 'he' : 'preset' });
  const data = await dataFor(run, model);
  const images = subset(data.train, range(heldBack, data.train.labels.length));
  const network = await networkFor(run, model, images);
  const steps = run.steps(3124, 300);
  const best = new Best(run, network, subset(data.train, range(0, heldBack)));
  const isJudged = (step: number) => 2 * step >= steps && (step % judgedEvery === 0 || step === steps);
  const onStep = async (step: number) => {
    if (isJudged(step)) await best.judge(step);
  };
  const history = await train(run, model.name, network, { train: images, steps }, { onStep });
  const last = await testFigures(run, network, data.test);
  const firstFew = (await testFigures(run, network, subset(data.test, range(0, judged))))[0];
  await best.restore();
  const [chosen] = await testFigures(run, network, data.test, '10,000 test images, best step');
  return {
    name: he ? 'mnist-tf-he' : 'mnist-tf',
    goal: he
      ? '≥ 99.0 % on 10,000 test images, median of three seeds'
      : 'trains without NaN from a loss of about 10⁵ (no figure was published)',
    figures: [
      ...last,
      firstFew,
      chosen,
      { name: 'best step', value: best.step, unit: '' },
      { name: 'first training loss', value: history.first ?? null, unit: '' },
    ],
    curves: history.curves('steps', ['loss']),
    note: `the best step is that with the most right among the ${heldBack} training images held back, judged every ${judgedEvery} steps of the second half`,
  };
}

/** The parameters with which most of some held back images were right. */
class Best {
  step = 0;
  private right = -1;
  private readonly parameters = new Map<string, Float32Array>();

  constructor(
    private readonly run: Run,
    private readonly network: Network<Model>,
    private readonly images: Dataset,
  ) {}

  async judge(step: number): Promise<void> {
    const { top1 } = await evaluate(this.network, this.images, { signal: this.run.signal });
    this.run.say(`step ${step}: ${(100 * top1).toFixed(2)} % of the held back images right`);
    if (top1 <= this.right) return;
    this.right = top1;
    this.step = step;
    for (const { name } of this.network.parameters) {
      this.parameters.set(name, await this.network.read(name, this.parameters.get(name)));
    }
  }

  async restore(): Promise<void> {
    for (const [name, values] of this.parameters) await this.network.write(name, values);
  }
}

await script("document 004's network on MNIST: Adam, 3,124 steps of 64 images of 55,000", work, (command) =>
  command.option('--he', 'weights N(0, 2/fan_in) and biases 0; N(0, 1) both by default, as the document has it', false),
);
