/** A network that is small enough for the float64 reference, with every kind of layer that Caffe's AlexNet has. */
import type { NetworkDefinition } from '../../src/engine/definition.js';
import { convolution, fullyConnected } from '../../src/models/layers.js';

const learned = {
  weight: { kind: 'he' },
  bias: { kind: 'constant', value: 0.1 },
  biasOptions: { learningRateMultiplier: 2, decayMultiplier: 0 },
} as const;

/** Images [2, 7, 6], four classes. */
export function tinyModel({ extraLayer = false } = {}): NetworkDefinition {
  return {
    name: 'tiny',
    inputShape: [2, 7, 6],
    classes: 4,
    recipe: { learningRate: 0.05, optimizer: { rule: 'caffe', momentum: 0.9, weightDecay: 0.01 } },
    build(g, images, random) {
      let x = convolution(g, 'conv1', images, { filters: 3, kernel: 3, padding: 1, ...learned });
      if (extraLayer) x = convolution(g, 'conv1b', x, { filters: 3, kernel: 1, ...learned });
      x = g.lrn(g.relu(x, { name: 'relu1' }), { size: 3, alpha: 0.1, beta: 0.75, k: 1 }, { name: 'norm1' });
      x = g.maxPool(x, { kernel: 3, stride: 2 }, { name: 'pool1' });
      x = g.relu(fullyConnected(g, 'fc2', x, { units: 5, ...learned }), { name: 'relu2' });
      if (random) x = g.dropout(x, random, { probability: 0.2, stream: 2 }, { name: 'drop2' });
      return { logits: fullyConnected(g, 'fc3', x, { units: 4, ...learned }) };
    },
  };
}

/** Images for the tiny model, different from one another, always the same. */
export function someImages(count: number): Float32Array {
  return Float32Array.from({ length: count * 84 }, (_, i) => Math.sin(1 + i * i * 0.37));
}

export function someLabels(count: number): Int32Array {
  return Int32Array.from({ length: count }, (_, n) => (n * 3 + 1) % 4);
}
