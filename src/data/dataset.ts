/** Labelled images as bytes, wherever they lie: in memory, in a file, or as a selection of another dataset. */
import { ArgumentError, InputError } from '../errors.js';
import { elements, formatShape } from '../ops/define.js';
import { shuffle } from './permutation.js';

/** Images as bytes with class labels, all of one shape. */
export interface Dataset {
  /** 'cifar10 train' */
  readonly name: string;
  /** [C, H, W] of each stored image, in channel planes: RGB (C = 3) or grey (C = 1). */
  readonly shape: readonly [number, number, number];
  readonly classes: readonly string[];
  /** One for each image: its place in `classes`. */
  readonly labels: Int32Array;
  /**
   * Copies images one after another into `into`, indices.length · C·H·W bytes.
   *
   * @throws ArgumentError for an index that no image has, or another length of `into`; FileError when the images cannot be read
   */
  read(indices: ArrayLike<number>, into: Uint8Array): Promise<void>;
  /** Closes what is open (a subset closes what it selects from). */
  close(): Promise<void>;
}

/** What data is for. */
export interface DataSplits {
  readonly train: Dataset;
  readonly validation?: Dataset;
  readonly test?: Dataset;
}

/**
 * Images that lie in memory.
 *
 * @param bytes [N, C, H, W]; they are not copied
 * @throws InputError for a label that no class has, or labels and bytes that do not belong together
 */
export function memoryDataset(
  name: string,
  shape: Dataset['shape'],
  classes: readonly string[],
  labels: Int32Array,
  bytes: Uint8Array,
): Dataset {
  checkLabels(name, labels, classes.length);
  const size = elements(shape);
  if (bytes.length !== labels.length * size) {
    throw new InputError(
      `${name}: ${labels.length} images of ${formatShape(shape)} take ${labels.length * size} bytes, got ${bytes.length}`,
    );
  }
  const dataset: Dataset = {
    name,
    shape,
    classes,
    labels,
    async read(indices, into) {
      checkRead(dataset, indices, into);
      for (let i = 0; i < indices.length; i++) {
        into.set(bytes.subarray(indices[i] * size, (indices[i] + 1) * size), i * size);
      }
    },
    async close() {},
  };
  return dataset;
}

/**
 * Some images of a dataset, in the order of `indices`; they may repeat.
 *
 * @throws ArgumentError for an index that no image has
 */
export function subset(dataset: Dataset, indices: ArrayLike<number>, name = dataset.name): Dataset {
  checkIndices(dataset, indices);
  const chosen = Int32Array.from(indices);
  const part: Dataset = {
    name,
    shape: dataset.shape,
    classes: dataset.classes,
    labels: chosen.map((index) => dataset.labels[index]),
    async read(places, into) {
      checkRead(part, places, into);
      const wanted = Int32Array.from(places, (place) => chosen[place]);
      await dataset.read(wanted, into);
    },
    close: () => dataset.close(),
  };
  return part;
}

/**
 * Parts a dataset by chance: [the rest, `share` of it], both in the dataset's order. Each class gives its share, give or take one image,
 * and the second part has share · N images in all, rounded.
 *
 * @param share between 0 and 1
 * @throws ArgumentError when one of the two would be empty
 */
export function split(dataset: Dataset, share: number, seed: number): [Dataset, Dataset] {
  const count = dataset.labels.length;
  const taken = Math.round(share * count);
  if (!(taken > 0 && taken < count)) {
    throw new ArgumentError(`a share of ${share} leaves one part of ${dataset.name} (${count} images) empty`);
  }
  const ofClass: number[][] = dataset.classes.map(() => []);
  for (let i = 0; i < count; i++) ofClass[dataset.labels[i]].push(i);
  const inPart = new Uint8Array(count);
  let before = 0;
  for (const [label, members] of ofClass.entries()) {
    const order = Int32Array.from(members);
    shuffle(order, `split of class ${label}`, seed);
    const until = before + members.length;
    const own = Math.round(share * until) - Math.round(share * before);
    for (const index of order.subarray(0, own)) inPart[index] = 1;
    before = until;
  }
  const all = Int32Array.from({ length: count }, (_, i) => i);
  const select = (part: 0 | 1) => all.filter((i) => inPart[i] === part);
  return [subset(dataset, select(0), `${dataset.name}, rest`), subset(dataset, select(1), `${dataset.name}, part`)];
}

/** @throws InputError naming the first image whose label is no class */
export function checkLabels(name: string, labels: Int32Array, classes: number): void {
  const wrong = labels.findIndex((label) => label < 0 || label >= classes);
  if (wrong >= 0) {
    throw new InputError(
      `${name}: the label of image ${wrong} is ${labels[wrong]}, expected 0 to ${classes - 1} (${classes} classes)`,
    );
  }
}

/** What every `Dataset.read` checks before it copies anything. */
export function checkRead(dataset: Dataset, indices: ArrayLike<number>, into: Uint8Array): void {
  const expected = indices.length * elements(dataset.shape);
  if (into.length !== expected) {
    const images = `${indices.length} images of ${formatShape(dataset.shape)}`;
    throw new ArgumentError(`${dataset.name}: ${images} take ${expected} bytes, got an array of ${into.length}`);
  }
  checkIndices(dataset, indices);
}

function checkIndices(dataset: Dataset, indices: ArrayLike<number>): void {
  const count = dataset.labels.length;
  for (let i = 0; i < indices.length; i++) {
    const index = indices[i];
    if (!(Number.isInteger(index) && index >= 0 && index < count)) {
      throw new ArgumentError(`${dataset.name} has images 0 to ${count - 1}, there is no image ${index}`);
    }
  }
}
