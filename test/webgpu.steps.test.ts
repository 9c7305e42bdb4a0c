/** Steps on stored bytes, with rates of their own and in parts, on WebGPU: what WebAssembly makes of them. */
import t from 'tap';
import { type BackendOptions, openEngine, preset } from '../src/index.js';
import { onSoftwareAdapter } from './support/software.js';
import { storedInput } from './support/stored.js';

await onSoftwareAdapter();

const model = preset('cifar10-quick', { width: 0.25, classes: 5 });
const input = storedInput([3, 34, 35], [32, 32]);
const bytes = Uint8Array.from({ length: 5 * 3 * 34 * 35 }, (_, i) => 127 + 127 * Math.sin(i * i * 0.37));
const labels = [0, 1, 2, 3, 4];

/** Losses, logits and every variable after steps of all kinds. */
async function train(options: BackendOptions): Promise<ReadonlyMap<string, Float32Array>> {
  await using engine = await openEngine(options);
  const net = await engine.network(model, { input, seed: 4, learningRate: 0.05, weights: louder });
  const learningRate = (name: string) => (name.endsWith('bias') ? 0.1 : name.startsWith('conv1') ? 0 : 0.05);
  const losses: number[] = [];
  for (const step of [
    {},
    { colourNoise: false },
    { microBatch: 2 },
    { learningRate },
    { learningRate, microBatch: 3 },
  ]) {
    losses.push(await (await net.step(bytes, labels, step)).loss);
  }
  const found = new Map<string, Float32Array>([['losses', Float32Array.from(losses)]]);
  found.set('logits', (await net.forward(bytes)).logits);
  found.set('mirrored', (await net.forward(bytes, { view: { flipHorizontal: 1 } })).logits);
  for (const { name } of [...net.parameters, ...net.states]) found.set(name, await net.read(name));
  return found;
}

/** The preset begins with weights so small that a few steps would change nothing. */
const louder = new Map(
  (['conv1', 'conv2', 'conv3', 'ip1', 'ip2'] as const).map((name, layer) => {
    const length = [8 * 75, 8 * 200, 16 * 200, 16 * 256, 5 * 16][layer];
    return [`${name}.weight`, Float32Array.from({ length }, (_, i) => 0.15 * Math.sin(i * i * 0.7 + layer))];
  }),
);

t.test('the same steps on WebGPU and WebAssembly', async (t) => {
  const [found, expected] = [await train({ backend: 'webgpu' }), await train({ backend: 'wasm', threads: 2 })];
  for (const [name, wanted] of expected) {
    const norm = (of: (i: number) => number) => Math.sqrt(wanted.reduce((sum, _, i) => sum + of(i) ** 2, 0));
    const error = norm((i) => (found.get(name) as Float32Array)[i] - wanted[i]) / norm((i) => wanted[i]);
    t.ok(error <= 1e-4, name, { error });
  }
  t.notSame(expected.get('mirrored'), expected.get('logits'));
});
