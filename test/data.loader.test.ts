import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { type Dataset, memoryDataset } from '../src/data/dataset.js';
import { type BatchOptions, batches, batchesPerEpoch, epochOrder } from '../src/data/loader.js';
import { ArgumentError, FileError, InputError } from '../src/errors.js';

/** One byte an image: its index. */
function bytes(count: number): Dataset {
  const labels = Int32Array.from({ length: count }, (_, i) => i % 2);
  return memoryDataset(
    'bytes',
    [1, 1, 1],
    ['even', 'odd'],
    labels,
    Uint8Array.from({ length: count }, (_, i) => i),
  );
}

/** The batches of an epoch as lists of bytes. */
async function collect(dataset: Dataset, options: BatchOptions): Promise<number[][]> {
  const all: number[][] = [];
  for await (const { images } of batches(dataset, options)) all.push([...images]);
  return all;
}

t.test('an epoch has every image once, in an order of its own', async (t) => {
  const dataset = bytes(23);
  const epochs = [];
  for (const epoch of [0, 1]) {
    const all = await collect(dataset, { batch: 5, seed: 3, epoch });
    t.same(
      all.map((batch) => batch.length),
      [5, 5, 5, 5, 3],
    );
    t.same(
      all.flat().sort((a, b) => a - b),
      Array.from({ length: 23 }, (_, i) => i),
    );
    t.same(all.flat(), [...epochOrder(23, 3, epoch)]);
    epochs.push(all);
  }
  t.notSame(epochs[0], epochs[1]);
  t.same(await collect(dataset, { batch: 5, seed: 3, epoch: 1 }), epochs[1], 'the same again');
  t.notSame(await collect(dataset, { batch: 5, seed: 4, epoch: 1 }), epochs[1], 'another seed');
  t.same((await collect(dataset, { batch: 7, seed: 3, epoch: 1 })).flat(), epochs[1].flat(), 'whatever the batch');
  t.same((await collect(dataset, { batch: 23, shuffle: false }))[0], [...Array(23).keys()]);
});

t.test('labels and places belong to the images', async (t) => {
  for await (const { images, labels, indices } of batches(bytes(10), { batch: 4 })) {
    t.same([...indices], [...images]);
    t.same(
      [...labels],
      [...images].map((value) => value % 2),
    );
  }
});

t.test('an epoch goes on from any batch', async (t) => {
  const options = { batch: 4, seed: 9, epoch: 2 };
  const all = await collect(bytes(18), options);
  for (let from = 0; from <= all.length; from++) {
    t.same(await collect(bytes(18), { ...options, from }), all.slice(from), `from ${from}`);
  }
  await t.rejects(collect(bytes(18), { ...options, from: 6 }), ArgumentError);
});

t.test('whole batches only, where they are wanted', async (t) => {
  t.same(
    (await collect(bytes(11), { batch: 4, whole: true })).map((batch) => batch.length),
    [4, 4],
  );
  t.equal(batchesPerEpoch(11, 4), 3);
  t.equal(batchesPerEpoch(11, 4, true), 2);
  await t.rejects(
    collect(bytes(3), { batch: 4, whole: true }),
    new InputError('bytes has 3 images, expected at least the 4 of one whole batch'),
  );
  t.same(
    (await collect(bytes(3), { batch: 4 })).map((batch) => batch.length),
    [3],
  );
  await t.rejects(collect(bytes(0), { batch: 4 }), new InputError('bytes has no images'));
});

t.test('options that cannot be', async (t) => {
  for (const options of [
    { batch: 0 },
    { batch: 1.5 },
    { batch: 2, seed: -1 },
    { batch: 2, epoch: 0.5 },
    { batch: 2, from: -1 },
  ]) {
    await t.rejects(collect(bytes(4), options), ArgumentError, JSON.stringify(options));
  }
});

/** A dataset whose reads end when the test says so. */
function slow(count: number) {
  const dataset = bytes(count);
  const waiting: (() => void)[] = [];
  const started: number[] = [];
  const slowly: Dataset = {
    ...dataset,
    async read(indices, into) {
      started.push(indices[0]);
      await new Promise<void>((resolve) => waiting.push(resolve));
      await dataset.read(indices, into);
    },
  };
  return { dataset: slowly, started, finish: () => waiting.shift()?.() };
}

t.test('the next batch is read while the caller works, and no other', async (t) => {
  const { dataset, started, finish } = slow(8);
  const epoch = batches(dataset, { batch: 2, shuffle: false });
  const first = epoch.next();
  await delay(1);
  t.same(started, [0]);
  finish();
  const one = (await first).value;
  t.same([...one.images], [0, 1]);
  await delay(1);
  t.same(started, [0, 2], 'it was asked for already');
  finish();
  await delay(1);
  t.same([...one.images], [0, 1], 'without touching what is in use');
  const two = (await epoch.next()).value;
  t.same([...two.images], [2, 3]);
  t.same([...one.images], [0, 1], 'nor what was asked for before');
  const end = epoch.return(undefined);
  finish();
  await end;
  t.same(started, [0, 2, 4], 'nothing more after the caller has left');
});

t.test('leaving waits for what is being read', async (t) => {
  const { dataset, finish } = slow(6);
  const epoch = batches(dataset, { batch: 2 });
  const first = epoch.next();
  finish();
  await first;
  let left = false;
  const end = epoch.return(undefined).then(() => {
    left = true;
  });
  await delay(5);
  t.notOk(left);
  finish();
  await end;
  t.ok(left);
});

t.test('a failure ends the epoch where it happened', async (t) => {
  const dataset = bytes(6);
  const broken: Dataset = {
    ...dataset,
    async read(indices, into) {
      if (indices[0] === 2) throw new FileError('the disk is gone');
      await dataset.read(indices, into);
    },
  };
  const seen: number[] = [];
  const run = async () => {
    for await (const { images } of batches(broken, { batch: 2, shuffle: false })) {
      seen.push(images[0]);
      await delay(5);
    }
  };
  await t.rejects(run(), new FileError('the disk is gone'));
  t.same(seen, [0], 'the batch before it was handed out');
});

t.test('an abort ends an epoch with its reason', async (t) => {
  const controller = new AbortController();
  const seen: number[] = [];
  const run = async () => {
    for await (const { images } of batches(bytes(6), { batch: 2, shuffle: false, signal: controller.signal })) {
      seen.push(images[0]);
      controller.abort(new Error('enough'));
    }
  };
  await t.rejects(run(), new Error('enough'));
  t.same(seen, [0]);
});

t.test('three arrays serve a whole epoch', async (t) => {
  const buffers = new Set<ArrayBufferLike>();
  for await (const { images } of batches(bytes(100), { batch: 4 })) buffers.add(images.buffer);
  t.equal(buffers.size, 3);
});
