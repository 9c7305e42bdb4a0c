/** What preprocessing wants to know about a training set: its mean image, its channels' means, its colours' principal components. */
import { ArgumentError, InputError } from '../errors.js';
import type { ColourNoise } from '../models/augmentation.js';
import { elements } from '../ops/define.js';
import type { Dataset } from './dataset.js';
import { symmetricEigen } from './eigen.js';
import { batches } from './loader.js';

/** How far colour noise moves pixels: see `principalComponents`. */
export const noiseScales = ['deviation', 'eigenvalue'] as const;

export type NoiseScale = (typeof noiseScales)[number];

/** Bytes that are read at one time. */
const readAtOnce = 2 ** 22;

/**
 * The mean of each pixel and channel over all images, [C, H, W], rounded once.
 *
 * @throws InputError for a dataset without images; what reading throws; the signal's reason when it is aborted
 */
export async function meanImage(dataset: Dataset, signal?: AbortSignal): Promise<Float32Array> {
  const size = elements(dataset.shape);
  const sums = new Float64Array(size); // of whole numbers: exact up to 2⁵³
  await forEachImage(dataset, signal, (image) => {
    for (let i = 0; i < size; i++) sums[i] += image[i];
  });
  return Float32Array.from(sums, (sum) => sum / dataset.labels.length);
}

/**
 * The mean of each channel over all pixels, 0 to 255.
 *
 * @throws as `meanImage`
 */
export async function channelMeans(dataset: Dataset, signal?: AbortSignal): Promise<number[]> {
  return (await colourMoments(dataset, signal)).means;
}

/** Means [C] and covariances [C, C] (divided by the number of pixels) of the channels over all pixels. */
export interface ColourMoments {
  readonly means: number[];
  readonly covariance: number[][];
}

/**
 * First and second moments of the colours of all pixels. Sums are of whole numbers and exact while they are below 2⁵³, which is
 * 1.3·10¹¹ pixels.
 *
 * @throws as `meanImage`
 */
export async function colourMoments(dataset: Dataset, signal?: AbortSignal): Promise<ColourMoments> {
  const [channels, height, width] = dataset.shape;
  const plane = height * width;
  const sums = new Float64Array(channels);
  const products = new Float64Array(channels * channels);
  await forEachImage(dataset, signal, (image) => {
    for (let a = 0; a < channels; a++) {
      let sum = 0;
      for (let i = a * plane; i < (a + 1) * plane; i++) sum += image[i];
      sums[a] += sum;
      for (let b = a; b < channels; b++) {
        let product = 0;
        const apart = (b - a) * plane;
        for (let i = a * plane; i < (a + 1) * plane; i++) product += image[i] * image[i + apart];
        products[a * channels + b] += product;
      }
    }
  });
  const pixels = plane * dataset.labels.length;
  const means = Array.from(sums, (sum) => sum / pixels);
  const covariance = means.map((_, a) =>
    means.map((_, b) => products[Math.min(a, b) * channels + Math.max(a, b)] / pixels - means[a] * means[b]),
  );
  return { means, covariance };
}

/**
 * Colour noise along the principal components of the training set's RGB pixels, the largest first; the sign of a component means nothing
 * (the noise is symmetric), and its largest entry is positive here. α ~ N(0, 0.1²) as in Krizhevsky et al. 2012, §4.1.
 *
 * @param scale how far α moves a pixel along a component, in grey levels. 'deviation': √λ for an eigenvalue λ of the covariance of
 * pixels from 0 to 255, and the image is divided by 1.1 afterwards (cuda-convnet2). 'eigenvalue': λ as the paper writes, of pixels from 0 to 1,
 * so that a pixel from 0 to 255 moves by 255·λ₀₁ = λ/255 (fb.resnet.torch and what came of it); nothing is divided.
 * @throws ArgumentError for images that are not RGB; otherwise as `meanImage`
 */
export async function principalComponents(
  dataset: Dataset,
  scale: NoiseScale,
  signal?: AbortSignal,
): Promise<ColourNoise> {
  if (!noiseScales.includes(scale)) {
    throw new ArgumentError(`scale must be 'deviation' or 'eigenvalue', got '${scale}'`);
  }
  if (dataset.shape[0] !== 3) {
    throw new ArgumentError(
      `principal components are those of RGB images, ${dataset.name} has ${dataset.shape[0]} channels`,
    );
  }
  const { covariance } = await colourMoments(dataset, signal);
  const { values, vectors } = symmetricEigen(covariance);
  const positive = values.map((value) => Math.max(value, 0)); // a grey dataset has zeros, give or take a rounding
  return {
    std: 0.1,
    scales: positive.map((value) => (scale === 'deviation' ? Math.sqrt(value) : value / 255)),
    components: vectors,
    divide: scale === 'deviation' ? 1.1 : 1,
  };
}

async function forEachImage(
  dataset: Dataset,
  signal: AbortSignal | undefined,
  use: (image: Uint8Array) => void,
): Promise<void> {
  if (dataset.labels.length === 0) throw new InputError(`${dataset.name} has no images to take means of`);
  const size = elements(dataset.shape);
  const batch = Math.max(1, Math.floor(readAtOnce / size));
  for await (const { images } of batches(dataset, { batch, shuffle: false, signal })) {
    for (let at = 0; at < images.length; at += size) use(images.subarray(at, at + size));
    // In a page and beside a terminal's Ctrl-C, others get their turn.
    await new Promise((resolve) => setTimeout(resolve));
  }
}
