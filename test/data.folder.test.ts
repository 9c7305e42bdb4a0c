/** Class folders of images, and the packed cache of what was decoded. */
import { execFile } from 'node:child_process';
import { cp, mkdir, open, readdir, readFile, rename, rm, truncate, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import sharp from 'sharp';
import t, { type Test } from 'tap';
import type { DataSplits, Dataset } from '../src/data/dataset.js';
import { type OpenDataOptions, openData } from '../src/data/openData.js';
import { FileError, InputError } from '../src/errors.js';
import type { Preprocessing } from '../src/models/model.js';
import { preset } from '../src/models/presets.js';
import { emptyFolder } from './support/cli.js';

const run = promisify(execFile);
const preprocessing: Preprocessing = { channels: 'RGB', fit: 'warp', resize: 8, crop: 6, mean: [0, 0, 0], scale: 1 };

type Levels = readonly [number, number, number];

async function image(path: string, [r, g, b]: Levels, width = 8, height = 8): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await sharp({ create: { width, height, channels: 3, background: { r, g, b } } }).toFile(path);
}

/** `train` with three cats and two dogs (in PNG, lossless WebP and JPEG), `test` with a dog, and a cache folder beside. */
async function pets(t: Test): Promise<{ data: string; options: OpenDataOptions; cache: string }> {
  const root = t.testdir();
  const [data, cache] = [join(root, 'pets'), join(root, 'cache')];
  await image(join(data, 'train/dog/1.png'), [10, 20, 30]);
  await image(join(data, 'train/dog/2.PNG'), [40, 50, 60]);
  await image(join(data, 'train/cat/b.png'), [70, 80, 90]);
  await image(join(data, 'train/cat/a.jpeg'), [100, 100, 100]);
  await image(join(data, 'train/cat/c.png'), [130, 140, 150], 20, 8);
  await image(join(data, 'test/dog/9.png'), [160, 170, 180]);
  await writeFile(join(data, 'train/cat/notes.txt'), 'no image');
  await writeFile(join(data, 'train/cat/._b.png'), 'what some systems leave behind');
  return { data, cache, options: { preprocessing, cache } };
}

async function read(dataset: Dataset, indices: readonly number[]): Promise<Uint8Array[]> {
  const [c, h, w] = dataset.shape;
  const into = new Uint8Array(indices.length * c * h * w);
  await dataset.read(indices, into);
  return indices.map((_, i) => into.slice(i * c * h * w, (i + 1) * c * h * w));
}

/** The first pixel of each image. */
async function levels(dataset: Dataset): Promise<number[][]> {
  const [, height, width] = dataset.shape;
  const plane = height * width;
  const images = await read(dataset, [...dataset.labels.keys()]);
  return images.map((bytes) => [bytes[0], bytes[plane], bytes[2 * plane]]);
}

async function closeAll({ train, validation, test }: DataSplits): Promise<void> {
  for (const dataset of [train, validation, test]) await dataset?.close();
}

t.test('class folders in train and test', async (t) => {
  const { data, options } = await pets(t);
  const seen: [number, number][] = [];
  const splits = await openData(data, { ...options, onProgress: (done, total) => seen.push([done, total]) });
  const { train, test } = splits;
  t.match(train, { name: 'pets train', shape: [3, 8, 8], classes: ['cat', 'dog'] });
  t.same([...train.labels], [0, 0, 0, 1, 1]);
  t.same(await levels(train), [
    [100, 100, 100],
    [70, 80, 90],
    [130, 140, 150],
    [10, 20, 30],
    [40, 50, 60],
  ]);
  t.match(test, { name: 'pets test', classes: ['cat', 'dog'] }, 'the classes of the training set');
  t.same([...(test?.labels ?? [])], [1]);
  t.same(test && (await levels(test)), [[160, 170, 180]]);
  t.same(seen.at(4), [5, 5]);
  t.same(seen.at(-1), [1, 1]);
  await closeAll(splits);
});

t.test('a whole model says how; its other fields mean nothing here', async (t) => {
  const { data, cache } = await pets(t);
  const splits = await openData(data, { ...preset('cifar10-13pct'), cache });
  t.match(splits.train, { shape: [3, 32, 32], classes: ['cat', 'dog'] });
});

