/**
 * The eight-layer networks for ImageNet: the paper's two towers, the configuration of the program that won, Caffe's two, those of
 * documents 000 and 002 without towers, and torchvision's. docs/networks.md has them side by side.
 */
import {
  type Architecture,
  type Block,
  caffeRates,
  type Dense,
  gaussian,
  type Learning,
  norms,
  type Stage,
} from './architecture.js';
import { imagenetColourNoise } from './augmentation.js';
import type { Preset } from './family.js';
import type { Preprocessing, Recipe } from './model.js';
import { iterationsOf } from './schedule.js';

/** Images of the training set of ILSVRC 2012. */
const trainingImages = 1_281_167;

/** Starting values of the eight layers. */
interface Starts {
  readonly convolutions: readonly [Learning, Learning, Learning, Learning, Learning];
  readonly dense: readonly [Learning, Learning, Learning];
}

const normFirst: readonly Stage[] = ['activation', 'norm', 'pool'];
const poolFirst: readonly Stage[] = ['activation', 'pool', 'norm'];

/** conv1 … conv5 of the paper. `normed` are the stages after conv1 and conv2. */
function fiveConvolutions({ convolutions: [c1, c2, c3, c4, c5] }: Starts, normed: readonly Stage[]): readonly Block[] {
  const convolution = { kind: 'convolution' } as const;
  const inner = { kernel: 3, padding: 1 };
  return [
    { ...convolution, name: 'conv1', filters: 96, kernel: 11, stride: 4, stages: normed, learning: c1 },
    {
      ...convolution,
      name: 'conv2',
      filters: 256,
      kernel: 5,
      padding: 2,
      ownTower: true,
      stages: normed,
      learning: c2,
    },
    { ...convolution, name: 'conv3', filters: 384, ...inner, stages: ['activation'], learning: c3 },
    { ...convolution, name: 'conv4', filters: 384, ...inner, ownTower: true, stages: ['activation'], learning: c4 },
    {
      ...convolution,
      name: 'conv5',
      filters: 256,
      ...inner,
      ownTower: true,
      stages: ['activation', 'pool'],
      learning: c5,
    },
  ];
}

function threeDense({ dense: [fc6, fc7, fc8] }: Starts): readonly Dense[] {
  return [
    { name: 'fc6', units: 4096, activation: true, learning: fc6 },
    { name: 'fc7', units: 4096, activation: true, learning: fc7 },
    { name: 'fc8', learning: fc8 },
  ];
}

/** Biases of 1 (or `ones`) under the ReLUs that the paper wants to start in their positive part: conv2, 4, 5, fc6, fc7. */
function starts(std: { conv: number; deep: number; dense: number }, ones: number, rates: Partial<Learning>): Starts {
  return {
    convolutions: [
      gaussian(std.conv, 0, rates),
      gaussian(std.conv, ones, rates),
      gaussian(std.deep, 0, rates),
      gaussian(std.deep, ones, rates),
      gaussian(std.deep, ones, rates),
    ],
    dense: [gaussian(std.dense, ones, rates), gaussian(std.dense, ones, rates), gaussian(0.01, 0, rates)],
  };
}

/** Paper, §5: N(0, 0.01²) everywhere; it does not say whether biases decay, and in its program they do not. */
const paperStarts = starts({ conv: 0.01, deep: 0.01, dense: 0.01 }, 1, { biasDecay: 0 });
/** Configuration #145: 0.03 from conv3 to conv5, and a bias rate of 0.02 beside 0.01. */
const sourceStarts = starts({ conv: 0.01, deep: 0.03, dense: 0.01 }, 1, { biasRate: 2, biasDecay: 0 });
const alexnetStarts = starts({ conv: 0.01, deep: 0.01, dense: 0.005 }, 0.1, caffeRates);
const caffenetStarts = starts({ conv: 0.01, deep: 0.01, dense: 0.005 }, 1, caffeRates);

const base = { channels: 3, inputSize: 227, leastInputSize: 55, classes: 1000, hasNorm: true } as const;
const ceilPooling = { kernel: 3, stride: 2, rounding: 'ceil' } as const;

/** The paper: document 001 in words, document 003 as a picture. */
const paperArchitecture: Architecture = {
  ...base,
  towers: 2,
  norm: norms.paper,
  pooling: ceilPooling,
  blocks: fiveConvolutions(paperStarts, normFirst),
  dense: threeDense(paperStarts),
  dropout: { probability: 0.5, place: 'outputs', scaleAt: 'test' },
};

