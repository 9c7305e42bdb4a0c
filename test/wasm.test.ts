/** What the WASM backend promises beyond right results: memory, threads, failures. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import t from 'tap';
import { Heap, pageBytes } from '../src/backends/wasm/heap.js';
import { openWasmBackend, type WasmOptions } from '../src/backends/wasm/index.js';
import { compile, instantiate, kernelNumbers } from '../src/backends/wasm/module.js';
import { openPool } from '../src/backends/wasm/threads.js';
import type { NetworkDefinition } from '../src/engine/definition.js';
import { lossSeed, stepGraph } from '../src/engine/graphs.js';
import type { Graph } from '../src/graph/graph.js';
import { BackendError, caffeAlexnet, GraphBuilder, openEngine } from '../src/index.js';
import { fullyConnected } from '../src/models/layers.js';
import { goldenData, goldenModel, goldenWeights } from './golden.js';
import { storedInput } from './support/stored.js';

t.test('the heap fits blocks first, joins gaps, grows, and names what does not fit', async (t) => {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 16 });
  const heap = new Heap(memory, 1000, 4 * pageBytes);
  const blocks = [1000, 2000, 3000].map((bytes) => heap.allocate(bytes, 'block'));
  t.ok(blocks.every((address) => address % 64 === 0));
  t.ok(blocks[1] >= blocks[0] + 1000 && blocks[2] >= blocks[1] + 2000, 'no two overlap');
  heap.free(blocks[1]);
  heap.free(blocks[0]);
  t.equal(heap.allocate(2900, 'joined'), blocks[0], 'two neighbours make one gap');
  heap.allocate(2 * pageBytes, 'large');
  t.ok(memory.buffer.byteLength > 2 * pageBytes, 'the memory has grown');
  t.throws(() => heap.allocate(3 * pageBytes, 'the arena'), {
    name: 'BackendError',
    message: /the arena needs 0\.2 MiB/,
  });
  t.ok(heap.allocate(100, 'small'), 'what fits still fits');
});

/** Losses of a few steps of the golden network, and the logits after them. */
async function fewSteps(): Promise<number[]> {
  const engine = await openEngine({ backend: 'wasm', threads: 2 });
  const net = await engine.network(goldenModel, { weights: goldenWeights() });
  const { images, labels } = goldenData(0);
  const losses: number[] = [];
  for (let i = 0; i < 3; i++) losses.push(await (await net.step(images, labels)).loss);
  const { logits } = await net.forward(images);
  await engine.close();
  return [...losses, ...logits];
}

t.test('pointers above 2 GiB work', async (t) => {
  const backend = await openWasmBackend({ threads: 2 });
  // Takes the addresses below; never touched, so it costs no memory.
  const ballast = backend.allocate({ dtype: 'f32', shape: [2 ** 29 + 2 ** 27] }, 'ballast');
  const g = new GraphBuilder('above');
  const x = g.input('x', [2, 4, 9, 9]);
  const w = g.variable('w', [8, 4, 3, 3], { kind: 'constant', value: 0 });
  const f = g.variable('f', [5, 8 * 49], { kind: 'constant', value: 0 });
  const conv = g.relu(g.lrn(g.conv2d(x, w, undefined, {}), { alpha: 0.1 }));
  g.output('y', g.softmax(g.linear(g.reshape(conv, [2, 8 * 49]), f)));
  const graph = g.build();
  const run = async (on: typeof backend) => {
    const storages = new Map([w, f].map((value) => [value.id, on.allocate(value, value.name)]));
    for (const [id, storage] of storages) {
      const count = graph.values[id].shape.reduce((a, b) => a * b);
      await storage.write(Float32Array.from({ length: count }, (_, i) => Math.sin(i + id)));
    }
    const program = await on.compile(graph, storages);
    return (await program.run({ x: Float32Array.from({ length: 648 }, (_, i) => Math.cos(i)) })).outputs.y;
  };
  const above = await run(backend);
  const low = await openWasmBackend({ threads: 2 });
  t.same(above, await run(low));
  t.ok(above.every((value) => value > 0 && value < 1));
  ballast.free();
  await backend.close();
  await low.close();
});

t.test('two engines live side by side', async (t) => {
  const [a, b] = await Promise.all([fewSteps(), fewSteps()]);
  t.same(a, b);
});

/** Batch, inputs, units and classes: whole and cut tiles, one block of panels and several. */
const sizes = [
  [5, 61, 30, 7],
  [1, 40, 64, 4],
  [70, 1203, 71, 6],
] as const;

