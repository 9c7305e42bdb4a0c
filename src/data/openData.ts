/** Finds out what a name or folder of data is, and opens it for a network. Node's modules are imported on use, so that a page can import this file. */
import { isSystemError } from '../atomicFile.js';
import { FileError, InputError } from '../errors.js';
import type { Augmentation } from '../models/augmentation.js';
import type { Preprocessing } from '../models/model.js';
import { formatShape } from '../ops/define.js';
import { isCifar10, openCifar10 } from './cifar10.js';
import { type DataSplits, type Dataset, split } from './dataset.js';
import type { DecodingOptions } from './decodeAll.js';
import { foldersIn, openFolder } from './folder.js';
import { isMnist, openMnist } from './mnist.js';
import { type StoredAs, storedAs } from './stored.js';
import { openSynthetic } from './synthetic.js';

export interface OpenDataOptions extends DecodingOptions {
  /** Says channels, fit, resize and crop: folders and 'synthetic' are made to the size that crops are cut from. */
  readonly preprocessing: Preprocessing;
  readonly augmentation?: Augmentation;
  /** Of 'synthetic' and of the validation split; 0 by default. */
  readonly seed?: number;
  /** Share of the training set that becomes `validation`, 0 by default. A folder's own `val` goes before. */
  readonly validation?: number;
  /** Folder of the packed cache of decoded images, by default `tandem/images` in the user's cache folder. */
  readonly cache?: string;
  /** Up to so many bytes of images are held in memory, 256 MiB by default; class folders beyond it are read from their packed file. */
  readonly inMemory?: number;
}

/** Names that the parts of a folder go by. */
const parts = { train: ['train', 'training'], validation: ['val', 'valid', 'validation'], test: ['test'] } as const;
/** What the binary release unpacks to. */
const cifar10Folder = 'cifar-10-batches-bin';

/**
 * Opens data to train on.
 *
 * @param source 'synthetic'; a folder with MNIST's IDX files (gzip or not), or with CIFAR-10's binary release; or one of class folders of
 * JPEG, PNG or WebP images, directly or in `train` and `val` or `test`
 * @throws FileError for a source that is missing, none of these, or damaged (see `openFolder` for images that cannot be read); InputError
 * for labels out of range, and for images that the network cannot read; ArgumentError for options that cannot be
 */
export async function openData(source: string, options: OpenDataOptions): Promise<DataSplits> {
  const { preprocessing, seed = 0, validation = 0, signal } = options;
  signal?.throwIfAborted();
  const stored = storedAs(preprocessing, options.augmentation);
  const found = await openSource(source, stored, options);
  const opened = [found.train, found.validation, found.test];
  try {
    for (const dataset of opened) if (dataset) checkFits(dataset, stored.channels, preprocessing.crop);
    if (validation === 0 || found.validation) return found;
    const [train, part] = split(found.train, validation, seed);
    return {
      ...found,
      train: named(train, found.train.name),
      validation: named(part, `${found.train.name}, validation`),
    };
  } catch (error) {
    for (const dataset of opened) await dataset?.close();
    throw error;
  }
}

async function openSource(source: string, stored: StoredAs, options: OpenDataOptions): Promise<DataSplits> {
  // Named one by one: a caller may hand in a whole model, which has fields that mean something else here.
  const { seed, cache, inMemory, skipBad, onProgress, onSkipped, signal } = options;
  if (source === 'synthetic') return openSynthetic({ stored, seed, inMemory, onProgress, signal });
  const folderOptions = { stored, cache, inMemory, skipBad, onProgress, onSkipped, signal };
  const names = await namesIn(source);
  if (isMnist(names)) return openMnist(source);
  if (isCifar10(names)) return openCifar10(source);
  const { basename, join, resolve } = await import('node:path');
  if (names.includes(cifar10Folder)) {
    const inner = join(source, cifar10Folder);
    if (isCifar10(await namesIn(inner))) return openCifar10(inner);
  }
  const folders = await foldersIn(source);
  if (folders.length === 0) {
    throw new FileError(
      `'${source}' has neither class folders of images, nor MNIST's train-images-idx3-ubyte, nor CIFAR-10's data_batch_1.bin`,
    );
  }
  const name = basename(resolve(source));
  const partOf = (spellings: readonly string[]) => folders.find((folder) => spellings.includes(folder.toLowerCase()));
  const trainFolder = partOf(parts.train);
  if (trainFolder === undefined) return { train: await openFolder(source, name, folderOptions) };
  const train = await openFolder(join(source, trainFolder), `${name} train`, folderOptions);
  const opened: Dataset[] = [train];
  const openPart = async (part: 'validation' | 'test'): Promise<Dataset | undefined> => {
    const folder = partOf(parts[part]);
    if (folder === undefined) return undefined;
    const { classes } = train;
    const dataset = await openFolder(join(source, folder), `${name} ${folder}`, { ...folderOptions, classes });
    opened.push(dataset);
    return dataset;
  };
  try {
    return { train, validation: await openPart('validation'), test: await openPart('test') };
  } catch (error) {
    for (const dataset of opened) await dataset.close();
    throw error;
  }
}

async function namesIn(folder: string): Promise<string[]> {
  const { readdir } = await import('node:fs/promises');
  return readdir(folder).catch((error: unknown) => {
    if (!isSystemError(error)) throw error;
    const expected =
      "expected 'synthetic' or a folder (MNIST's IDX files, CIFAR-10's binary release, or class folders)";
    throw new FileError(`cannot open the data '${folder}': ${error.message}; ${expected}`, { cause: error });
  });
}

function checkFits({ name, shape }: Dataset, channels: number, crop: number): void {
  const [c, height, width] = shape;
  if (c === channels && height >= crop && width >= crop) return;
  const wanted = `${channels === 1 ? 'grey' : 'RGB'} images of at least ${crop}×${crop}`;
  throw new InputError(`${name} has images of ${formatShape(shape)}, the network reads ${wanted}`);
}

function named(dataset: Dataset, name: string): Dataset {
  return { ...dataset, name };
}
