/**
 * The full-size net of the paper on as many photographs as it is given, a class for each: whether all of its 61 million parameters learn
 * can be told in minutes when there is little to learn. Without dropout and without crops, from He's initialisation and from the paper's.
 */
import { join } from 'node:path';
import { loadImages } from '../../src/data/preprocess.js';
import { ArgumentError } from '../../src/errors.js';
import type { FamilyOptions } from '../../src/models/family.js';
import { preset } from '../../src/models/presets.js';
import { type Curve, type Figure, type Point, rounded } from './record.js';
import { filesIn, type Run, type RunOptions, script } from './script.js';

interface Options extends RunOptions {
  readonly width: number;
}

interface Setting {
  readonly label: string;
  readonly init: NonNullable<FamilyOptions['init']>;
  readonly steps: number;
  readonly learningRate: number;
  /** On pixel values less their means. */
  readonly scale: number;
}

const settings: readonly Setting[] = [
  // Weights that keep the variance of their inputs want inputs of variance 1: pixels of photographs have a deviation of about 58.
  { label: 'He', init: 'he', steps: 300, learningRate: 0.003, scale: 1 / 58 },
  { label: "the paper's", init: 'preset', steps: 100, learningRate: 0.01, scale: 1 },
];

async function work(run: Run<Options>) {
  const { data, width } = run.options;
  const files = (await filesIn(data)).filter((name) => /\.(jpe?g|png|webp)$/i.test(name));
  if (files.length === 0) throw new ArgumentError(`--data: there are no photographs in '${data}'`);
  const figures: Figure[] = [];
  const curves: Curve[] = [];
  for (const setting of settings) {
    const { label } = setting;
    const { losses, right, learned, seconds } = await learn(run, files, setting, width);
    figures.push(
      { name: `steps until all are right, ${label}`, value: learned ?? null, unit: '' },
      { name: `photographs right in the end, ${label}`, value: right, unit: `of ${files.length}` },
      { name: `seconds, ${label}`, value: Math.round(seconds), unit: 's' },
    );
    curves.push({ name: `${label} initialisation`, x: 'steps', y: 'training loss', points: losses });
  }
  const rates = settings.map(
    ({ label, learningRate, scale }) => `${label}: rate ${learningRate}, pixels × ${rounded(scale)}`,
  );
  return { name: 'alexnet-photographs', goal: 'all 32 learned in 300 steps', figures, curves, note: rates.join('; ') };
}

/** Trains on all photographs at once until each has the largest logit in its place, as long as it may. */
async function learn(run: Run, files: readonly string[], { label, init, scale, ...setting }: Setting, width: number) {
  const model = preset('alexnet', { classes: files.length, dropout: 0, init, width });
  const preprocessing = { ...model.preprocessing, scale };
  const images = await loadImages(
    files.map((file) => join(run.options.data, file)),
    preprocessing,
  );
  const labels = Int32Array.from(files.keys());
  const network = await run.engine.network(model, { seed: run.seed, learningRate: setting.learningRate });
  const losses: Point[] = [];
  const steps = run.steps(setting.steps, 10);
  const start = performance.now();
  let learned: number | undefined;
  let right = 0;
  for (let step = 1; step <= steps && learned === undefined; step++) {
    const taken = await network.step(images, labels, { signal: run.signal });
    const loss = await taken.loss;
    right = Math.round((await taken.top1) * files.length);
    losses.push([step, rounded(loss)]);
    if (step % 10 === 0) run.say(`${label}: step ${step} of ${steps}, loss ${loss.toPrecision(4)}, ${right} right`);
    if (!Number.isFinite(loss)) break;
    // Figures of a step are those of before its update.
    if (right === files.length) learned = step - 1;
  }
  await network.close();
  return { losses, right, learned, seconds: (performance.now() - start) / 1000 };
}

await script("the paper's full-size net on a folder of photographs, each a class of its own", work, (command) =>
  command.option('--width <factor>', 'on its filters and units, for a trial', Number, 1),
);