t.test('class folders directly; val is for validation', async (t) => {
  const { data, options } = await pets(t);
  const { train, test } = await openData(join(data, 'train'), options);
  t.match(train, { name: 'train', classes: ['cat', 'dog'] });
  t.equal(test, undefined);
  await rename(join(data, 'test'), join(data, 'val'));
  const { validation, ...others } = await openData(data, { ...options, validation: 0.4 });
  t.same([...(validation?.labels ?? [])], [1], 'the folder goes before a share');
  t.equal(others.train.labels.length, 5);
  t.equal(others.test, undefined);
});

t.test('a second opening decodes nothing', async (t) => {
  const { data, options, cache } = await pets(t);
  const first = await levels((await openData(data, options)).train);
  const files = await readdir(cache);
  t.equal(files.length, 2, 'one for each part, and nothing else');
  let decoded = 0;
  const again = { ...options, onProgress: () => decoded++ };
  t.same(await levels((await openData(data, again)).train), first);
  t.equal(decoded, 0);
  const moved = `${data} moved`;
  await rename(data, moved);
  t.same(await levels((await openData(moved, again)).train), first);
  t.equal(decoded, 0, 'nor elsewhere');

  await utimes(join(moved, 'train/dog/1.png'), 1, 1);
  await openData(moved, again);
  t.equal(decoded, 5, 'a file that changed: all of its part');
  decoded = 0;
  await openData(moved, { ...again, preprocessing: { ...preprocessing, resize: 9 } });
  t.equal(decoded, 6, 'another size');
  decoded = 0;
  await openData(moved, { ...again, preprocessing: { ...preprocessing, channels: 'BGR', mean: [1, 2, 3] } });
  t.equal(decoded, 0, 'what the device does changes nothing');
});

t.test('what is beyond memory is read by position', async (t) => {
  const { data, options } = await pets(t);
  const { train } = await openData(data, options);
  const splits = await openData(data, { ...options, inMemory: 0, validation: 0.2, seed: 1 });
  const large = (await openData(data, { ...options, inMemory: 0 })).train;
  for (const indices of [[0, 1, 2, 3, 4], [4, 0, 1, 1, 3], []]) {
    t.same(await read(large, indices), await read(train, indices), `${indices}`);
  }
  t.same(large.labels, train.labels);
  t.equal(splits.validation?.labels.length, 1);
  await closeAll(splits);
  await large.close();
  await t.rejects(read(large, [0]), { name: 'FileError', message: /cannot read the cache of decoded images/ });
});

t.test('shorter side, centre and grey', async (t) => {
  const root = t.testdir();
  const file = join(root, 'data/one/wide.png');
  await mkdir(dirname(file), { recursive: true });
  // Three squares: red, green, blue.
  const thirds = Uint8Array.from({ length: 12 * 4 * 3 }, (_, i) =>
    i % 3 === Math.floor(((i / 3) % 12) / 4) ? 200 : 0,
  );
  await sharp(thirds, { raw: { width: 12, height: 4, channels: 3 } }).toFile(file);
  const options = { cache: join(root, 'cache') };
  const centred: Preprocessing = { ...preprocessing, fit: 'shorter-side', resize: 4, crop: 4 };
  const { train } = await openData(join(root, 'data'), { ...options, preprocessing: centred });
  t.same(await levels(train), [[0, 200, 0]]);
  const cropFrom = { cropFrom: 12 };
  const large = await openData(join(root, 'data'), { ...options, preprocessing: centred, augmentation: cropFrom });
  t.same(large.train.shape, [3, 12, 12], 'made to the side that crops are cut from');
  const grey: Preprocessing = { ...centred, channels: 'grey', mean: [0] };
  const { train: dark } = await openData(join(root, 'data'), { ...options, preprocessing: grey });
  t.same(dark.shape, [1, 4, 4]);
  t.equal((await read(dark, [0]))[0][5], Math.round(0.587 * 200));
  const tooSmall = openData('synthetic', { preprocessing: { ...preprocessing, crop: 9 } });
  await t.rejects(tooSmall, { name: 'ArgumentError', message: 'crops of 9×9 cannot be cut from images of 8×8' });
});

