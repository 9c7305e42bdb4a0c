/** Pre-training on WebGPU against WASM: the same graphs, so the losses of a few steps and what they leave are the same but for rounding. */
import t from 'tap';
import { openEngine } from '../src/engine/engine.js';
import { preset } from '../src/models/presets.js';
import { pretrain } from '../src/train/pretrain.js';
import { onSoftwareAdapter } from './support/software.js';

await onSoftwareAdapter();

t.test('WebGPU as WASM', async (t) => {
  const model = preset('caffenet', { width: 1 / 32, inputSize: 55, classes: 4, init: 'he' });
  const data = Float32Array.from({ length: 2 * 3 * 55 * 55 }, (_, i) => Math.sin(1 + i * i * 0.37));
  const results: { losses: number[]; weights: Map<string, Float32Array> }[] = [];
  for (const backend of ['wasm', 'webgpu'] as const) {
    const engine = await openEngine({ backend });
    t.teardown(() => engine.close());
    const network = await engine.network(model);
    const losses: number[] = [];
    // Of momentum's steps, unlike Adam's, none hangs on the sign of a gradient near 0.
    const options = { data, steps: 2, batch: 2, optimizer: { momentum: 0.9 }, learningRate: 0.01, noise: 0.2 };
    for await (const { loss } of pretrain(engine, network, options)) losses.push(loss);
    const weights = new Map<string, Float32Array>();
    for (const { name } of network.parameters) weights.set(name, await network.read(name));
    results.push({ losses, weights });
  }
  const [wasm, webgpu] = results;
  t.equal(wasm.losses.length, 10);
  for (const [i, loss] of wasm.losses.entries()) {
    t.ok(Math.abs(webgpu.losses[i] - loss) <= 1e-5 * loss, `loss ${i}`, { loss, webgpu: webgpu.losses[i] });
  }
  for (const [name, wanted] of wasm.weights) {
    const found = webgpu.weights.get(name) as Float32Array;
    const error = Math.hypot(...wanted.map((value, i) => value - found[i]));
    t.ok(error <= 1e-5 * Math.hypot(...wanted), name, { error });
  }
});
