/** Small networks and datasets to train with. */
import { type Dataset, memoryDataset } from '../../src/data/dataset.js';
import { imageInput } from '../../src/data/imageInput.js';
import type { Engine } from '../../src/engine/engine.js';
import type { Network } from '../../src/engine/network.js';
import type { NetworkOptions } from '../../src/engine/types.js';
import type { Model } from '../../src/models/model.js';
import { preset } from '../../src/models/presets.js';
import type { TrainingEvent } from '../../src/train/events.js';
import type { Trainer } from '../../src/train/trainer.js';
import { uniform } from './tensors.js';

/** RGB images of 14×14, or another even size, with noise; the class is which of four corners is bright. */
export function cornerImages(count: number, seed: number, name = `corners ${seed}`, side = 14): Dataset {
  const next = uniform(seed);
  const labels = Int32Array.from({ length: count }, (_, i) => i % 4);
  const bytes = Uint8Array.from({ length: count * 3 * side * side }, (_, at) => {
    const pixel = at % (side * side);
    const corner = 2 * Number(pixel >= (side * side) / 2) + Number(pixel % side >= side / 2);
    const bright = corner === labels[Math.floor(at / (3 * side * side))];
    return Math.floor(100 * next() + (bright ? 140 : 20));
  });
  return memoryDataset(name, [3, side, side], ['a', 'b', 'c', 'd'], labels, bytes);
}

/** Crops of 12×12 with mirror images, dropout, colour noise in the first epoch: all chance that there is. */
export function smallModel(): Model {
  const model = preset('cifar10-quick', {
    width: 1 / 16,
    inputSize: 12,
    classes: 4,
    dropout: 0.1,
    dropoutPlace: 'blocks',
    init: 'he',
  });
  return {
    ...model,
    preprocessing: { ...model.preprocessing, scale: 1 / 64, resize: 14 },
    augmentation: {
      cropFrom: 14,
      mirror: false,
      colourNoise: {
        std: 0.1,
        scales: [40, 20, 10],
        components: [
          [1, 0, 0],
          [0, 1, 0],
          [0, 0, 1],
        ],
        divide: 1.1,
      },
      colourNoiseUntil: 1,
    },
    recipe: {
      batch: 8,
      learningRate: 0.01,
      iterations: 24,
      trainingImages: 64,
      schedule: { kind: 'fixed' },
      optimizer: { rule: 'caffe', momentum: 0.9, weightDecay: 0.001 },
    },
  };
}

export function smallNetwork(
  engine: Engine,
  options: NetworkOptions = {},
  model = smallModel(),
): Promise<Network<Model>> {
  return engine.network(model, { seed: 5, input: imageInput(model, [3, 14, 14]), ...options });
}

/** All events to the end. */
export async function eventsOf(trainer: Trainer): Promise<TrainingEvent[]> {
  const events: TrainingEvent[] = [];
  for await (const event of trainer.fit()) events.push(event);
  return events;
}

export function ofKind<K extends TrainingEvent['kind']>(events: readonly TrainingEvent[], kind: K) {
  return events.filter((event): event is Extract<TrainingEvent, { kind: K }> => event.kind === kind);
}

/** Parameters and optimizer states by name. */
export async function contentOf(network: Network<Model>): Promise<Map<string, Float32Array>> {
  const content = new Map<string, Float32Array>();
  for (const { name } of [...network.parameters, ...network.states]) content.set(name, await network.read(name));
  return content;
}
