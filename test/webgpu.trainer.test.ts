/** The training loop where the device computes beside the host: interrupted and resumed to the same bits, figures as on WebAssembly. */
import { readFile } from 'node:fs/promises';
import t from 'tap';
import { openEngine } from '../src/engine/engine.js';
import { Trainer } from '../src/train/trainer.js';
import { emptyFolder } from './support/cli.js';
import { onSoftwareAdapter } from './support/software.js';
import { cornerImages, eventsOf, ofKind, smallNetwork } from './support/training.js';

await onSoftwareAdapter();

t.test('a training on WebGPU', async (t) => {
  const path = await emptyFolder(t);
  await using engine = await openEngine({ backend: 'webgpu' });
  const options = { train: cornerImages(32, 1), validation: cornerImages(9, 2), epochs: 2, reportEvery: 1 };
  const whole = new Trainer(await smallNetwork(engine), { ...options, checkpoint: path('whole') });
  const events = await eventsOf(whole);

  const controller = new AbortController();
  const parts = { ...options, checkpoint: path('parts') };
  const first = new Trainer(await smallNetwork(engine), { ...parts, signal: controller.signal });
  for await (const event of first.fit()) if (event.step === 3) controller.abort();
  const second = await eventsOf(new Trainer(await smallNetwork(engine), { ...parts, resume: true }));
  t.match(second.at(-1), { kind: 'end', reason: 'done', step: 8 });
  for (const name of ['last.safetensors', 'best.safetensors']) {
    t.same(await readFile(path(`parts/${name}`)), await readFile(path(`whole/${name}`)), name);
  }

  await using wasm = await openEngine({ backend: 'wasm', threads: 1 });
  const mirror = await eventsOf(new Trainer(await smallNetwork(wasm), options));
  const losses = ofKind(events, 'step').map(({ loss }) => loss);
  for (const [i, { loss }] of ofKind(mirror, 'step').entries()) {
    t.ok(Math.abs(losses[i] / loss - 1) < 1e-4, `step ${i + 1}: ${losses[i]} and ${loss}`);
  }
});
