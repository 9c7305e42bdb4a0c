/** Ten classes of drawn shapes and textures: a dataset that is there without a file, from a seed, at any size. */
import { elements } from '../ops/define.js';
import { hashName, unit } from '../ops/lib/deviates.js';
import { philox4x32, split64 } from '../ops/lib/philox.js';
import { checkRead, type DataSplits, type Dataset, memoryDataset } from './dataset.js';
import { type Figure, shapes, textures } from './figures.js';
import { checkWhole, dataDomain } from './permutation.js';
import { luma, type StoredAs, storedShape } from './stored.js';

export interface SyntheticOptions {
  /** How large, and in colours or grey. */
  readonly stored: Pick<StoredAs, 'channels' | 'side'>;
  /** 0 by default. */
  readonly seed?: number;
  /** Images to train on, 10,000 by default, and to test with, 2,000; all classes alike, in turn. */
  readonly trainingImages?: number;
  readonly testImages?: number;
  /** Up to so many bytes of images are drawn beforehand, 256 MiB by default; larger ones are drawn when they are asked for. */
  readonly inMemory?: number;
  readonly onProgress?: (done: number, total: number, note: string) => void;
  readonly signal?: AbortSignal;
}

const classes = [...Object.keys(shapes), ...Object.keys(textures)];
const inMemoryByDefault = 2 ** 28;
/** Drawing stops after so long for others to get their turn, in milliseconds. */
const turn = 50;

/**
 * Image i shows class i mod 10, in two colours of clear contrast with any hues, turned, shifted and scaled, over a gradient, with noise.
 * It depends on the seed and on i alone; the test images come after the training images.
 *
 * @throws ArgumentError for numbers that cannot be; the signal's reason when it is aborted
 */
export async function openSynthetic(options: SyntheticOptions): Promise<DataSplits> {
  const { trainingImages = 10_000, testImages = 2000 } = options;
  checkWhole('seed', options.seed ?? 0);
  checkWhole('trainingImages', trainingImages, 1);
  checkWhole('testImages', testImages);
  const total = trainingImages + testImages;
  const train = await draw('synthetic train', 0, trainingImages, total, options);
  if (testImages === 0) return { train };
  return { train, test: await draw('synthetic test', trainingImages, testImages, total, options) };
}

async function draw(
  name: string,
  first: number,
  count: number,
  total: number,
  { stored, seed = 0, inMemory = inMemoryByDefault, onProgress, signal }: SyntheticOptions,
): Promise<Dataset> {
  const shape = storedShape({ ...stored, fit: 'warp' });
  const size = elements(shape);
  const labels = Int32Array.from({ length: count }, (_, i) => (first + i) % classes.length);
  const drawn = total * size <= inMemory ? new Uint8Array(count * size) : undefined;
  if (drawn) {
    let rested = performance.now();
    for (let i = 0; i < count; i++) {
      drawImage(seed, first + i, stored, drawn.subarray(i * size, (i + 1) * size));
      if (performance.now() - rested < turn) continue;
      onProgress?.(first + i + 1, total, 'drawing images');
      await new Promise((resolve) => setTimeout(resolve));
      signal?.throwIfAborted();
      rested = performance.now();
    }
    onProgress?.(first + count, total, 'drawing images');
    return memoryDataset(name, shape, classes, labels, drawn);
  }
  const dataset: Dataset = {
    name,
    shape,
    classes,
    labels,
    async read(indices, into) {
      checkRead(dataset, indices, into);
      for (let i = 0; i < indices.length; i++) {
        drawImage(seed, first + indices[i], stored, into.subarray(i * size, (i + 1) * size));
      }
    },
    async close() {},
  };
  return dataset;
}

/** Numbers for one image: word i is word i mod 4 of Philox(counter = (⌊i/4⌋, hash of the dataset's name, image, `dataDomain`), key = seed). */
class Words {
  private readonly key: readonly [number, number];
  private readonly counter: number[];
  private readonly words = new Uint32Array(4);
  private next = 4;

  constructor(seed: number, image: number) {
    this.key = split64(seed);
    this.counter = [-1, hashName('synthetic'), image, dataDomain];
  }

  word(): number {
    if (this.next === 4) {
      this.counter[0]++;
      philox4x32(this.counter, this.key, this.words);
      this.next = 0;
    }
    return this.words[this.next++];
  }

  /** Between `least` and `most`, every number alike. */
  between(least: number, most: number): number {
    return least + (most - least) * unit(this.word());
  }
}

/** Red, green, blue, and the luma of the three. */
type Colour = readonly number[];

/** Least difference in luma of the two colours: less is lost in the noise. */
const leastContrast = 50;

function drawImage(seed: number, image: number, stored: SyntheticOptions['stored'], into: Uint8Array): void {
  const { channels, side } = stored;
  const words = new Words(seed, image);
  const figure = place(classes[image % classes.length], words);
  const [ground, ink] = twoColours(words);
  // The light changes from side to side.
  const [across, down] = [words.between(-30, 30), words.between(-30, 30)];
  const noise = words.between(4, 30);
  let grain = words.word() | 1;
  const plane = side * side;
  const pixel = 2 / side;
  for (let y = 0, at = 0; y < side; y++) {
    const v = (y + 0.5) * pixel - 1;
    for (let x = 0; x < side; x++, at++) {
      const u = (x + 0.5) * pixel - 1;
      // How much of the pixel is inside, for an edge that is straight.
      const share = Math.min(Math.max(0.5 - figure(u, v) / pixel, 0), 1);
      const light = across * u + down * v;
      // Marsaglia 2003, xorshift with the triple (13, 17, 5): there are many pixels, and their noise need not be any better.
      grain ^= grain << 13;
      grain ^= grain >>> 17;
      grain ^= grain << 5;
      let word = grain;
      for (let c = 0; c < channels; c++, word >>>= 8) {
        const from = channels === 1 ? 3 : c;
        const level = ground[from] + (ink[from] - ground[from]) * share;
        const noisy = level + light + noise * ((word & 255) / 127.5 - 1);
        into[c * plane + at] = Math.min(Math.max(Math.round(noisy), 0), 255);
      }
    }
  }
}

/** A figure somewhere in the square from −1 to 1, of some size, turned. Distances stay distances. */
function place(name: string, words: Words): Figure {
  const isShape = name in shapes;
  const angle = isShape ? words.between(-0.5, 0.5) : words.between(-Math.PI, Math.PI);
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  const size = isShape ? words.between(0.4, 0.85) : 1;
  const free = isShape ? 1 - 0.9 * size : 0.9;
  const [left, top] = [words.between(-free, free), words.between(-free, free)];
  const figure = isShape ? shapes[name] : textures[name](words.between(0.35, 0.75));
  return (u, v) => {
    const [x, y] = [(u - left) / size, (v - top) / size];
    return size * figure(cos * x + sin * y, cos * y - sin * x);
  };
}

function twoColours(words: Words): readonly [Colour, Colour] {
  const draw = (): Colour => {
    const rgb = [0, 1, 2].map(() => words.between(20, 235));
    return [...rgb, luma[0] * rgb[0] + luma[1] * rgb[1] + luma[2] * rgb[2]];
  };
  for (;;) {
    const [ground, ink] = [draw(), draw()];
    if (Math.abs(ground[3] - ink[3]) >= leastContrast) return [ground, ink];
  }
}
