/** Initial values are the same bits wherever they are drawn. */
import t from 'tap';
import type { Storage } from '../src/backends/backend.js';
import { openReferenceBackend } from '../src/backends/reference/index.js';
import { openWasmBackend, type WasmOptions } from '../src/backends/wasm/index.js';
import type { Initializer } from '../src/graph/graph.js';
import { initialValues } from '../src/graph/initialValues.js';

const initializers: readonly Initializer[] = [
  { kind: 'normal', std: 0.01 },
  { kind: 'normal', std: 3, mean: -0.5 },
  { kind: 'normal', std: 1e-9, mean: 1 },
  { kind: 'normal', std: 1e-40 },
  { kind: 'normal', std: 0 },
  { kind: 'he' },
  { kind: 'uniform', limit: 0.05 },
  { kind: 'constant', value: 0.1 },
];

async function content(storage: Storage): Promise<Float32Array> {
  const values = await storage.read();
  storage.free();
  return values;
}

function firstDifference(found: Float32Array, wanted: Float32Array): number {
  return found.findIndex((value, i) => !Object.is(value, wanted[i]));
}

const openings: readonly [string, WasmOptions][] = [
  ['one thread', { threads: 1 }],
  ['three threads', { threads: 3 }],
  ['memory that is not shared', { sharedMemory: false }],
];

for (const [what, options] of openings) {
  t.test(`WebAssembly, ${what}: every distribution, whole groups and remainders`, async (t) => {
    const backend = await openWasmBackend(options);
    t.teardown(() => backend.close());
    for (const init of initializers) {
      for (const shape of [[1], [3, 2], [15], [16], [17, 1], [47], [64], [5, 7, 3, 3], [1001, 4]]) {
        const storage = backend.allocate({ dtype: 'f32', shape }, 'w');
        await storage.draw(init, 2 ** 40 + 7, 'conv1.weight');
        const wanted = initialValues(init, shape, 2 ** 40 + 7, 'conv1.weight');
        t.equal(firstDifference(await content(storage), wanted), -1, `${JSON.stringify(init)} [${shape}]`);
      }
    }
  });
}

t.test('WebAssembly: millions of normal deviates, of which some must be asked of the host', async (t) => {
  const backend = await openWasmBackend({ threads: 2 });
  t.teardown(() => backend.close());
  for (const mean of [0, 0.75]) {
    const init = { kind: 'normal', std: 0.3, mean } as const;
    const storage = backend.allocate({ dtype: 'f32', shape: [3_000_001] }, 'w');
    await storage.draw(init, 1, 'fc6.weight');
    t.equal(firstDifference(await content(storage), initialValues(init, [3_000_001], 1, 'fc6.weight')), -1);
  }
});

t.test('nothing is written beside the variable', async (t) => {
  const backend = await openWasmBackend({ threads: 2 });
  t.teardown(() => backend.close());
  const storages = [0, 1, 2].map((i) => backend.allocate({ dtype: 'f32', shape: [19] }, `w${i}`));
  for (const storage of storages) await storage.draw({ kind: 'constant', value: 5 }, 1, 'w');
  await storages[1].draw({ kind: 'normal', std: 1 }, 1, 'w');
  t.same(await storages[0].read(), new Float32Array(19).fill(5));
  t.same(await storages[2].read(), new Float32Array(19).fill(5));
});

t.test('the reference backend draws the same', async (t) => {
  const storage = openReferenceBackend().allocate({ dtype: 'f32', shape: [33] }, 'w');
  await storage.draw({ kind: 'he' }, 3, 'w');
  t.same(await storage.read(), initialValues({ kind: 'he' }, [33], 3, 'w'));
});
