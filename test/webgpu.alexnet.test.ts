/** AlexNet at its full size: a training step on WebGPU, on a device that has the default limits and no more, against WebAssembly. */
import t from 'tap';
import type { Backend } from '../src/backends/backend.js';
import { openBackend } from '../src/backends/open.js';
import { openWebGpuBackend } from '../src/backends/webgpu/index.js';
import { defaultLimits } from '../src/backends/webgpu/lower/program.js';
import { Engine } from '../src/engine/engine.js';
import type { NetworkOptions } from '../src/engine/types.js';
import { preset } from '../src/models/presets.js';
import { elements } from '../src/ops/define.js';
import { distance, maxRelative, norm, uniform } from './golden.js';
import { onSoftwareAdapter } from './support/software.js';

await onSoftwareAdapter();

const model = preset('caffe-alexnet');
/**
 * Such that no maximum of a pool is undecided in float32. Elsewhere a rounding may send a gradient to another place: of salt 100, the two
 * builds of WebAssembly themselves differ by 8e-4 of conv1's gradient.
 */
const images = uniform(elements(model.inputShape), 101, 100);
const seed = 7;

/** The network's variables by name. */
type Variables = ReadonlyMap<string, Float32Array>;

/** Logits, then a step with dropout: its loss, and all variables before and after. */
async function step(backend: Backend, options: NetworkOptions = {}) {
  await using engine = new Engine(backend);
  const net = await engine.network(model, { seed, ...options });
  const read = async (): Promise<Variables> => {
    const found = new Map<string, Float32Array>();
    for (const { name } of [...net.parameters, ...net.states]) found.set(name, await net.read(name));
    return found;
  };
  const before = options.weights ? new Map() : await read();
  const { logits } = await net.forward(images);
  const taken = await net.step(images, [3]);
  return { before, logits, loss: await taken.loss, after: await read() };
}

t.test('one training step at batch 1', async (t) => {
  const wanted = await step(await openBackend({ backend: 'wasm', threads: 2 }));
  const webgpu = await openWebGpuBackend({ limits: defaultLimits });
  t.match(webgpu.info.adapter, { software: true, limits: { ...defaultLimits } });
  const found = await step(webgpu, { weights: wanted.before });
  const off = maxRelative(found.logits, wanted.logits);
  t.ok(off <= 1e-5, `logits are off by ${off}`);
  t.ok(Math.abs(found.loss / wanted.loss - 1) <= 1e-5, `losses ${found.loss} and ${wanted.loss}`);
  for (const [name, data] of wanted.after) {
    const start = wanted.before.get(name) ?? [];
    const change = distance(data, start);
    const error = distance(found.after.get(name) ?? [], data);
    // A momentum starts at zero: its change is the gradient, times the rate. Nothing is finer than float32 holds it.
    const most = 1e-4 * change + (name.endsWith('/momentum') ? 0 : 1e-6 * norm(data));
    t.ok(change > 0 && error <= most, `${name} is off by ${error} after a change of ${change}`);
  }
});
