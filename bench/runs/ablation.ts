/** The 18 % net for eight epochs: as it is, without normalisation, and with pooling windows that do not overlap. */
import type { FamilyOptions } from '../../src/models/family.js';
import { preset } from '../../src/models/presets.js';
import { type Curve, type Figure, rounded } from './record.js';
import { type Run, script } from './script.js';
import { dataFor, networkFor, stepsPerEpoch, testFigures, train } from './training.js';

const variants: readonly (readonly [string, FamilyOptions])[] = [
  ['as it is', {}],
  ['without norm', { lrn: false }],
  ['2×2 pooling', { poolKernel: 2 }],
];

async function work(run: Run) {
  const data = await dataFor(run, preset('cifar10-18pct'));
  const figures: Figure[] = [];
  const curves: Curve[] = [];
  for (const [label, options] of variants) {
    const model = preset('cifar10-18pct', options);
    const network = await networkFor(run, model, data.train);
    const perEpoch = stepsPerEpoch(data.train, model.recipe.batch);
    const steps = run.steps(8 * perEpoch, perEpoch / 2);
    const history = await train(
      run,
      label,
      network,
      { train: data.train, validation: data.test, steps },
      { perUnit: perEpoch },
    );
    figures.push((await testFigures(run, network, data.test, `the test images, ${label}`))[0]);
    curves.push(...history.curves('epochs', ['validation']));
    await network.close();
  }
  const [whole] = figures;
  for (const [i, [label]] of variants.entries()) {
    const { value } = figures[i];
    if (i === 0 || value === null || whole.value === null) continue;
    figures.push({ name: `difference, ${label}`, value: rounded(value - whole.value), unit: 'points' });
  }
  return { name: 'cifar10-18pct-ablation', goal: 'the differences with their spread, three seeds', figures, curves };
}

await script('the 18 % net for 8 epochs: as it is, without normalisation, with 2×2 pooling in steps of 2', work);
