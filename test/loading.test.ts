/** Weights on their way from a file to where they stay. */
import { openAsBlob } from 'node:fs';
import { readFile, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { Storage } from '../src/backends/backend.js';
import { openReferenceBackend } from '../src/backends/reference/index.js';
import { openWasmBackend, type WasmOptions } from '../src/backends/wasm/index.js';
import type { Engine } from '../src/engine/engine.js';
import { openEngine } from '../src/engine/engine.js';
import { openSafetensors, parseSafetensors, writeSafetensors } from '../src/formats/safetensors.js';
import { inSlices } from '../src/formats/slices.js';
import { someImages, tinyModel } from './support/tiny.js';

async function openTiny(t: Test, options: Parameters<typeof openEngine>[0] = {}): Promise<Engine> {
  const engine = await openEngine(options);
  t.teardown(() => engine.close());
  return engine;
}

/** A file with the parameters of a tiny network of another seed, and those parameters. */
async function fileOfTiny(
  t: Test,
  change: (name: string) => Partial<{ name: string; shape: readonly number[] }> = () => ({}),
) {
  const engine = await openTiny(t, { backend: 'reference' });
  const net = await engine.network(tinyModel(), { seed: 99 });
  const tensors = [];
  for (const { name, shape } of net.parameters)
    tensors.push({ name, shape, data: await net.read(name), ...change(name) });
  const path = join(t.testdir(), 'tiny.safetensors');
  await writeSafetensors(path, tensors);
  return { path, tensors };
}

t.test('a file is a source of weights: by path, as a blob, from memory; in shared memory and in other', async (t) => {
  const { path, tensors } = await fileOfTiny(t);
  for (const options of [{}, { sharedMemory: false }, { backend: 'reference' }] as const) {
    const engine = await openTiny(t, options);
    for (const file of [
      await openSafetensors(path),
      await openSafetensors(await openAsBlob(path)),
      await parseSafetensors(await readFile(path)),
    ]) {
      const net = await engine.network(tinyModel(), { weights: file });
      await file.close();
      for (const { name, data } of tensors) t.same(await net.read(name), data, name);
      await net.close();
    }
  }
});

t.test('what the file does not have is drawn', async (t) => {
  const { path } = await fileOfTiny(t);
  const whole = await openSafetensors(path);
  t.teardown(() => whole.close());
  const [first, ...others] = whole.tensors.keys();
  const some = { ...whole, tensors: new Map([...whole.tensors].filter(([name]) => name === first)) };
  const engine = await openTiny(t);
  const net = await engine.network(tinyModel(), { weights: some });
  const drawn = await engine.network(tinyModel());
  t.same(await net.read(first), await whole.read(first));
  t.notSame(await net.read(first), await drawn.read(first));
  for (const name of others) t.same(await net.read(name), await drawn.read(name), name);
});

t.test('what does not fit the network is refused before anything is read', async (t) => {
  const engine = await openTiny(t);
  const cases = [
    [
      (name: string) => (name === 'fc3.bias' ? { name: 'fc9.bias' } : {}),
      /'.*tiny\.safetensors' has tensor 'fc9\.bias', which is no parameter/,
    ],
    [
      (name: string) => (name === 'fc3.bias' ? { shape: [4, 1] } : {}),
      /'.*tiny\.safetensors': tensor 'fc3\.bias' must be F32 \[4\], got F32 \[4, 1\]/,
    ],
  ] as const;
  for (const [change, message] of cases) {
    const { path } = await fileOfTiny(t, change);
    const file = await openSafetensors(path);
    t.teardown(() => file.close());
    const weights = { ...file, readInto: () => Promise.reject(new Error('it was read')) };
    await t.rejects(engine.network(tinyModel(), { weights }), { name: 'FileError', message });
  }
});

t.test('a file that ends early leaves no network', async (t) => {
  const { path } = await fileOfTiny(t);
  const file = await openSafetensors(path);
  t.teardown(() => file.close());
  await truncate(path, (await readFile(path)).length - 4);
  const engine = await openTiny(t);
  const message = /tensor '.*': '.*tiny\.safetensors' ends at byte \d+, expected 4 more/;
  await t.rejects(engine.network(tinyModel(), { weights: file }), { name: 'FileError', message });
  await t.rejects(openSafetensors(path), { name: 'FileError', message: /the tensors take/ });
  const net = await engine.network(tinyModel());
  t.ok((await net.forward(someImages(1))).logits.every(Number.isFinite), 'the engine goes on');
});

t.test('a tensor in parts', async (t) => {
  const file = await parseSafetensors(await readFile((await fileOfTiny(t)).path));
  const whole = await file.read('fc3.bias');
  const part = new Float32Array(2);
  await file.readInto('fc3.bias', part, 1);
  t.same(part, whole.subarray(1, 3));
  for (const offset of [-1, whole.length - 1, Number.NaN]) {
    await t.rejects(file.readInto('fc3.bias', part, offset), {
      name: 'ArgumentError',
      message: /'fc3\.bias' has 4 values/,
    });
  }
});

const storages: readonly [string, () => Promise<Storage>][] = [
  ['shared memory', () => allocate({ threads: 1 })],
  ['memory that is not shared', () => allocate({ sharedMemory: false })],
  ['reference', async () => openReferenceBackend().allocate({ dtype: 'f32', shape: [length] }, 'w')],
];
/** More than one piece, and not a whole number of them. */
const length = 2 ** 21 + 5;

async function allocate(options: WasmOptions): Promise<Storage> {
  const backend = await openWasmBackend(options);
  t.teardown(() => backend.close());
  return backend.allocate({ dtype: 'f32', shape: [length] }, 'w');
}

for (const [what, open] of storages) {
  t.test(`a storage loads all of a large tensor: ${what}`, async (t) => {
    const storage = await open();
    let calls = 0;
    await storage.load(async (into, offset) => {
      calls++;
      for (let i = 0; i < into.length; i++) into[i] = offset + i;
    });
    const found = await storage.read();
    t.equal(
      found.findIndex((value, i) => value !== i),
      -1,
      `in ${calls} pieces`,
    );
    await t.rejects(
      storage.load(() => Promise.reject(new RangeError('gone'))),
      new RangeError('gone'),
    );
    storage.free();
    await t.rejects(
      storage.load(async () => undefined),
      { name: 'BackendError', message: /freed/ },
    );
  });
}

t.test('slices fill all of an array, and a failure waits for those under way', async (t) => {
  const into = new Uint8Array(9 * 2 ** 20 + 3);
  await inSlices(into, async (slice) => void slice.fill(1));
  t.ok(into.every((byte) => byte === 1));
  let writing = 0;
  const failing = inSlices(into, async (_, at) => {
    if (at === 0) throw new RangeError('first');
    writing++;
    await new Promise((resolve) => setTimeout(resolve, 20));
    writing--;
  });
  await t.rejects(failing, new RangeError('first'));
  t.equal(writing, 0);
});

t.test('a network that is prepared gives the same results, with the weights of the moment', async (t) => {
  const engine = await openTiny(t);
  const net = await engine.network(tinyModel());
  const other = await engine.network(tinyModel());
  const images = someImages(2);
  await net.prepare({ mode: 'inference', batch: 2 });
  t.same(await net.forward(images), await other.forward(images));
  await net.prepare({ mode: 'training', batch: 2 });
  for (const each of [net, other]) await each.step(images, [0, 1]);
  t.same(await net.forward(images), await other.forward(images), 'what was packed before the step is packed again');
  await t.rejects(net.prepare({ mode: 'inference', batch: 0 }), { name: 'ArgumentError', message: /batch/ });
});
