/** An input of a network that has everything: random crops, flips, a mean image, noise of colours and of pixels. */
import type { ImageInput } from '../../src/index.js';

/** @param size [height, width] of a crop */
export function storedInput(shape: ImageInput['shape'], size: readonly [number, number]): ImageInput {
  const common = { size, scale: 0.02, mean: [], meanImage: 'crop' } as const;
  return {
    shape,
    training: { ...common, crop: 'random', flipHorizontal: 0.5, noise: 2, fill: 'edge', translate: 1 },
    inference: common,
    meanImage: Float32Array.from({ length: shape[0] * shape[1] * shape[2] }, (_, i) => 110 + 20 * Math.sin(i * 0.1)),
    colourNoise: {
      std: 0.1,
      scales: [60, 20],
      components: [
        [0.6, 0.6, 0.5],
        [0.7, 0, -0.7],
      ],
      divide: 1.1,
    },
  };
}
