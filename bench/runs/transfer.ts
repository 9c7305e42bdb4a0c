/** Caffe's quick net learns five classes of CIFAR-10; its convolutions, frozen, then serve for the other five. */
import { type Dataset, subset } from '../../src/data/dataset.js';
import type { NetworkOptions } from '../../src/engine/types.js';
import { preset } from '../../src/models/presets.js';
import type { Curve, Figure } from './record.js';
import { type Run, script } from './script.js';
import { dataFor, networkFor, stepsPerEpoch, testFigures, train } from './training.js';

const firstFive = [0, 1, 2, 3, 4];
const otherFive = [5, 6, 7, 8, 9];
const epochs = 8;
const convolutions = ['conv1', 'conv2', 'conv3'];

/** The images of some classes, whose labels become their places in `wanted`. */
function ofClasses(dataset: Dataset, wanted: readonly number[]): Dataset {
  const indices = [...dataset.labels.keys()].filter((index) => wanted.includes(dataset.labels[index]));
  const part = subset(dataset, indices);
  return {
    ...part,
    classes: wanted.map((label) => dataset.classes[label]),
    labels: part.labels.map((label) => wanted.indexOf(label)),
  };
}

async function work(run: Run) {
  const plain = preset('cifar10-quick', { classes: 5 });
  const data = await dataFor(run, plain);
  const figures: Figure[] = [];
  const curves: Curve[] = [];
  const learn = async (label: string, classes: readonly number[], options: NetworkOptions) => {
    const [images, test] = [ofClasses(data.train, classes), ofClasses(data.test, classes)];
    const { batch } = plain.recipe;
    const perEpoch = stepsPerEpoch(images, batch);
    const steps = run.steps(epochs * perEpoch, perEpoch / 4);
    const schedule = { kind: 'fixed' } as const;
    const recipe = { ...plain.recipe, schedule, iterations: steps, trainingImages: images.labels.length };
    const network = await networkFor(run, { ...plain, recipe }, images, options);
    const history = await train(run, label, network, { train: images, validation: test, steps }, { perUnit: perEpoch });
    figures.push((await testFigures(run, network, test, `the test images, ${label}`))[0]);
    curves.push(...history.curves('epochs', ['validation']));
    return network;
  };
  const source = await learn('the first five classes', firstFive, {});
  const weights = {
    get: (name: string) => (convolutions.some((layer) => name.startsWith(layer)) ? source.read(name) : undefined),
  };
  await learn('the other five, convolutions frozen', otherFive, { weights, frozen: convolutions });
  await learn('the other five, from scratch', otherFive, {});
  return { name: 'cifar10-quick-transfer', goal: 'accuracy at equal epochs', figures, curves };
}

await script('cifar10-quick on five classes, then the other five with frozen convolutions, against from scratch', work);
