/** The golden run of PyTorch on the WASM backend: both builds, several numbers of threads, all bit for bit alike. */
import t from 'tap';
import { readGolden } from './golden.js';
import { expectGolden, goldenRun } from './support/goldenRun.js';

for (const simd of ['plain', 'relaxed'] as const) {
  t.test(`${simd} SIMD follows PyTorch: logits, losses, gradients and ten steps`, async (t) => {
    const golden = await readGolden();
    const run = await goldenRun({ backend: 'wasm', simd, threads: 2 });
    expectGolden(t, run, golden);
  });

  t.test(`${simd} SIMD: the same bits with any number of threads, shared memory or not`, async (t) => {
    const one = await goldenRun({ backend: 'wasm', simd, threads: 1 });
    for (const setting of [
      { simd, threads: 2 },
      { simd, threads: 3 },
      { simd, threads: 7 },
      { simd, threads: 1, sharedMemory: false },
    ]) {
      const other = await goldenRun({ backend: 'wasm', ...setting });
      const label = `${setting.threads} threads, shared memory ${setting.sharedMemory ?? true}`;
      t.same(other.logits, one.logits, `${label}: logits`);
      t.same(other.losses, one.losses, `${label}: losses`);
      for (const [name, data] of one.parameters) t.same(other.parameters.get(name), data, `${label}: ${name}`);
      for (const [name, data] of Object.entries(one.gradients))
        t.same(other.gradients[name], data, `${label}: gradient of ${name}`);
    }
  });
}