t.test('an update that computes its gradient gives the same bits as one that reads it', async (t) => {
  const rules = [{ rule: 'caffe' }, { rule: 'torch' }, { rule: 'paper', learningRateMultiplier: 2 }] as const;
  for (const [batch, inputs, units, classes] of sizes) {
    const model: NetworkDefinition = {
      name: 'two layers',
      inputShape: [inputs],
      classes,
      recipe: { learningRate: 0.1, optimizer: {} },
      build(g, images) {
        const init = { weight: { kind: 'he' }, bias: { kind: 'constant', value: 0.1 } } as const;
        const hidden = g.relu(fullyConnected(g, 'fc1', images, { units, ...init }), { name: 'relu1' });
        return { logits: fullyConnected(g, 'fc2', hidden, { units: classes, ...init }) };
      },
    };
    const trained = ['fc1.weight', 'fc1.bias', 'fc2.weight', 'fc2.bias'];
    const given = {
      images: Float32Array.from({ length: batch * inputs }, (_, i) => Math.sin(1 + i * i * 0.37)),
      labels: Int32Array.from({ length: batch }, (_, n) => (n * 3 + 1) % classes),
      random: new Int32Array(4),
      [lossSeed]: Float32Array.of(1),
      learningRate: Float32Array.of(0.1),
    };
    for (const rule of rules) {
      const fused = stepGraph(model, batch, trained, { momentum: 0.9, weightDecay: 0.01, ...rule });
      const gradients = fused.nodes.filter(({ op }) => op.name === 'linearWeightGradient');
      const outputs = gradients.map(({ name, outputs: [id] }) => [name, id] as const);
      const unfused = { ...fused, outputs: new Map([...fused.outputs, ...outputs]) };
      /** Parameters and momentum after three steps. */
      const after = async (graph: Graph, options: WasmOptions) => {
        const engine = await openEngine({ backend: 'wasm', ...options });
        const program = await engine.compile(graph);
        for (let i = 0; i < 3; i++) await program.run(given);
        const ops = [...new Set(program.plan.steps.map(({ op }) => op))];
        const names = trained.flatMap((name) => [name, `${name}/momentum`]);
        const values = await Promise.all(names.map((name) => program.variables.read(name)));
        await engine.close();
        return { ops, values };
      };
      for (const simd of ['plain', 'auto'] as const) {
        const expected = await after(unfused, { threads: 1, simd });
        t.notOk(expected.ops.includes('linearSgd'));
        for (const threads of [1, 2, 3]) {
          const found = await after(fused, { threads, simd });
          t.notOk(found.ops.includes('linearWeightGradient'));
          t.strictSame(found.values, expected.values, `batch ${batch}, ${rule.rule}, ${simd}, ${threads} threads`);
        }
      }
    }
  }
});

t.test('nothing is allocated after the first step', async (t) => {
  const engine = await openEngine({ backend: 'wasm', threads: 2 });
  const net = await engine.network(goldenModel, { weights: goldenWeights() });
  const { images, labels } = goldenData(0);
  const into = { logits: new Float32Array(40), probabilities: new Float32Array(40) };
  const [channels, height, width] = goldenModel.inputShape;
  const stored = storedInput([channels, height + 3, width + 5], [height, width]);
  const byBytes = await engine.network(goldenModel, { input: stored });
  const bytes = new Uint8Array(4 * channels * (height + 3) * (width + 5)).fill(100);
  const everything = async () => {
    await net.step(images, labels);
    await net.forward(images, { into });
    await byBytes.step(bytes, labels);
    await byBytes.step(bytes, labels, { microBatch: 3, learningRate: (name) => (name.endsWith('bias') ? 2e-4 : 1e-4) });
    await byBytes.forward(bytes, { into, view: { flipHorizontal: 1 } });
  };
  await everything();

  const blocks = t.capture(Heap.prototype, 'allocate', Heap.prototype.allocate);
  const sizes: number[] = [];
  const real = globalThis.Float32Array;
  globalThis.Float32Array = new Proxy(real, {
    construct(target, args, newTarget) {
      const view = args[0] instanceof ArrayBuffer || args[0] instanceof SharedArrayBuffer;
      const array = Reflect.construct(target, args, newTarget) as Float32Array;
      if (!view) sizes.push(array.length);
      return array;
    },
  });
  try {
    for (let i = 0; i < 3; i++) await everything();
  } finally {
    globalThis.Float32Array = real;
  }
  t.same(blocks(), [], 'no block of device memory');
  t.ok(
    sizes.every((size) => size <= 4),
    `no array of tensor size: ${sizes}`,
  );
  await engine.close();
});

