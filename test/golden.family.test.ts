/**
 * The presets against PyTorch (scripts/golden_family.py): logits, losses, gradients, ten steps by the preset's own rule and
 * multipliers; by the float64 reference and on the WASM backend.
 */
import t from 'tap';
import { norm, uniform } from './golden.js';
import { float32, float64, follow, narrowed, readFamily, sketch } from './support/goldenFamily.js';

t.test('sketches keep the length of what they are made of', async (t) => {
  const values = uniform(50_000, 3, 1);
  t.ok(Math.abs(norm(sketch(values)) / norm(values) - 1) < 0.2);
});

for (const name of Object.keys(narrowed)) {
  t.test(name, async (t) => {
    const golden = await readFamily(name);
    t.equal(golden.losses.length, 10);
    await t.test('reference', (t) => follow(t, name, golden, { backend: 'reference' }, float64));
    await t.test('wasm', (t) => follow(t, name, golden, { backend: 'wasm', threads: 2 }, float32));
  });
}
