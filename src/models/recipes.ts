/**
 * Recipes by name, so that any network can be trained by any of them. Multipliers of single parameters (Caffe's lr_mult and
 * decay_mult) are not in a recipe: they belong to a model's layers. Of a recipe made for ImageNet the schedule counts ImageNet's epochs or iterations.
 */
import { ArgumentError } from '../errors.js';
import type { Model, Recipe } from './model.js';
import { preset, presets } from './presets.js';
import { iterationsOf } from './schedule.js';

export interface NamedRecipe {
  readonly name: string;
  readonly source: string;
  readonly recipe: Recipe;
}

const imagenet = 1_281_167;

const caffe: Recipe = {
  batch: 256,
  learningRate: 0.01,
  iterations: 450_000,
  schedule: { kind: 'step', size: 100_000, gamma: 0.1 },
  optimizer: { kind: 'sgd', rule: 'caffe', momentum: 0.9, weightDecay: 5e-4 },
};

const paper: Recipe = {
  batch: 128,
  learningRate: 0.01,
  iterations: iterationsOf(90, imagenet, 128),
  trainingImages: imagenet,
  schedule: { kind: 'multistep', epochs: [25, 51, 79], factors: [0.1, 0.01, 0.001] },
  optimizer: { kind: 'sgd', rule: 'paper', momentum: 0.9, weightDecay: 5e-4 },
};

const named: readonly NamedRecipe[] = [
  {
    name: 'synthetic',
    source: 'measured on the drawn shapes and textures with cifar10-quick, He initialisation and pixels from −2 to 2',
    recipe: {
      batch: 32,
      learningRate: 0.002,
      // Ten epochs of whole batches.
      iterations: 10 * 312,
      trainingImages: 10_000,
      schedule: { kind: 'poly', power: 1 },
      optimizer: { kind: 'adam' },
    },
  },
  {
    name: 'paper',
    source:
      'Krizhevsky et al. 2012, §5: a tenth of the rate whenever the validation error stalls, three times, in about 90 epochs',
    recipe: { ...paper, schedule: { kind: 'plateau', factor: 0.1, patience: 3, drops: 3 } },
  },
  {
    name: 'paper-epochs',
    source: 'the same with the rate lowered where the log of configuration #145 has it',
    recipe: paper,
  },
  {
    name: 'source-2012',
    source:
      'configuration #145 of the 2012 source: biases keep their rate, conv1 slows down earlier and is frozen at epoch 72',
    recipe: {
      ...paper,
      iterations: iterationsOf(91, imagenet, 128),
      overrides: [
        { of: 'biases', schedule: { kind: 'fixed' } },
        {
          of: 'conv1.weight',
          schedule: { kind: 'multistep', epochs: [25, 51, 67, 72], factors: [0.1, 0.01, 0.001, 0] },
        },
        { of: 'conv1.bias', schedule: { kind: 'multistep', epochs: [72], factors: [0] } },
      ],
    },
  },
  { name: 'caffe', source: 'models/bvlc_alexnet/solver.prototxt: lr_policy step', recipe: caffe },
  {
    name: 'caffe-fixed',
    source: "the same solver with lr_policy fixed, as Caffe's CIFAR-10 examples have it",
    recipe: { ...caffe, schedule: { kind: 'fixed' } },
  },
  {
    name: 'caffe-poly',
    source: 'the same solver with lr_policy poly, power 0.5, as models/bvlc_googlenet/quick_solver.prototxt has it',
    recipe: { ...caffe, schedule: { kind: 'poly', power: 0.5 } },
  },
  {
    name: 'torch',
    source: "torchvision's reference script: StepLR, a tenth every 30 of 90 epochs, torch's momentum rule",
    recipe: {
      batch: 256,
      learningRate: 0.01,
      iterations: iterationsOf(90, imagenet, 256),
      trainingImages: imagenet,
      schedule: { kind: 'multistep', epochs: [30, 60], factors: [0.1, 0.01] },
      optimizer: { kind: 'sgd', rule: 'torch', momentum: 0.9, weightDecay: 1e-4 },
    },
  },
  {
    name: 'dexp',
    source: 'cuda-convnet2, layer-params-imagenet-1gpu: weights fall to 1/250 in four stretches, biases to 1/10 in two',
    recipe: {
      ...paper,
      schedule: { kind: 'dexp', factor: 250, steps: 4 },
      overrides: [{ of: 'biases', schedule: { kind: 'dexp', factor: 10, steps: 2 } }],
    },
  },
  {
    name: 'adam',
    source: "document 004's run on MNIST: Adam with TensorFlow's defaults, 3,124 steps of 64",
    recipe: preset('mnist-tf').recipe,
  },
];

/** Recipes that fit any model, by name. */
export const recipes: ReadonlyMap<string, NamedRecipe> = new Map(named.map((each) => [each.name, each]));

/**
 * A recipe for a model: 'own' is the model's, then come the alternatives that its source has, other presets' ('cifar10-full'), and
 * those that fit any model.
 *
 * @throws ArgumentError for a name that is none of them
 */
export function recipeFor(model: Model, name: string): Recipe {
  if (name === 'own') return model.recipe;
  const { alternatives = [], ...own } = model.recipe;
  const alternative = alternatives.find((each) => each.name === name);
  if (alternative) {
    const { iterations, schedule, overrides } = alternative;
    return { ...own, iterations, schedule, overrides };
  }
  const found = recipes.get(name)?.recipe ?? presetRecipe(name);
  if (found) return found;
  const known = ['own', ...alternatives.map((each) => each.name), ...recipes.keys()];
  throw new ArgumentError(`there is no recipe '${name}', expected one of ${known.join(', ')}, or the name of a preset`);
}

function presetRecipe(name: string): Recipe | undefined {
  return presets.has(name) ? preset(name).recipe : undefined;
}
