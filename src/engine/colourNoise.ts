/** Noise along the principal components of a training set's colours (Krizhevsky et al. 2012, §4.1), drawn on the host. */
import { noiseStream } from '../ops/augment.js';
import { normalAngle, normalRadius } from '../ops/lib/deviates.js';
import { philox4x32 } from '../ops/lib/philox.js';

/** One draw α_i ~ N(0, std²) an image and component; Σ α_i · scales[i] · components[i] is added to each of its pixels. */
export interface ColourNoise {
  readonly std: number;
  /** Standard deviations of the training set's pixels along each component, in grey levels. */
  readonly scales: readonly number[];
  /** Unit vectors, in the order of the network's channels. */
  readonly components: readonly (readonly number[])[];
  /** The image is divided by this after mean and noise: training then has the contrast of evaluation. */
  readonly divide: number;
}

/**
 * The input `colour` [N, C] of the op `augment`: Σ αᵢ · scales[i] · components[i] for each image, with αᵢ ~ N(0, std²) drawn once an image.
 * Deviate i of image n is one of the two that the Box–Muller transform makes of two words of
 * Philox(counter = (2³¹ + n·⌈I/4⌉ + ⌊i/4⌋, stream + 2³¹, step), key = seed), in float64 and rounded once: no other node draws there.
 *
 * @param random seed and step, as the op has them
 * @param into N·C numbers that the offsets are written to; a fresh array by default
 */
export function colourOffsets(
  noise: ColourNoise,
  batch: number,
  random: ArrayLike<number>,
  stream: number,
  into?: Float32Array,
): Float32Array {
  const { std, scales, components } = noise;
  const channels = components[0].length;
  const offsets = into ?? new Float32Array(batch * channels);
  const blocks = Math.ceil(components.length / 4);
  const words = new Uint32Array(4);
  const sums = new Float64Array(channels);
  for (let n = 0; n < batch; n++) {
    sums.fill(0);
    components.forEach((component, i) => {
      if (i % 4 === 0) {
        const counter = [2 ** 31 + n * blocks + i / 4, noiseStream(stream), random[2], random[3]];
        philox4x32(counter, [random[0], random[1]], words);
      }
      const pair = i & 2;
      const angle = normalAngle(words[pair + 1]);
      const deviate = normalRadius(words[pair]) * (i & 1 ? Math.sin(angle) : Math.cos(angle));
      for (let c = 0; c < channels; c++) sums[c] += std * deviate * scales[i] * component[c];
    });
    offsets.set(sums, n * channels);
  }
  return offsets;
}
