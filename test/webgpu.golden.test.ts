/** Whole networks on WebGPU against PyTorch: the narrowed AlexNet, and the presets narrowed, through ten steps of training. */
import t from 'tap';
import { readGolden } from './golden.js';
import { float32, follow, narrowed, readFamily } from './support/goldenFamily.js';
import { expectGolden, goldenRun } from './support/goldenRun.js';
import { onSoftwareAdapter } from './support/software.js';

await onSoftwareAdapter();

t.test('a narrowed AlexNet', async (t) => {
  expectGolden(t, await goldenRun({ backend: 'webgpu' }), await readGolden());
});

for (const name of Object.keys(narrowed)) {
  t.test(name, async (t) => follow(t, name, await readFamily(name), { backend: 'webgpu' }, float32));
}
