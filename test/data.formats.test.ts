/** MNIST's IDX files and CIFAR-10's binary release, made here byte by byte. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import t, { type Test } from 'tap';
import type { Dataset } from '../src/data/dataset.js';
import { openData } from '../src/data/openData.js';
import { FileError, InputError } from '../src/errors.js';
import { preset } from '../src/models/presets.js';

const { preprocessing: mnist } = preset('mnist-tf', { inputSize: 5 });
const { preprocessing: cifar } = preset('cifar10-quick');

function idx(magic: number, sizes: readonly number[], data: ArrayLike<number>): Uint8Array {
  const file = new Uint8Array(4 + 4 * sizes.length + data.length);
  const view = new DataView(file.buffer);
  for (const [i, word] of [magic, ...sizes].entries()) view.setUint32(4 * i, word);
  file.set(Uint8Array.from(data), 4 + 4 * sizes.length);
  return file;
}

const pixels = (count: number, first = 0) => Uint8Array.from({ length: count }, (_, i) => (first + i) % 251);
const digits = (count: number) => Uint8Array.from({ length: count }, (_, i) => (3 * i) % 10);
/** Six images of 5×5, and three. */
const files: Readonly<Record<string, Uint8Array>> = {
  'train-images-idx3-ubyte': idx(0x803, [6, 5, 5], pixels(150)),
  'train-labels-idx1-ubyte': idx(0x801, [6], digits(6)),
  't10k-images-idx3-ubyte': idx(0x803, [3, 5, 5], pixels(75, 99)),
  't10k-labels-idx1-ubyte': idx(0x801, [3], digits(3)),
};

async function read(dataset: Dataset, index: number): Promise<Uint8Array> {
  const [c, h, w] = dataset.shape;
  const into = new Uint8Array(c * h * w);
  await dataset.read([index], into);
  return into;
}

/** A folder with these files. */
async function folderOf(t: Test, content: Readonly<Record<string, Uint8Array | string>>): Promise<string> {
  const folder = t.testdir();
  for (const [name, bytes] of Object.entries(content)) await writeFile(join(folder, name), bytes);
  return folder;
}

t.test('MNIST, gzip or not, in either spelling', async (t) => {
  const spellings: Readonly<Record<string, (name: string) => string>> = {
    plain: (name) => name,
    dotted: (name) => name.replace('-idx', '.idx'),
    'gzip.gz': (name) => `${name}.gz`,
  };
  for (const [how, spell] of Object.entries(spellings)) {
    const zip = how.endsWith('.gz') ? gzipSync : (bytes: Uint8Array) => bytes;
    const content = Object.fromEntries(Object.entries(files).map(([name, bytes]) => [spell(name), zip(bytes)]));
    const { train, test, validation } = await openData(await folderOf(t, content), { preprocessing: mnist });
    t.match(train, { name: 'mnist train', shape: [1, 5, 5], classes: Array.from('0123456789') }, how);
    t.same([...train.labels], [0, 3, 6, 9, 2, 5]);
    t.same(await read(train, 4), pixels(25, 100));
    t.equal(test?.name, 'mnist test');
    t.same(test && (await read(test, 1)), pixels(25, 124));
    t.equal(validation, undefined);
  }
});

t.test('a share of the training set is for validation', async (t) => {
  const folder = await folderOf(t, files);
  const { train, validation, test } = await openData(folder, { preprocessing: mnist, validation: 1 / 3, seed: 1 });
  t.same([train.labels.length, validation?.labels.length, test?.labels.length], [4, 2, 3]);
  t.same([train.name, validation?.name], ['mnist train', 'mnist train, validation']);
});