/**
 * Convolutions count outputs with ceil, as if 224 were 227 with three rows and columns of zeros; conv1 and conv5 have their ReLU
 * behind the pooling, which in conv1 lets the normalisation see negative values; conv2 is normalised a second time, within
 * each map. Layers have the names they have elsewhere (the source's: conv1a, conv1b … fc2048a …).
 */
const sourceArchitecture: Architecture = {
  ...paperArchitecture,
  inputSize: 224,
  leastInputSize: 52,
  norm: norms.source,
  mapNorm: { within: 'map', size: 5, alpha: 0.001, beta: 0.75, k: 1, alphaPer: 'window', perTower: true },
  pooling: { ...ceilPooling, ties: 'all' },
  blocks: fiveConvolutions(sourceStarts, normFirst).map((block): Block => {
    if (block.name === 'conv1') return { ...block, padding: 'ceil', stages: ['norm', 'pool', 'activation'] };
    if (block.name === 'conv2') return { ...block, stages: ['activation', 'norm', 'mapNorm', 'pool'] };
    if (block.name === 'conv5') return { ...block, stages: ['pool', 'activation'] };
    return block;
  }),
  dense: threeDense(sourceStarts),
};

/** Caffe's models/bvlc_alexnet/train_val.prototxt: normalisation over all channels, dropout scaled while training. */
const alexnetArchitecture: Architecture = {
  ...base,
  towers: 2,
  norm: norms.caffe,
  pooling: ceilPooling,
  blocks: fiveConvolutions(alexnetStarts, normFirst),
  dense: threeDense(alexnetStarts),
  dropout: { probability: 0.5, place: 'outputs', scaleAt: 'train' },
};

/** torchvision's: one tower of 64, 192, 384, 256, 256 filters without normalisation; `lrn` puts in cuda-convnet2's. */
function owtArchitecture(): Architecture {
  const learning: Learning = { weight: { kind: 'fan-in' }, bias: { kind: 'fan-in' } };
  const filters = [64, 192, 384, 256, 256];
  const all: Starts = {
    convolutions: [learning, learning, learning, learning, learning],
    dense: [learning, learning, learning],
  };
  return {
    ...base,
    inputSize: 224,
    leastInputSize: 63,
    towers: 1,
    norm: { ...norms.source, perTower: false },
    hasNorm: false,
    pooling: { kernel: 3, stride: 2, rounding: 'floor' },
    adaptivePool: 6,
    blocks: fiveConvolutions(all, normFirst).map((block, i) => ({
      ...block,
      filters: filters[i],
      ...(block.name === 'conv1' ? { padding: 2 } : {}),
    })),
    dense: threeDense(all),
    dropout: { probability: 0.5, place: 'inputs', scaleAt: 'train' },
  };
}

/** Means of the channels of cuda-convnet2's mean image, R, G, B. */
const rgbMeans = [127.305, 119.715, 104.913];

/** The shorter side becomes 256 where the input is `whole`, and in that proportion elsewhere. */
function fromShorterSide(whole: number): (inputSize: number) => Preprocessing {
  return (inputSize) => ({
    channels: 'RGB',
    fit: 'shorter-side',
    resize: Math.round((256 * inputSize) / whole),
    crop: inputSize,
    mean: rgbMeans,
    scale: 1,
    meanImage: true,
  });
}

/** Means of the channels of Caffe's mean image, B, G, R; it stretches pictures to a square. */
function caffePreprocessing(inputSize: number): Preprocessing {
  return {
    channels: 'BGR',
    fit: 'warp',
    resize: Math.round((256 * inputSize) / 227),
    crop: inputSize,
    mean: [104.00698793, 116.66876762, 122.67891434],
    scale: 1,
  };
}

function paperAugmentation(whole: number) {
  return (inputSize: number) =>
    ({
      cropFrom: Math.round((256 * inputSize) / whole),
      mirror: true,
      colourNoise: imagenetColourNoise,
      meanImage: 'centre',
    }) as const;
}

const caffeAugmentation = (inputSize: number) =>
  ({ cropFrom: Math.round((256 * inputSize) / 227), mirror: true, meanImage: 'crop' }) as const;

/**
 * The paper divides the rate by ten three times, whenever the validation error stalls, in about 90 epochs: here at the epochs where
 * the log of configuration #145 has it.
 */
const paperRecipe: Recipe = {
  batch: 128,
  learningRate: 0.01,
  iterations: iterationsOf(90, trainingImages, 128),
  trainingImages,
  schedule: { kind: 'multistep', epochs: [25, 51, 79], factors: [0.1, 0.01, 0.001] },
  optimizer: { rule: 'paper', momentum: 0.9, weightDecay: 5e-4 },
};

