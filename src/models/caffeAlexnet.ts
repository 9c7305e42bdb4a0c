/**
 * Caffe's bvlc_alexnet (models/bvlc_alexnet/train_val.prototxt and solver.prototxt): the two-tower AlexNet as one net with
 * grouped convolutions, in the order convolution, ReLU, normalisation, pooling; 60,965,224 parameters and 724,406,816
 * multiply-adds an image.
 */
import type { GraphBuilder } from '../graph/builder.js';
import type { Value } from '../graph/graph.js';
import { convolution, fullyConnected, type LearnedOptions } from './layers.js';
import type { Model } from './model.js';
import { expectOptions, integerOption, numberOption } from './options.js';

export interface CaffeAlexnetOptions {
  /** Units of fc8; 1000. */
  readonly classes?: number;
  /** Factor on the filters of every convolution and the units of fc6 and fc7 (rounded up to even numbers); 1. */
  readonly width?: number;
  /** Height and width of an input image, at least 55; 227. */
  readonly inputSize?: number;
  /** Probability with which dropout drops an output of fc6 and fc7 in training, 0 for none; 0.5. */
  readonly dropout?: number;
}

const name = 'caffe-alexnet';

/** Weights N(0, std²), a constant bias that learns twice as fast and does not decay. */
function learned(std: number, bias: number): LearnedOptions {
  return {
    weight: { kind: 'normal', std },
    bias: { kind: 'constant', value: bias },
    biasOptions: { learningRateMultiplier: 2, decayMultiplier: 0 },
  };
}

/** @throws ArgumentError for an unknown option or one out of range. */
export function caffeAlexnet(options: CaffeAlexnetOptions = {}): Model {
  expectOptions(name, options, ['classes', 'width', 'inputSize', 'dropout']);
  const classes = integerOption(name, 'classes', options.classes ?? 1000, 1, 1e6);
  const width = numberOption(name, 'width', options.width ?? 1, 1e-4, 16);
  const inputSize = integerOption(name, 'inputSize', options.inputSize ?? 227, 55, 4096);
  const dropout = numberOption(name, 'dropout', options.dropout ?? 0.5, 0, 1);

  // Even, so that two groups divide every layer; the small term keeps 96 · (1/3) at 32.
  const scaled = (count: number) => 2 * Math.ceil((count * width) / 2 - 1e-9);

  const normalise = (g: GraphBuilder, layer: string, x: Value) =>
    g.lrn(x, { size: 5, alpha: 1e-4, beta: 0.75, k: 1, alphaPer: 'window' }, { name: layer });
  const pool = (g: GraphBuilder, layer: string, x: Value) =>
    g.maxPool(x, { kernel: 3, stride: 2, rounding: 'ceil' }, { name: layer });

  return {
    name,
    options: { classes, width, inputSize, dropout },
    inputShape: [3, inputSize, inputSize],
    classes,
    preprocessing: {
      channels: 'BGR',
      fit: 'warp',
      resize: Math.round((256 * inputSize) / 227),
      crop: inputSize,
      mean: [104.00698793, 116.66876762, 122.67891434],
      scale: 1,
    },
    recipe: {
      batch: 256,
      learningRate: 0.01,
      iterations: 450_000,
      schedule: { kind: 'step', size: 100_000, gamma: 0.1 },
      optimizer: { rule: 'caffe', momentum: 0.9, weightDecay: 5e-4 },
    },

    build(g, images, random) {
      let x = convolution(g, 'conv1', images, { filters: scaled(96), kernel: 11, stride: 4, ...learned(0.01, 0) });
      x = pool(g, 'pool1', normalise(g, 'norm1', g.relu(x, { name: 'relu1' })));
      x = convolution(g, 'conv2', x, { filters: scaled(256), kernel: 5, padding: 2, groups: 2, ...learned(0.01, 0.1) });
      x = pool(g, 'pool2', normalise(g, 'norm2', g.relu(x, { name: 'relu2' })));
      x = convolution(g, 'conv3', x, { filters: scaled(384), kernel: 3, padding: 1, ...learned(0.01, 0) });
      x = g.relu(x, { name: 'relu3' });
      x = convolution(g, 'conv4', x, { filters: scaled(384), kernel: 3, padding: 1, groups: 2, ...learned(0.01, 0.1) });
      x = g.relu(x, { name: 'relu4' });
      x = convolution(g, 'conv5', x, { filters: scaled(256), kernel: 3, padding: 1, groups: 2, ...learned(0.01, 0.1) });
      x = pool(g, 'pool5', g.relu(x, { name: 'relu5' }));

      for (const layer of [6, 7]) {
        x = fullyConnected(g, `fc${layer}`, x, { units: scaled(4096), ...learned(0.005, 0.1) });
        x = g.relu(x, { name: `relu${layer}` });
        if (random && dropout > 0) {
          x = g.dropout(x, random, { probability: dropout, stream: layer }, { name: `drop${layer}` });
        }
      }
      return { logits: fullyConnected(g, 'fc8', x, { units: classes, ...learned(0.01, 0) }) };
    },
  };
}
