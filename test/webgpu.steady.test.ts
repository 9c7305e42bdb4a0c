/** A step in the steady state: nothing is made, one submit, and the same bits whenever it is done again. */
import t from 'tap';
import { kernelFeatures } from '../src/backends/webgpu/lower/program.js';
import { type Engine, GraphBuilder, openEngine } from '../src/index.js';
import { preset } from '../src/models/presets.js';
import { elements } from '../src/ops/define.js';
import { uniform } from './golden.js';
import { intercept, ownDevice } from './support/gpu.js';
import { onSoftwareAdapter } from './support/software.js';
import { storedInput } from './support/stored.js';

await onSoftwareAdapter();

/** With dropout. */
const model = preset('caffe-alexnet', { width: 1 / 24, inputSize: 71, classes: 10 });
const batch = 3;
const images = (salt: number) => uniform(batch * elements(model.inputShape), salt, 100);
const labels = Int32Array.of(3, 1, 9);

const made = [
  'createBuffer',
  'createBindGroup',
  'createBindGroupLayout',
  'createPipelineLayout',
  'createComputePipeline',
  'createComputePipelineAsync',
  'createShaderModule',
  'createQuerySet',
  'createSampler',
  'createTexture',
] as const;

t.test('nothing is made after the first step, and a step is one submit', async (t) => {
  const device = await ownDevice();
  t.teardown(() => device.destroy());
  const calls: string[] = [];
  for (const name of made) count(device, name, calls);
  count(device.queue, 'submit', calls);
  await using engine = await openEngine({ device });
  const net = await engine.network(model);
  const into = { logits: new Float32Array(30), probabilities: new Float32Array(30) };
  const [first, second] = [images(100), images(101)];
  await net.step(first, labels);
  await net.forward(first, { into });
  t.ok(
    ['createBuffer', 'createBindGroup', 'createComputePipelineAsync', 'createShaderModule', 'submit'].every((name) =>
      calls.includes(name),
    ),
    'calls are counted',
  );

  calls.length = 0;
  const sizes: number[] = [];
  const real = globalThis.Float32Array;
  globalThis.Float32Array = new Proxy(real, {
    construct(target, args, newTarget) {
      const array = Reflect.construct(target, args, newTarget) as Float32Array;
      if (!(args[0] instanceof ArrayBuffer)) sizes.push(array.length);
      return array;
    },
  });
  try {
    for (const each of [second, first, second]) await net.step(each, labels);
    t.same(calls, ['submit', 'submit', 'submit'], 'three steps');
    calls.length = 0;
    await net.forward(first, { into });
    calls.length = 0;
    for (const each of [second, first]) await net.forward(each, { into });
    t.same(calls, ['submit', 'submit'], 'two forward passes of the same weights');
    calls.length = 0;
    await net.step(second, labels);
    await net.forward(first, { into });
    t.same(
      calls.filter((name) => name !== 'submit'),
      [],
      'steps and forward passes in turn',
    );
  } finally {
    globalThis.Float32Array = real;
  }
  t.ok(
    sizes.every((size) => size <= 4),
    `no array of tensor size: ${sizes}`,
  );
});

t.test('nothing is made after the first steps on bytes, whole and in parts', async (t) => {
  const device = await ownDevice();
  t.teardown(() => device.destroy());
  const calls: string[] = [];
  for (const name of made) count(device, name, calls);
  await using engine = await openEngine({ device });
  const net = await engine.network(model, { input: storedInput([3, 75, 72], [71, 71]) });
  const bytes = new Uint8Array(batch * 3 * 75 * 72).fill(100);
  const into = { logits: new Float32Array(30), probabilities: new Float32Array(30) };
  const everything = async () => {
    const whole = await net.step(bytes, labels);
    const parts = await net.step(bytes, labels, { microBatch: 1 });
    await net.forward(bytes, { into });
    return [await whole.loss, await parts.loss];
  };
  await everything();
  t.ok(calls.includes('createBuffer') && calls.includes('createBindGroup'), 'calls are counted');
  calls.length = 0;
  for (let i = 0; i < 3; i++) t.ok((await everything()).every(Number.isFinite));
  t.same(calls, []);
});

function count<T extends object, K extends keyof T & string>(object: T, name: K, calls: string[]): void {
  intercept(object, name, (own) => {
    const counted = (...args: unknown[]) => {
      calls.push(name);
      return (own as (...args: unknown[]) => unknown)(...args);
    };
    return counted as T[K];
  });
}

/** Everything that three steps with dropout leave behind. */
async function train(engine: Engine): Promise<ReadonlyMap<string, Float32Array>> {
  await using net = await engine.network(model, { seed: 11 });
  const found = new Map<string, Float32Array>();
  const losses: number[] = [];
  for (let step = 0; step < 3; step++) losses.push(await (await net.step(images(100 + step), labels)).loss);
  found.set('losses', Float32Array.from(losses));
  found.set('logits', (await net.forward(images(100))).logits);
  for (const { name } of [...net.parameters, ...net.states]) found.set(name, await net.read(name));
  return found;
}

t.test('the same seed, the same bits', async (t) => {
  const device = await ownDevice(kernelFeatures);
  t.teardown(() => device.destroy());
  await using one = await openEngine({ backend: 'webgpu' });
  await using other = await openEngine({ device });
  const first = await train(one);
  t.ok([...first.values()].every((data) => data.every(Number.isFinite)));
  // At the same time, on two devices.
  const [again, elsewhere] = await Promise.all([train(one), train(other)]);
  for (const [name, data] of first) {
    t.ok(same(again.get(name), data), `${name} of the same engine`);
    t.ok(same(elsewhere.get(name), data), `${name} of another`);
  }
});

t.test('dropout draws what it draws in WebAssembly', async (t) => {
  const count = 4099;
  const g = new GraphBuilder('dropout');
  const x = g.input('x', [count]);
  const random = g.input('random', [4], 'i32');
  for (const [stream, probability] of [
    [0, 0.5],
    [7, 0.2],
    [2 ** 31 - 1, 0.9],
  ]) {
    g.output(`by ${probability}`, g.dropout(x, random, { probability, stream }));
  }
  const graph = g.build();
  await using webgpu = await openEngine({ backend: 'webgpu' });
  await using wasm = await openEngine({ backend: 'wasm', threads: 2 });
  const [here, there] = [await webgpu.compile(graph), await wasm.compile(graph)];
  for (const words of [
    [0, 0, 0, 0],
    [1, -1, 123_456_789, 0],
    [-(2 ** 31), 5, -7, 2 ** 31 - 1],
  ]) {
    const inputs = { x: uniform(count, 5, 3), random: Int32Array.from(words) };
    const [ours, theirs] = [await here.run(inputs), await there.run(inputs)];
    for (const [name, data] of Object.entries(theirs.outputs)) {
      const kept = data.filter((value) => value !== 0).length;
      t.ok(
        kept > 0 && kept < count && same(ours.outputs[name], data),
        `${name}, seed ${words}: ${kept} of ${count} kept`,
      );
    }
  }
});

function same(a: Float32Array | undefined, b: Float32Array): boolean {
  return a?.length === b.length && b.every((value, i) => Object.is(a[i], value));
}