t.test('images that cannot be read are counted and named, and skipped on request', async (t) => {
  const { data, options, cache } = await pets(t);
  const whole = await readFile(join(data, 'train/cat/a.jpeg'));
  await writeFile(join(data, 'train/cat/cut.jpg'), whole.subarray(0, whole.length - 40));
  await writeFile(join(data, 'train/dog/0 text.webp'), 'this is no image');
  const refused = async () => {
    const error = await openData(data, options).then(() => undefined, String);
    t.match(error, /FileError: 2 of 7 images of '.*train' cannot be read \(with skipBad they are left out\)/);
    t.match(error, /\ncannot read the image 'cat\/cut.jpg': /);
    t.match(error, /\ncannot read the image 'dog\/0 text.webp': /);
  };
  await refused();
  await refused();
  t.equal((await readdir(cache)).length, 1, 'what was decoded is kept');
  for (const time of ['from the cache', 'again']) {
    const skipped: string[] = [];
    const skip = { ...options, skipBad: true, onSkipped: (path: string) => skipped.push(path) };
    const { train } = await openData(data, skip);
    t.same(skipped, [join(data, 'train/cat/cut.jpg'), join(data, 'train/dog/0 text.webp')], time);
    t.same([...train.labels], [0, 0, 0, 1, 1]);
    t.same((await levels(train)).at(3), [10, 20, 30], 'those after it have their places');
  }
  for (const name of ['1.png', '2.PNG']) await writeFile(join(data, 'train/dog', name), '');
  await t.rejects(openData(data, { ...options, skipBad: true }), {
    name: 'FileError',
    message: /none of the images of class 'dog' can be read/,
  });
});

t.test('many bad images: the first ten are named', async (t) => {
  const root = t.testdir();
  await mkdir(join(root, 'data/a'), { recursive: true });
  for (let i = 10; i < 33; i++) await writeFile(join(root, `data/a/${i}.png`), 'bad');
  const error = await openData(join(root, 'data'), { preprocessing, cache: root }).then(() => '', String);
  t.match(error, /23 of 23 images/);
  t.equal(error.match(/cannot read the image/g)?.length, 10);
  t.match(error, /'a\/19.png': .*\n… and 13 more$/);
});

