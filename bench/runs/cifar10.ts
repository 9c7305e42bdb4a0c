/** A CIFAR-10 preset on its own schedule. */
import { saveNetwork } from '../../src/formats/network.js';
import { preset } from '../../src/models/presets.js';
import type { Figure } from './record.js';
import { type Run, type RunOptions, script } from './script.js';
import { dataFor, networkFor, stepsPerEpoch, testFigures, train } from './training.js';

interface Options extends RunOptions {
  readonly model: string;
  readonly minutes?: number;
  readonly save?: string;
}

const goals: Readonly<Record<string, string>> = {
  'cifar10-quick': 'published 75.3 % of the test images right; ≥ 73.5 % on the JPEG copy, median of three seeds',
  'cifar10-80sec': 'published 26 % error; ≤ 28 %',
  'cifar10-13pct': 'published 13 % error',
  'cifar10-11pct': 'published 11 % error',
};

async function work(run: Run<Options>) {
  const { model: name, minutes, save } = run.options;
  const model = preset(name);
  const data = await dataFor(run, model);
  const network = await networkFor(run, model, data.train);
  const { batch, iterations } = model.recipe;
  const perEpoch = stepsPerEpoch(data.train, batch);
  const steps = run.steps(iterations, 500);
  const history = await train(
    run,
    name,
    network,
    { train: data.train, validation: data.test, steps },
    { perUnit: perEpoch, ...(minutes ? { until: performance.now() + 60_000 * minutes } : {}) },
  );
  if (save) await saveNetwork(network, save);
  const [accuracy, loss] = await testFigures(run, network, data.test);
  const epochs: Figure = { name: 'epochs', value: Math.round((100 * history.done) / perEpoch) / 100, unit: '' };
  return {
    name,
    goal: goals[name] ?? '',
    figures: [accuracy, loss, epochs],
    curves: history.curves('epochs', ['error', 'validation']).map((curve) => ({ ...curve, name: `seed ${run.seed}` })),
  };
}

await script('a CIFAR-10 network on its own schedule', work, (command) =>
  command
    .option('--model <name>', 'a preset', 'cifar10-quick')
    .option('--minutes <number>', 'stops the training after so long', Number)
    .option('--save <file>', 'writes the trained network to a file'),
);
