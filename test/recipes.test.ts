/** The recipes of the presets as data: how layers start and learn, schedules, preprocessing, augmentation. */
import t from 'tap';
import { inferenceGraph } from '../src/engine/graphs.js';
import type { Model } from '../src/models/model.js';
import { preset, presets } from '../src/models/presets.js';
import { recipeFor, recipes } from '../src/models/recipes.js';
import { iterationsOf, rateFactor } from '../src/models/schedule.js';

const names = [...presets.keys()];

t.test('how layers start and learn', async (t) => {
  const variable = (model: string, name: string) =>
    inferenceGraph(preset(model), 1).values.find((value) => value.name === name)?.variable;
  const start = (model: string, layers: readonly string[], part: 'weight' | 'bias') =>
    layers.map((layer) => {
      const init = variable(model, `${layer}.${part}`)?.init;
      return init?.kind === 'normal' ? init.std : init?.kind === 'constant' ? init.value : init;
    });
  const eight = ['conv1', 'conv2', 'conv3', 'conv4', 'conv5', 'fc6', 'fc7', 'fc8'];
  t.same(start('alexnet', eight, 'weight'), [0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01]);
  t.same(start('alexnet-2012', eight, 'weight'), [0.01, 0.01, 0.03, 0.03, 0.03, 0.01, 0.01, 0.01]);
  t.same(start('caffenet', eight, 'weight'), [0.01, 0.01, 0.01, 0.01, 0.01, 0.005, 0.005, 0.01]);
  for (const name of ['alexnet', 'alexnet-2012', 'caffenet']) {
    t.same(start(name, eight, 'bias'), [0, 1, 0, 1, 1, 1, 1, 0], `${name}: biases of 1`);
  }
  t.same(start('alexnet-one-tower', eight, 'bias'), [0, 0.1, 0, 0.1, 0.1, 0.1, 0.1, 0]);
  t.same(variable('alexnet-owt', 'conv2.bias')?.init, { kind: 'uniform', limit: 1 / 40 }, '1/√(64·5·5)');
  t.same(variable('mnist-tf', 'fc1.bias')?.init, { kind: 'normal', std: 1 });
  t.same(start('cifar10-quick', ['conv1', 'conv2', 'conv3', 'ip1', 'ip2'], 'weight'), [1e-4, 0.01, 0.01, 0.1, 0.1]);
  t.same(
    start('cifar10-11pct', ['conv1', 'conv2', 'local3', 'local4', 'fc10'], 'weight'),
    [1e-4, 0.01, 0.04, 0.04, 0.01],
  );

  /** [rate of the weight, rate of the bias, decay of the weight, decay of the bias] of a layer, absolute. */
  const rates = (model: string, layer: string) => {
    const { learningRate, optimizer } = preset(model).recipe;
    const [w, b] = ['weight', 'bias'].map((part) => variable(model, `${layer}.${part}`));
    const decay = optimizer.weightDecay ?? 0;
    const numbers = [
      learningRate * (w?.learningRateMultiplier ?? Number.NaN),
      learningRate * (b?.learningRateMultiplier ?? Number.NaN),
      decay * (w?.decayMultiplier ?? Number.NaN),
      decay * (b?.decayMultiplier ?? Number.NaN),
    ];
    return numbers.map((value) => Number(value.toPrecision(12)));
  };
  t.same(rates('alexnet', 'conv2'), [0.01, 0.01, 5e-4, 0]);
  t.same(rates('alexnet-2012', 'conv2'), [0.01, 0.02, 5e-4, 0]);
  t.same(rates('caffenet', 'fc8'), [0.01, 0.02, 5e-4, 0]);
  t.same(rates('alexnet-owt', 'fc8'), [0.01, 0.01, 1e-4, 1e-4]);
  t.same(rates('mnist-tf', 'out'), [0.001, 0.001, 0, 0]);
  t.same(rates('cifar10-80sec', 'conv3'), [0.001, 0.002, 0.004, 0]);
  t.same(rates('cifar10-80sec', 'fc64'), [0.001, 0.002, 0.03, 0]);
  t.same(rates('cifar10-18pct', 'fc10'), [0.001, 0.002, 1, 0]);
  t.same(rates('cifar10-13pct', 'conv2'), [0.001, 0.002, 0, 0]);
  t.same(rates('cifar10-13pct', 'fc10'), [0.001, 0.002, 0.004, 0]);
  t.same(rates('cifar10-11pct', 'fc10'), [0.001, 0.002, 0.01, 0]);
  t.same(rates('cifar10-quick', 'ip1'), [0.001, 0.002, 0.004, 0.004]);
  t.same(rates('cifar10-full', 'conv3'), [0.001, 0.001, 0.004, 0.004]);
  t.same(rates('cifar10-full', 'ip1'), [0.001, 0.002, 1, 0]);
});