t.test('folders that are not as they should be', async (t) => {
  const { data, options } = await pets(t);
  await mkdir(join(data, 'train/bird'));
  await t.rejects(openData(data, options), {
    name: 'FileError',
    message: /the class folder '.*train\/bird' has no images \(\.jpg, \.jpeg, \.png or \.webp\)/,
  });
  await rm(join(data, 'train/bird'), { recursive: true });
  await image(join(data, 'test/fish/1.png'), [1, 2, 3]);
  await t.rejects(openData(data, { ...options, inMemory: 0 }), InputError);
  await t.rejects(openData(data, options), {
    message: /test' has a class 'fish', expected those of the training set: cat, dog/,
  });
  await rm(join(data, 'test'), { recursive: true });
  await mkdir(join(data, 'test'));
  await t.rejects(openData(data, options), { name: 'FileError', message: /test' has no class folders/ });
});

t.test('a cache that cannot be written', async (t) => {
  const { data, options, cache } = await pets(t);
  await writeFile(cache, 'a file');
  const inAFile = openData(data, options);
  await t.rejects(inAFile, FileError);
  await t.rejects(inAFile, { message: /cannot write the cache of decoded images '.*cache.*\.packed': |ENOTDIR/ });

  // A disk that is full, as near as a test gets to it: files of this process may have 512 or 1,024 bytes.
  const full = join(dirname(data), 'full');
  const library = new URL('../src/data/openData.js', import.meta.url).href;
  // Node ignores the signal that comes with it; what runs the tests would not.
  const script = `process.on('SIGXFSZ', () => undefined);
    const { openData } = await import(${JSON.stringify(library)});
    await openData(${JSON.stringify(data)}, ${JSON.stringify({ ...options, cache: full })})
      .catch((error) => console.log(String(error)));`;
  const command = `ulimit -f 1; exec "$0" --input-type=module --eval "$1"`;
  const { stdout } = await run('sh', ['-c', command, process.execPath, script]);
  t.match(stdout, /^FileError: cannot write the cache of decoded images '.*full.*': EFBIG/);
  t.same(await readdir(full), [], 'nothing is left of it');
});

t.test('a cache that was damaged is made anew', async (t) => {
  const { data, options, cache } = await pets(t);
  const wanted = await levels((await openData(join(data, 'train'), options)).train);
  const [name] = await readdir(cache);
  const path = join(cache, name);
  const good = await readFile(path);
  const damages: Readonly<Record<string, () => Promise<void>>> = {
    'cut short': () => truncate(path, good.length - 100),
    'cut at its start': () => writeFile(path, good.subarray(64)),
    empty: () => writeFile(path, ''),
    'of another kind': () => writeFile(path, Buffer.alloc(5000, 1)),
    'with a wrong label': async () => {
      const file = await open(path, 'r+');
      await file.write(Uint8Array.of(2), 0, 1, 5 * 3 * 64);
      await file.close();
    },
  };
  for (const [how, damage] of Object.entries(damages)) {
    await damage();
    let decoded = 0;
    const { train } = await openData(join(data, 'train'), { ...options, onProgress: () => decoded++ });
    t.equal(decoded, 5, how);
    t.same(await levels(train), wanted);
    t.same(await readFile(path), good);
  }
  const { train } = await openData(join(data, 'train'), { ...options, inMemory: 0 });
  await truncate(path, 3 * 64 + 10);
  t.same(await read(train, [0]).then((images) => images.length), 1);
  await t.rejects(read(train, [0, 1]), { name: 'FileError', message: /packed' ends at byte 202, expected 182 more/ });
  await train.close();
});

t.test('what was not used for long goes when something new is packed', async (t) => {
  const { data, options, cache } = await pets(t);
  await openData(join(data, 'train'), options);
  const [name] = await readdir(cache);
  const day = 24 * 60 * 60;
  const age = (days: number) =>
    utimes(join(cache, name), Date.now() / 1000 - days * day, Date.now() / 1000 - days * day);
  await writeFile(join(cache, 'notes.packed'), 'of somebody else');
  await utimes(join(cache, 'notes.packed'), 1, 1);
  const larger = { ...options, preprocessing: { ...preprocessing, resize: 9 } };
  const wider = { ...options, preprocessing: { ...preprocessing, resize: 10 } };

  await age(59);
  await openData(join(data, 'train'), larger);
  t.equal((await readdir(cache)).length, 3, 'not for long enough');
  await age(61);
  await openData(join(data, 'train'), options);
  await openData(join(data, 'train'), wider);
  t.equal((await readdir(cache)).length, 4, 'opened in between');
  await age(61);
  await openData(join(data, 'train'), { ...options, preprocessing: { ...preprocessing, resize: 11 } });
  const left = await readdir(cache);
  t.notOk(left.includes(name));
  t.ok(left.includes('notes.packed') && left.length === 4);
});

t.test('an abort leaves no cache behind', async (t) => {
  const { data, options, cache } = await pets(t);
  const controller = new AbortController();
  const onProgress = () => controller.abort(new Error('enough'));
  await t.rejects(openData(data, { ...options, onProgress, signal: controller.signal }), new Error('enough'));
  t.same(await readdir(cache), []);
});

t.test('without sharp it says what to install; what is packed already needs none', async (t) => {
  const { data, options } = await pets(t);
  // Outside the project, whose packages would be found.
  const bare = await emptyFolder(t);
  await cp(fileURLToPath(new URL('../lib', import.meta.url)), bare('lib'), { recursive: true });
  await writeFile(bare('package.json'), '{ "type": "module" }');
  const script = `const { openData } = await import(${JSON.stringify(bare('lib/index.js'))});
    const { train } = await openData(${JSON.stringify(data)}, ${JSON.stringify(options)})
      .catch((error) => ({ train: { labels: [String(error)] } }));
    console.log(train.labels.join());`;
  const open = async () => (await run(process.execPath, ['--input-type=module', '--eval', script])).stdout;
  t.equal(await open(), "BackendError: decoding images needs the package 'sharp': npm install sharp\n");
  await openData(data, options);
  t.equal(await open(), '0,0,0,1,1\n');
});
