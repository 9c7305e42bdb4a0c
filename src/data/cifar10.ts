/**
 * CIFAR-10's binary release (www.cs.toronto.edu/~kriz/cifar.html): data_batch_1.bin to 5 and test_batch.bin, records of one label byte and
 * 3,072 bytes: the red, green and blue plane of 32×32. Node only; its modules are imported on use, so that a page can import this file.
 */
import { FileError } from '../errors.js';
import { checkLabels, type DataSplits, type Dataset, memoryDataset } from './dataset.js';
import { readWhole } from './files.js';

const shape = [3, 32, 32] as const;
const imageBytes = 3 * 32 * 32;
const recordBytes = 1 + imageBytes;
const classNames = 'airplane automobile bird cat deer dog frog horse ship truck'.split(' ');
const trainingBatch = /^data_batch_(\d+)\.bin$/;
const testBatch = 'test_batch.bin';

/** Whether a folder with these files is one of CIFAR-10. */
export function isCifar10(names: readonly string[]): boolean {
  return names.some((name) => trainingBatch.test(name));
}

/**
 * Opens the folder of the binary release; a release of which some batches are missing is as large as it is.
 *
 * @throws FileError for a file that is not whole records; InputError for a label above 9
 */
export async function openCifar10(folder: string): Promise<DataSplits> {
  const { readdir } = await import('node:fs/promises');
  const names = await readdir(folder);
  const numberOf = (name: string) => Number(trainingBatch.exec(name)?.[1]);
  const batches = names.filter((name) => trainingBatch.test(name)).sort((a, b) => numberOf(a) - numberOf(b));
  const train = await openBatches(folder, batches, 'cifar10 train');
  return names.includes(testBatch)
    ? { train, test: await openBatches(folder, [testBatch], 'cifar10 test') }
    : { train };
}

async function openBatches(folder: string, names: readonly string[], name: string): Promise<Dataset> {
  const { join } = await import('node:path');
  const parts: { readonly labels: Int32Array; readonly images: Uint8Array }[] = [];
  for (const batch of names) {
    const path = join(folder, batch);
    parts.push(parseRecords(await readWhole(path), path));
  }
  const count = parts.reduce((sum, { labels }) => sum + labels.length, 0);
  const labels = new Int32Array(count);
  const bytes = new Uint8Array(count * imageBytes);
  let at = 0;
  for (const part of parts) {
    labels.set(part.labels, at);
    bytes.set(part.images, at * imageBytes);
    at += part.labels.length;
  }
  return memoryDataset(name, shape, classNames, labels, bytes);
}

/**
 * Labels and images [N, 3, 32, 32] of one batch.
 *
 * @param where the file's name in errors
 * @throws FileError when the records are not whole; InputError for a label above 9
 */
export function parseRecords(file: Uint8Array, where: string): { labels: Int32Array; images: Uint8Array } {
  const count = file.length / recordBytes;
  if (!Number.isInteger(count) || count === 0) {
    throw new FileError(`'${where}' has ${file.length} bytes, expected whole records of ${recordBytes} bytes`);
  }
  const labels = Int32Array.from({ length: count }, (_, i) => file[i * recordBytes]);
  checkLabels(`'${where}'`, labels, classNames.length);
  const images = new Uint8Array(count * imageBytes);
  for (let i = 0; i < count; i++) {
    images.set(file.subarray(i * recordBytes + 1, (i + 1) * recordBytes), i * imageBytes);
  }
  return { labels, images };
}