t.test('schedules', async (t) => {
  const base = { batch: 10, iterations: 1000, trainingImages: 100 } as const;
  const at = (schedule: Model['recipe']['schedule'], ...iterations: number[]) =>
    iterations.map((iteration) => rateFactor({ ...base, schedule }, 'conv1.weight', iteration));
  t.same(at({ kind: 'fixed' }, 0, 999), [1, 1]);
  t.same(at({ kind: 'step', size: 100, gamma: 0.5 }, 0, 99, 100, 250), [1, 1, 0.5, 0.25]);
  t.same(at({ kind: 'multistep', epochs: [2, 5], factors: [0.1, 0] }, 0, 19, 20, 49, 50, 999), [1, 1, 0.1, 0.1, 0, 0]);
  t.same(at({ kind: 'poly', power: 2 }, 0, 500, 1000), [1, 0.25, 0]);
  const dexp = at({ kind: 'dexp', factor: 1000, steps: 4 }, 0, 249, 250, 500, 750, 1000);
  t.same(
    dexp.map((factor) => Number(factor.toPrecision(12))),
    [1, 1, 0.1, 0.01, 0.001, 0.001],
  );
  t.throws(
    () =>
      rateFactor(
        { ...base, trainingImages: undefined, schedule: { kind: 'multistep', epochs: [], factors: [] } },
        'w',
        0,
      ),
    { name: 'ArgumentError', message: /needs the recipe's trainingImages/ },
  );

  const { recipe } = preset('alexnet-2012');
  const epoch = (count: number) => iterationsOf(count, recipe.trainingImages ?? 0, recipe.batch);
  const rate = (parameter: string, count: number) => 0.01 * rateFactor(recipe, parameter, epoch(count));
  t.same(
    [0, 25, 51, 67, 79].map((count) => rate('conv4.weight', count).toPrecision(3)),
    ['0.0100', '0.00100', '0.000100', '0.000100', '0.0000100'],
  );
  t.same(
    [0, 51, 67, 72].map((count) => rate('conv1.weight', count).toPrecision(3)),
    ['0.0100', '0.000100', '0.0000100', '0.00'],
    'conv1 slows down earlier and is frozen',
  );
  t.same(
    [rate('conv4.bias', 90), rate('conv1.bias', 71), rate('conv1.bias', 72)],
    [0.01, 0.01, 0],
    'biases keep their rate',
  );

  t.equal(preset('cifar10-quick').recipe.iterations, iterationsOf(10, 50_000, 100));
  t.equal(preset('cifar10-full').recipe.iterations, iterationsOf(140, 50_000, 100));
  for (const name of names) {
    const model = preset(name);
    for (const plan of [model.recipe, ...(model.recipe.alternatives ?? [])]) {
      const factors = [0, 0.3, 0.6, 0.9, 0.999].map((share) => {
        const iteration = Math.floor(share * plan.iterations);
        return rateFactor({ ...model.recipe, ...plan }, 'conv2.weight', iteration);
      });
      t.ok(
        factors[0] === 1 && factors.every((factor, i) => i === 0 || factor <= factors[i - 1]),
        `${name}: ${factors}`,
      );
    }
  }
});

t.test('recipes are data: they survive JSON, and their parts fit each other', async (t) => {
  for (const name of names) {
    const { recipe, preprocessing, augmentation, inputShape } = preset(name);
    const data = { recipe, preprocessing, augmentation: augmentation ?? {} };
    t.same(JSON.parse(JSON.stringify(data)), data, name);
    t.equal(preprocessing.mean.length, inputShape[0]);
    t.equal(preprocessing.crop, inputShape[1]);
    t.ok(preprocessing.resize >= preprocessing.crop);
    t.ok(augmentation?.cropFrom === undefined || augmentation.cropFrom === preprocessing.resize);
  }
  const { colourNoise } = preset('alexnet').augmentation ?? {};
  for (const [i, one] of (colourNoise?.components ?? []).entries()) {
    for (const [j, other] of (colourNoise?.components ?? []).entries()) {
      const product = one.reduce((sum, value, c) => sum + value * other[c], 0);
      t.ok(Math.abs(product - Number(i === j)) < 1e-4, 'components are orthonormal');
    }
  }
});

t.test('recipes by name', async (t) => {
  const model = preset('alexnet-owt');
  t.equal(recipeFor(model, 'own'), model.recipe);
  t.match(recipeFor(model, 'dexp'), { schedule: { kind: 'dexp', factor: 250 }, optimizer: { rule: 'torch' } });
  t.equal(recipeFor(model, 'cifar10-full'), preset('cifar10-full').recipe, "another preset's");
  t.throws(() => recipeFor(model, 'speed'), {
    name: 'ArgumentError',
    message: /there is no recipe 'speed', expected one of own, dexp, synthetic, paper, /,
  });
  for (const [name, { recipe, source }] of recipes) {
    t.same(JSON.parse(JSON.stringify(recipe)), recipe, `${name} is data`);
    t.ok(source.length > 10 && recipe.iterations > 0 && recipe.learningRate > 0);
    const [first, last] = [0, recipe.iterations - 1].map((at) => rateFactor(recipe, 'conv1.weight', at, 0));
    t.ok(first === 1 && last <= 1, `${name}: ${first} … ${last}`);
  }
  const at = (name: string) => recipes.get(name)?.recipe;
  t.match(at('paper-epochs'), { ...preset('alexnet').recipe });
  t.match(at('source-2012'), { ...preset('alexnet-2012').recipe });
  t.match(at('caffe'), { ...preset('caffe-alexnet').recipe });
  t.match(at('torch'), { ...preset('alexnet-owt').recipe, alternatives: undefined });
  t.match(at('adam'), { batch: 64, learningRate: 0.001, optimizer: { kind: 'adam' } });

  const plateau = { kind: 'plateau', factor: 0.1, patience: 3, drops: 3 } as const;
  const factors = [0, 1, 2, 3, 4].map((drops) =>
    rateFactor({ batch: 1, iterations: 9, schedule: plateau }, 'w', 5, drops).toPrecision(3),
  );
  t.same(factors, ['1.00', '0.100', '0.0100', '0.00100', '0.00100']);
});