t.test('a thread that fails ends the run with an error, and the pool goes on', async (t) => {
  const memory = new WebAssembly.Memory({ initial: 16, maximum: 16, shared: true });
  const module = await compile('plain-shared');
  const kernels = instantiate(module, memory);
  const heap = new Heap(memory, kernels.heapBase());
  const numbers = kernelNumbers(kernels);
  const pool = await openPool(module, heap, 3);
  const tape = heap.allocate(64, 'tape');
  const relu = (x: number, count: number) =>
    heap.words(tape, 6).set([1, numbers.get('relu') as number, 20, x, x, count]);
  const x = heap.allocate(4000, 'x');
  heap.floats(x, 1000).fill(-1);
  // Only the last thread's share lies outside the memory.
  relu(16 * pageBytes - 4000, 1200);
  const start = performance.now();
  await t.rejects(pool.run(tape, 0), { name: 'BackendError', message: /memory access out of bounds/ });
  t.ok(performance.now() - start < 5000, 'at once, not after a time-out');
  relu(x, 1000);
  await pool.run(tape, 0);
  t.ok(
    heap.floats(x, 1000).every((value) => value === 0),
    'the next run is well',
  );
  await pool.close();
});

t.test('a run can be aborted', async (t) => {
  const engine = await openEngine({ backend: 'wasm', threads: 2 });
  const net = await engine.network(caffeAlexnet({ width: 0.5 }));
  const images = new Float32Array(16 * 3 * 227 * 227).fill(1);
  const before = await net.forward(images);
  await t.rejects(net.forward(images, { signal: AbortSignal.abort() }), { name: 'AbortError' });
  const controller = new AbortController();
  const run = net.forward(images, { signal: controller.signal });
  setTimeout(() => controller.abort(), 30);
  await t.rejects(run, { name: 'AbortError' });
  t.same((await net.forward(images)).logits, before.logits, 'the next run is well');
  await engine.close();
});

t.test('what is not to be had is an error', async (t) => {
  await t.rejects(
    openWasmBackend({ threads: 2, sharedMemory: false }),
    new BackendError('2 threads need shared memory'),
  );
  const backend = await openWasmBackend({ threads: 1 });
  t.throws(() => backend.allocate({ dtype: 'f32', shape: [2 ** 30] }, 'huge'), {
    name: 'BackendError',
    message: /huge needs 4096\.0 MiB/,
  });
  const g = new GraphBuilder('plain');
  g.output('y', g.relu(g.input('x', [4])));
  const program = await backend.compile(g.build(), new Map());
  await t.rejects(program.run({}), {
    name: 'InputError',
    message: /input 'x' is missing; expected f32 \[4\] in a Float32Array of 4/,
  });
  await t.rejects(program.run({ x: new Int32Array(4) }), { name: 'InputError', message: /got a Int32Array of 4/ });
  await t.rejects(backend.compile(g.build(), new Map(), { algorithms: { relu: 'magic' } }), {
    name: 'BackendError',
    message: /relu has no algorithm 'magic' \(there are: simd\)/,
  });
  await backend.close();
  await t.rejects(program.run({ x: new Float32Array(4) }), { name: 'BackendError', message: 'the engine is closed' });
});

t.test(
  "threads keep in step in code of the compiler's first tier, which runs when an engine has just been opened",
  async (t) => {
    const index = new URL('../src/index.js', import.meta.url);
    const script = `
    const { GraphBuilder, openEngine } = await import('${index}');
    const g = new GraphBuilder('rectifiers');
    const x = g.input('x', [4096]);
    g.output('y', g.relu(g.relu(g.relu(x))));
    const graph = g.build();
    // More threads than most machines have cores: they sleep at the barrier.
    const engine = await openEngine({ backend: 'wasm', threads: 7 });
    const program = await engine.compile(graph);
    let sum = 0;
    for (let run = 0; run < 20; run++) sum += (await program.run({ x: new Float32Array(4096).fill(1) })).outputs.y[run * 200];
    await engine.close();
    console.log(sum);`;
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--liftoff-only', '--input-type=module', '--eval', script],
      { timeout: 60_000 },
    );
    t.equal(stdout.trim(), '20');
  },
);