t.test('MNIST files that are not what they should be', async (t) => {
  const [images, labels] = ['train-images-idx3-ubyte', 'train-labels-idx1-ubyte'];
  const wrong = async (
    name: string,
    bytes: Uint8Array | undefined,
    type: typeof FileError | typeof InputError,
    message: RegExp,
  ) => {
    const { [name]: _, ...others } = files;
    const folder = await folderOf(t, bytes ? { ...others, [name]: bytes } : others);
    await t.rejects(openData(folder, { preprocessing: mnist }), type, `${message}`);
    await t.rejects(openData(folder, { preprocessing: mnist }), { message });
  };
  const header = (magic: number) => idx(magic, [6, 5, 5], pixels(150));
  await wrong(
    images,
    header(0x801),
    FileError,
    /train-images-idx3-ubyte': the magic number is 0x00000801, expected 0x00000803/,
  );
  await wrong(images, header(0xd03), FileError, /magic number is 0x00000d03/);
  await wrong(images, idx(0x803, [6, 5, 5], pixels(149)), FileError, /6×5×5 take 150 bytes, the file has 149/);
  await wrong(images, idx(0x803, [6, 5, 5], pixels(151)), FileError, /the file has 151/);
  await wrong(images, new Uint8Array(7), FileError, /is not an IDX file: it has 7 bytes, the header takes 16/);
  await wrong(images, gzipSync(files[images]).subarray(0, 60), FileError, /cannot be unpacked by gzip/);
  await wrong(labels, undefined, FileError, /has no train-labels-idx1-ubyte/);
  await wrong(labels, idx(0x801, [5], digits(5)), FileError, /has 5 labels, '.*' has 6 images/);
  await wrong(
    labels,
    idx(0x801, [6], [0, 1, 2, 10, 4, 5]),
    InputError,
    /labels-idx1-ubyte': the label of image 3 is 10, expected 0 to 9/,
  );
  await wrong('t10k-labels-idx1-ubyte', undefined, FileError, /has no t10k-labels-idx1-ubyte/);
});

/** Record i of a batch: a label, then the three planes. */
function records(labels: readonly number[], first = 0): Uint8Array {
  const file = new Uint8Array(3073 * labels.length);
  for (const [i, label] of labels.entries()) file.set([label, ...pixels(3072, first + i)], 3073 * i);
  return file;
}

t.test('CIFAR-10’s binary release, batches in the order of their numbers', async (t) => {
  const content = {
    'data_batch_10.bin': records([9], 50),
    'data_batch_2.bin': records([3, 8], 20),
    'data_batch_1.bin': records([0, 6, 1]),
    'test_batch.bin': records([5, 2], 90),
    'readme.html': 'not data',
  };
  const folder = await folderOf(t, content);
  const { train, test } = await openData(folder, { preprocessing: cifar });
  t.match(train, { name: 'cifar10 train', shape: [3, 32, 32] });
  t.same([train.classes[0], train.classes[9]], ['airplane', 'truck']);
  t.same([...train.labels], [0, 6, 1, 3, 8, 9]);
  t.same(await read(train, 4), pixels(3072, 21));
  t.same(await read(train, 5), pixels(3072, 50));
  t.same([...(test?.labels ?? [])], [5, 2]);
  t.same(test && (await read(test, 0)), pixels(3072, 90));

  const outer = t.testdir();
  await mkdir(join(outer, 'cifar-10-batches-bin'));
  await writeFile(join(outer, 'cifar-10-batches-bin', 'data_batch_1.bin'), records([7]));
  const unpacked = await openData(outer, { preprocessing: cifar });
  t.same([...unpacked.train.labels], [7], 'the folder that it unpacks to');
  t.equal(unpacked.test, undefined);
});

t.test('CIFAR-10 files that are not what they should be', async (t) => {
  const open = async (bytes: Uint8Array) =>
    openData(await folderOf(t, { 'data_batch_1.bin': bytes }), { preprocessing: cifar });
  await t.rejects(open(records([1, 2]).subarray(0, 6145)), {
    name: 'FileError',
    message: /data_batch_1.bin' has 6145 bytes, expected whole records of 3073 bytes/,
  });
  await t.rejects(open(new Uint8Array(0)), { name: 'FileError', message: /has 0 bytes/ });
  await t.rejects(open(records([1, 11])), {
    name: 'InputError',
    message: /data_batch_1.bin': the label of image 1 is 11, expected 0 to 9 \(10 classes\)/,
  });
});

t.test('data that the network cannot read', async (t) => {
  const grey = await folderOf(t, files);
  await t.rejects(openData(grey, { preprocessing: cifar }), {
    name: 'InputError',
    message: 'mnist train has images of [1, 5, 5], the network reads RGB images of at least 32×32',
  });
  await t.rejects(openData(grey, { preprocessing: preset('mnist-tf').preprocessing }), { message: /at least 28×28/ });
  await t.rejects(openData(join(grey, 'missing'), { preprocessing: mnist }), {
    name: 'FileError',
    message: /cannot open the data '.*missing': ENOENT.*; expected 'synthetic' or a folder/,
  });
  await t.rejects(openData(join(grey, 'train-images-idx3-ubyte'), { preprocessing: mnist }), { message: /ENOTDIR/ });
  await t.rejects(openData(t.testdir(), { preprocessing: mnist }), {
    name: 'FileError',
    message: /has neither class folders of images, nor MNIST's .*, nor CIFAR-10's/,
  });
});
