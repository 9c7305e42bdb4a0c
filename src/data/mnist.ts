/** MNIST as its four IDX files. Node only; its modules are imported on use, so that a page can import this file. */
import { FileError } from '../errors.js';
import { checkLabels, type DataSplits, type Dataset, memoryDataset } from './dataset.js';
import { readWhole } from './files.js';
import { type IdxArray, parseIdx } from './idx.js';

const classes = Array.from('0123456789');
/** As they are published, and as some archives unpack them; gzip or not. */
const spellings = [
  (what: string, rank: number) => `${what}-idx${rank}-ubyte`,
  (what: string, rank: number) => `${what}.idx${rank}-ubyte`,
].flatMap((spell) => [spell, (what: string, rank: number) => `${spell(what, rank)}.gz`]);

/** Whether a folder with these files is one of MNIST. */
export function isMnist(names: readonly string[]): boolean {
  return find(names, 'train-images', 3) !== undefined;
}

/**
 * Opens a folder with `train-images-idx3-ubyte`, `train-labels-idx1-ubyte` and, where they are, the two of `t10k`, gzip or not.
 *
 * @throws FileError for a file that is missing or not what it should be; InputError for a label above 9
 */
export async function openMnist(folder: string): Promise<DataSplits> {
  const { readdir } = await import('node:fs/promises');
  const names = await readdir(folder);
  const train = await openPart(folder, names, 'train', 'mnist train');
  const hasTest = find(names, 't10k-images', 3) ?? find(names, 't10k-labels', 1);
  return hasTest ? { train, test: await openPart(folder, names, 't10k', 'mnist test') } : { train };
}

async function openPart(folder: string, names: readonly string[], part: string, name: string): Promise<Dataset> {
  const [images, labels] = await Promise.all([
    read(folder, names, `${part}-images`, 3),
    read(folder, names, `${part}-labels`, 1),
  ]);
  const [count, height, width] = images.shape;
  if (labels.shape[0] !== count) {
    throw new FileError(`'${labels.path}' has ${labels.shape[0]} labels, '${images.path}' has ${count} images`);
  }
  const classOf = Int32Array.from(labels.data);
  checkLabels(`'${labels.path}'`, classOf, classes.length);
  return memoryDataset(name, [1, height, width], classes, classOf, images.data);
}

async function read(
  folder: string,
  names: readonly string[],
  what: string,
  rank: number,
): Promise<IdxArray & { readonly path: string }> {
  const { join } = await import('node:path');
  const name = find(names, what, rank);
  if (name === undefined) throw new FileError(`'${folder}' has no ${what}-idx${rank}-ubyte (or .gz)`);
  const path = join(folder, name);
  return { ...(await parseIdx(await readWhole(path), rank, path)), path };
}

function find(names: readonly string[], what: string, rank: number): string | undefined {
  return spellings.map((spell) => spell(what, rank)).find((name) => names.includes(name));
}
