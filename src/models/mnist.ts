/**
 * Document 004's network for MNIST: three blocks of convolution, ReLU, pooling, normalisation and dropout, and two hidden fully
 * connected layers without it. All weights and biases start from N(0, 1), so that the first loss is of the order of 10⁵.
 *
 * TensorFlow's conventions: SAME pooling of 2×2 is a ceil without padding; depth_radius 4 is a window of 9 with alpha per
 * channel. TensorFlow flattens 4×4×256 rows first and channels last, here channels come first: other weights would have to be permuted.
 */
import { type Block, type Learning, norms } from './architecture.js';
import type { Preset } from './family.js';

const learning: Learning = { weight: { kind: 'normal', std: 1 }, bias: { kind: 'normal', std: 1 } };
const block = {
  kind: 'convolution',
  kernel: 3,
  padding: 1,
  stages: ['activation', 'pool', 'norm'],
  learning,
} as const satisfies Omit<Block, 'name' | 'filters'>;

/** Of the 60,000 images; the others are for validation. */
const trainingImages = 55_000;
const batch = 64;

export const mnistPreset: Preset = {
  name: 'mnist-tf',
  architecture: {
    channels: 1,
    inputSize: 28,
    leastInputSize: 5,
    classes: 10,
    towers: 1,
    norm: { ...norms.paper, size: 9, alpha: 0.001 / 9, k: 1, perTower: false },
    hasNorm: true,
    pooling: { kernel: 2, stride: 2, rounding: 'ceil' },
    blocks: [
      { ...block, name: 'conv1', filters: 64 },
      { ...block, name: 'conv2', filters: 128, ownTower: true },
      { ...block, name: 'conv3', filters: 256, ownTower: true },
    ],
    dense: [
      { name: 'fc1', number: 4, units: 1024, activation: true, learning },
      { name: 'fc2', number: 5, units: 1024, activation: true, learning },
      { name: 'out', number: 6, learning },
    ],
    // The listing's `dropout = 0.8` is the probability of keeping a value.
    dropout: { probability: 0.2, place: 'blocks', scaleAt: 'train' },
  },
  preprocessing: (inputSize) => ({
    channels: 'grey',
    fit: 'warp',
    resize: inputSize,
    crop: inputSize,
    mean: [0],
    scale: 1 / 255,
  }),
  recipe: {
    batch,
    learningRate: 0.001,
    // While step · 64 < 200,000, counted from 1.
    iterations: 3124,
    trainingImages,
    schedule: { kind: 'fixed' },
    optimizer: { kind: 'adam', beta1: 0.9, beta2: 0.999, epsilon: 1e-8 },
  },
};