/** Notes of configuration #145: biases keep their 0.02 throughout, conv1 slows down earlier and is frozen at epoch 72. */
const sourceRecipe: Recipe = {
  ...paperRecipe,
  iterations: iterationsOf(91, trainingImages, 128),
  overrides: [
    { of: 'biases', schedule: { kind: 'fixed' } },
    {
      of: 'conv1.weight',
      schedule: { kind: 'multistep', epochs: [25, 51, 67, 72], factors: [0.1, 0.01, 0.001, 0] },
    },
    { of: 'conv1.bias', schedule: { kind: 'multistep', epochs: [72], factors: [0] } },
  ],
};

const caffeRecipe: Recipe = {
  batch: 256,
  learningRate: 0.01,
  iterations: 450_000,
  schedule: { kind: 'step', size: 100_000, gamma: 0.1 },
  optimizer: { rule: 'caffe', momentum: 0.9, weightDecay: 5e-4 },
};

/** torchvision's reference script; biases decay as well. */
const owtRecipe: Recipe = {
  batch: 256,
  learningRate: 0.01,
  iterations: iterationsOf(90, trainingImages, 256),
  trainingImages,
  schedule: { kind: 'multistep', epochs: [30, 60], factors: [0.1, 0.01] },
  optimizer: { rule: 'torch', momentum: 0.9, weightDecay: 1e-4 },
  alternatives: [
    {
      name: 'dexp',
      source:
        "cuda-convnet2's schedule for the same five convolutions: weights fall to 1/250 in four stretches, biases to 1/10 in two",
      iterations: iterationsOf(90, trainingImages, 256),
      schedule: { kind: 'dexp', factor: 250, steps: 4 },
      overrides: [{ of: 'biases', schedule: { kind: 'dexp', factor: 10, steps: 2 } }],
    },
  ],
};

const paper = {
  preprocessing: fromShorterSide(227),
  augmentation: paperAugmentation(227),
  recipe: paperRecipe,
};
const caffe = { preprocessing: caffePreprocessing, augmentation: caffeAugmentation, recipe: caffeRecipe };

export const alexnetPreset: Preset = { ...paper, name: 'alexnet', architecture: paperArchitecture };

export const alexnet2012Preset: Preset = {
  name: 'alexnet-2012',
  architecture: sourceArchitecture,
  preprocessing: fromShorterSide(224),
  augmentation: (inputSize) => ({ ...paperAugmentation(224)(inputSize), colourNoiseUntil: 67, sharedBy: 32 }),
  recipe: sourceRecipe,
};

export const caffeAlexnetPreset: Preset = { ...caffe, name: 'caffe-alexnet', architecture: alexnetArchitecture };

/** models/bvlc_reference_caffenet: pooling before normalisation, and biases of 1. */
export const caffenetPreset: Preset = {
  ...caffe,
  name: 'caffenet',
  architecture: {
    ...alexnetArchitecture,
    blocks: fiveConvolutions(caffenetStarts, poolFirst),
    dense: threeDense(caffenetStarts),
  },
};

/**
 * Document 002's table. It prints a ReLU after FC8, which would forbid logits below zero and stop half of the gradients: an error, and
 * the layer has none here. It names no recipe: that of bvlc_alexnet, whose biases of 0.1 are known to start.
 */
export const oneTowerPreset: Preset = {
  ...caffe,
  name: 'alexnet-one-tower',
  architecture: {
    ...alexnetArchitecture,
    towers: 1,
    blocks: fiveConvolutions(alexnetStarts, poolFirst),
    dropout: { probability: 0.5, place: 'inputs', scaleAt: 'train' },
  },
};

/** Document 000's list of layers: the paper's network in one tower, with 'valid' where it needs an input of 227. */
export const singlePreset: Preset = {
  ...paper,
  name: 'alexnet-single',
  architecture: { ...paperArchitecture, towers: 1 },
};

export const owtPreset: Preset = {
  name: 'alexnet-owt',
  architecture: owtArchitecture(),
  preprocessing: (inputSize) => ({
    channels: 'RGB',
    fit: 'shorter-side',
    resize: Math.round((256 * inputSize) / 224),
    crop: inputSize,
    mean: [123.675, 116.28, 103.53],
    scale: 1,
    std: [58.395, 57.12, 57.375],
  }),
  augmentation: () => ({ resizedCrop: { area: [0.08, 1], aspect: [3 / 4, 4 / 3] }, mirror: true }),
  recipe: owtRecipe,
};
