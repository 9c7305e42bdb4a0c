import t from 'tap';
import type { Backend } from '../src/backends/backend.js';
import type { BackendOptions } from '../src/backends/open.js';
import { openReferenceBackend } from '../src/backends/reference/index.js';
import { type Engine, openEngine } from '../src/engine/engine.js';
import { ParameterStore } from '../src/engine/parameters.js';
import { ProgramCache } from '../src/engine/programs.js';
import type { NetworkOptions } from '../src/engine/types.js';
import { BackendError } from '../src/errors.js';
import { GraphBuilder } from '../src/graph/builder.js';
import { caffeAlexnet } from '../src/models/caffeAlexnet.js';
import { someImages, someLabels, tinyModel } from './support/tiny.js';

const images = someImages(3);
const labels = someLabels(3);

/** An engine, closed when the test ends. */
async function open(
  test: { teardown(done: () => Promise<void>): void },
  options: BackendOptions = { backend: 'reference' },
): Promise<Engine> {
  const engine = await openEngine(options);
  test.teardown(() => engine.close());
  return engine;
}

function same(a: Float32Array, b: Float32Array): boolean {
  return a.length === b.length && a.every((value, i) => Object.is(value, b[i]));
}

t.test('forward', async (t) => {
  const engine = await open(t);
  const net = await engine.network(tinyModel());

  const { logits, probabilities, layers } = await net.forward(images);
  t.equal(logits.length, 3 * 4, 'logits [N, classes]');
  t.same(layers, {}, 'no layers unless asked for');
  for (let n = 0; n < 3; n++) {
    const row = probabilities.subarray(4 * n, 4 * n + 4);
    t.ok(Math.abs(row.reduce((sum, p) => sum + p) - 1) < 1e-6, `probabilities of image ${n} sum to 1`);
    const alone = await net.forward(images.subarray(n * 84, (n + 1) * 84));
    t.ok(same(alone.logits, logits.subarray(4 * n, 4 * n + 4)), `image ${n} alone gives the same logits`);
  }

  const into = { logits: new Float32Array(12) };
  const again = await net.forward(images, { into });
  t.equal(again.logits, into.logits, 'written into the array given');
  t.ok(same(into.logits, logits), 'the same logits');

  const all = await net.forward(images, { layers: true });
  t.same(Object.keys(all.layers), ['conv1', 'relu1', 'norm1', 'pool1', 'fc2/flatten', 'fc2', 'relu2', 'fc3']);
  t.ok(same(all.layers.fc3, logits), 'the last layer is the logits');
  t.ok(
    same(
      all.layers.relu1,
      all.layers.conv1.map((x) => Math.max(x, 0)),
    ),
    'relu1 is the ReLU of conv1',
  );
  const one = await net.forward(images, { layers: ['pool1'] });
  t.same(Object.keys(one.layers), ['pool1']);
  t.ok(same(one.layers.pool1, all.layers.pool1));
});

t.test('a step is the rule applied to the gradients', async (t) => {
  const engine = await open(t);
  const net = await engine.network(tinyModel(), { learningRate: 0.1 });
  const names = net.parameters.map(({ name }) => name);
  t.same(names, ['conv1.weight', 'conv1.bias', 'fc2.weight', 'fc2.bias', 'fc3.weight', 'fc3.bias']);
  t.same(
    net.states.map(({ name }) => name),
    names.map((name) => `${name}/momentum`),
  );

  const before = new Map<string, Float32Array>();
  for (const name of names) before.set(name, await net.read(name));
  const { loss, gradients } = await net.gradients(images, labels);
  const step = await net.step(images, labels);
  t.equal(await step.loss, loss, 'the same loss and dropout mask');
  t.equal(step.batch, 3);
  t.equal(net.stepCounter, 1);
  for (const name of names) {
    // Caffe: v = ε·m·(g + λ·d·w), w' = w − v; biases have m = 2 and d = 0 in this model.
    const bias = name.endsWith('bias');
    const expected = before
      .get(name)
      ?.map((w, i) => w - 0.1 * (bias ? 2 : 1) * (gradients[name][i] + (bias ? 0 : 0.01) * w));
    const after = await net.read(name);
    const error = Math.max(...after.map((w, i) => Math.abs(w - (expected?.[i] ?? Number.NaN))));
    t.ok(error < 1e-6, `${name} moves by the rule`, { error });
    const momentum = await net.read(`${name}/momentum`);
    t.ok(
      momentum.some((v) => v !== 0),
      `${name} has momentum`,
    );
  }
});

t.test('training fits a batch, and the accuracies say so', async (t) => {
  const engine = await open(t);
  const net = await engine.network(tinyModel(), { learningRate: 0.05 });
  const first = await (await net.step(images, labels)).loss;
  for (let i = 0; i < 60; i++) await net.step(images, labels);
  const last = await net.step(images, labels);
  t.ok((await last.loss) < first / 4, 'the loss falls', { first, last: await last.loss });
  const { logits } = await net.forward(images);
  const best = [0, 1, 2].map((n) => {
    const row = [...logits.subarray(4 * n, 4 * n + 4)];
    return row.indexOf(Math.max(...row));
  });
  t.same(best, [...labels], 'every image is learned');
  t.equal(await last.top5, 1, 'four classes are always among the first five');
  t.ok((await last.top1) >= 2 / 3);
});

t.test('the gradient with respect to the input', async (t) => {
  const engine = await open(t);
  const net = await engine.network(tinyModel());
  const { gradients } = await net.gradients(images, labels, { of: ['images'], dropout: false });
  t.same(Object.keys(gradients), ['images'], 'nothing but what was asked for');
  t.equal(gradients.images.length, images.length);
  // Along the gradient the slope of the loss is its squared length: central difference, short enough to meet no kink.
  const squared = gradients.images.reduce((sum, g) => sum + g * g, 0);
  const way = 5e-4 / Math.sqrt(squared);
  const at = async (distance: number) => {
    const moved = images.map((x, i) => x + distance * gradients.images[i]);
    return (await net.gradients(moved, labels, { of: ['images'], dropout: false })).loss;
  };
  const slope = ((await at(way)) - (await at(-way))) / (2 * way);
  t.ok(Math.abs(slope / squared - 1) < 1e-3, 'its length is the slope along it', { slope, squared });
});

t.test('what is frozen stays, and costs nothing', async (t) => {
  const engine = await open(t);
  for (const frozen of [['conv1', 'fc3.bias'], (name: string) => name.startsWith('conv1.') || name === 'fc3.bias']) {
    const net = await engine.network(tinyModel(), { frozen });
    t.same(
      net.parameters.filter((p) => p.frozen).map(({ name }) => name),
      ['conv1.weight', 'conv1.bias', 'fc3.bias'],
    );
    const before = await net.read('conv1.weight');
    const head = await net.read('fc3.weight');
    await net.step(images, labels);
    t.ok(same(await net.read('conv1.weight'), before), 'frozen weights stay');
    t.notOk(same(await net.read('fc3.weight'), head), 'the others learn');
    const { steps } = await net.plan({ mode: 'training', batch: 3 });
    t.notOk(steps.some(({ phase, layer }) => phase !== 'forward' && ['conv1', 'norm1', 'pool1'].includes(layer)));
    t.same(Object.keys((await net.gradients(images, labels)).gradients), ['fc2.weight', 'fc2.bias', 'fc3.weight']);

    net.freeze([]);
    await net.step(images, labels);
    t.notOk(same(await net.read('conv1.weight'), before), 'thawed, it learns');
    net.freeze(() => true);
    await t.rejects(net.step(images, labels), /all parameters are frozen/);
    await net.close();
  }
});

t.test('one seed, one result', async (t) => {
  const engine = await open(t);
  const run = async (options: NetworkOptions) => {
    const net = await engine.network(tinyModel(), options);
    const initial = await net.read('fc2.weight');
    const losses: number[] = [];
    for (let i = 0; i < 3; i++) losses.push(await (await net.step(images, labels)).loss);
    const trained = await net.read('fc2.weight');
    await net.close();
    return { initial, losses, trained };
  };
  const first = await run({ seed: 7 });
  const second = await run({ seed: 7 });
  const other = await run({ seed: 8 });
  t.ok(same(first.initial, second.initial));
  t.same(first.losses, second.losses);
  t.ok(same(first.trained, second.trained));
  t.notOk(same(first.initial, other.initial));

  const large = await run({ seed: 2 ** 40 + 7 });
  t.notOk(same(first.initial, large.initial), 'the high half of the seed counts');

  const small = await engine.network(tinyModel(), { seed: 7 });
  const more = await engine.network(tinyModel({ extraLayer: true }), { seed: 7 });
  t.ok(same(await small.read('fc3.weight'), await more.read('fc3.weight')), 'another layer changes no other draw');
});

t.test('initial values have the moments asked for', async (t) => {
  const engine = await open(t);
  const g = new GraphBuilder('moments');
  const shape = [200, 100];
  g.output('n', g.relu(g.variable('n', shape, { kind: 'normal', std: 0.5, mean: 2 })));
  g.output('h', g.relu(g.variable('h', shape, { kind: 'he' })));
  g.output('u', g.relu(g.variable('u', shape, { kind: 'uniform', limit: 3 })));
  g.output('c', g.relu(g.variable('c', [7], { kind: 'constant', value: 0.1 })));
  const { variables } = await engine.compile(g.build());
  const moments = async (name: string) => {
    const values = await variables.read(name);
    const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
    return { mean, variance: values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length };
  };
  // Standard errors at 20,000 draws: σ/141 for the mean, about σ²/100 for the variance; five of them.
  const expectations = { n: [2, 0.25], h: [0, 0.02], u: [0, 3] } as const;
  for (const [name, [mean, variance]] of Object.entries(expectations)) {
    const found = await moments(name);
    t.ok(Math.abs(found.mean - mean) < (5 * Math.sqrt(variance)) / 141, `mean of ${name}`, found);
    t.ok(Math.abs(found.variance - variance) < (5 * variance) / 100, `variance of ${name}`, found);
  }
  t.ok((await variables.read('u')).every((x) => Math.abs(x) < 3));
  t.ok((await variables.read('c')).every((x) => x === Math.fround(0.1)));
});

// What is read is float32: resuming is exact where that is what a backend computes with, and as good as the copy elsewhere.
for (const [backend, tolerance] of [
  ['wasm', 0],
  ['reference', 1e-6],
] as const) {
  t.test(`${backend}: parameters, momentum and the step counter are all that resuming needs`, async (t) => {
    const engine = await open(t, { backend });
    const whole = await engine.network(tinyModel(), { seed: 5 });
    for (let i = 0; i < 4; i++) await whole.step(images, labels);

    const before = await engine.network(tinyModel(), { seed: 5 });
    for (let i = 0; i < 2; i++) await before.step(images, labels);
    const after = await engine.network(tinyModel(), { seed: 5 });
    for (const { name } of [...before.parameters, ...before.states]) await after.write(name, await before.read(name));
    after.stepCounter = before.stepCounter;
    for (let i = 0; i < 2; i++) await after.step(images, labels);
    for (const { name } of [...whole.parameters, ...whole.states]) {
      const [expected, found] = [await whole.read(name), await after.read(name)];
      const error = Math.max(...found.map((value, i) => Math.abs(value - expected[i])));
      t.ok(error <= tolerance, `${name} goes on where it stopped`, { error });
    }
  });
}

t.test('WebAssembly does as the reference does, whatever the batch', async (t) => {
  const [fast, slow] = [await open(t, { threads: 2 }), await open(t)];
  const [a, b] = [await fast.network(tinyModel()), await slow.network(tinyModel())];
  t.equal(fast.info.threads, 2);
  for (const { name } of a.parameters) t.ok(same(await a.read(name), await b.read(name)), `${name} starts the same`);
  for (const count of [3, 1, 5, 3]) {
    const [one, two] = [
      await a.step(someImages(count), someLabels(count)),
      await b.step(someImages(count), someLabels(count)),
    ];
    t.ok(Math.abs((await one.loss) / (await two.loss) - 1) <= 1e-5, `loss at batch ${count}`);
    t.equal(await one.top1, await two.top1);
  }
  const [one, two] = [await a.forward(images), await b.forward(images)];
  const scale = Math.max(...two.logits.map(Math.abs));
  const error = Math.max(...one.logits.map((value, i) => Math.abs(value - two.logits[i]) / scale));
  t.ok(error <= 1e-5, 'logits after training', { error });
});

t.test('calls take effect in the order in which they are made', async (t) => {
  const engine = await open(t);
  const patient = await engine.network(tinyModel());
  const hasty = await engine.network(tinyModel());
  const initial = await patient.read('fc3.bias');
  await patient.step(images, labels);
  const logits = (await patient.forward(images)).logits;
  await patient.write('fc3.bias', initial);
  const loss = await (await patient.step(images.slice(0, 84), [1])).loss;
  const final = await patient.read('fc3.weight');

  const [, forward, , failed, step, read] = await Promise.all([
    hasty.step(images, labels),
    hasty.forward(images),
    hasty.write('fc3.bias', initial),
    hasty.write('fc3.bias', new Float32Array(3)).catch((error: Error) => error.message),
    hasty.step(images.slice(0, 84), [1]),
    hasty.read('fc3.weight'),
  ]);
  t.match(failed, /'fc3.bias': expected float32 \[4\], 4 numbers, got 3 numbers/);
  t.ok(same(forward.logits, logits));
  t.equal(await step.loss, loss);
  t.ok(same(read, final));
});

t.test('weights can be given', async (t) => {
  const engine = await open(t);
  const given = new Float32Array(4).fill(0.25);
  const net = await engine.network(tinyModel(), { weights: new Map([['fc3.bias', given]]) });
  t.ok(same(await net.read('fc3.bias'), given));
  await t.rejects(engine.network(tinyModel(), { weights: new Map([['fc9.bias', given]]) }), /no variable 'fc9.bias'/);
  await t.rejects(engine.network(tinyModel(), { weights: new Map([['fc3.weight', given]]) }), {
    name: 'InputError',
    message: /'fc3.weight': expected float32 \[4, 5\], 20 numbers, got 4 numbers/,
  });
});

t.test('profiles by layer', async (t) => {
  const engine = await open(t);
  const net = await engine.network(tinyModel());
  const forward = await net.profile('forward', images, undefined, { repeats: 2 });
  t.same(
    forward.layers.map(({ name }) => name),
    ['conv1', 'norm1', 'pool1', 'fc2', 'fc3', 'probabilities'],
  );
  const [conv1] = forward.layers;
  t.match(conv1, { op: 'conv2d', phase: 'forward', macs: 3 * 3 * 42 * 18 });
  t.ok(conv1.ms >= 0 && conv1.bytes > 0 && conv1.flops >= 2 * conv1.macs);
  t.ok(Math.abs(forward.totalMs - forward.layers.reduce((sum, { ms }) => sum + ms, 0)) < 1e-9);
  t.match(forward, { mode: 'forward', batch: 3, repeats: 2 });
  const wrong = net.profile('forward', images, undefined, { average: 'mode' as 'mean' });
  await t.rejects(wrong, { name: 'ArgumentError', message: 'average must be one of median, mean, got mode' });

  const backward = await net.profile('backward', images, labels, { repeats: 1 });
  t.ok(backward.layers.length > 0 && backward.layers.every(({ phase }) => phase === 'backward'));
  t.equal(net.stepCounter, 0, 'neither changes the network');
  const step = await net.profile('step', images, labels, { repeats: 1 });
  t.same([...new Set(step.layers.map(({ phase }) => phase))], ['forward', 'backward', 'update']);
  t.equal(net.stepCounter, 2, 'a profiled step is a step');
});

t.test('any graph as a program, sharing variables with a network', async (t) => {
  const engine = await open(t);
  const net = await engine.network(tinyModel());
  const g = new GraphBuilder('bias only');
  const x = g.input('x', [2, 5]);
  const w = g.variable('fc3.weight', [4, 5], { kind: 'he' });
  g.output('y', g.linear(x, w));
  const program = await engine.compile(g.build(), { variables: net.store });
  const { outputs } = await program.run({ x: Float32Array.of(1, 0, 0, 0, 0, 0, 0, 0, 0, 1) });
  const weight = await net.read('fc3.weight');
  t.ok(
    same(
      outputs.y,
      Float32Array.of(weight[0], weight[5], weight[10], weight[15], weight[4], weight[9], weight[14], weight[19]),
    ),
  );
  t.equal(program.plan.graph, 'bias only');
  await program.close();
  await t.rejects(program.run({ x: new Float32Array(10) }), /program of graph 'bias only' is closed/);
  t.equal((await net.read('fc3.weight')).length, 20, "the variables are still the network's");

  const other = new GraphBuilder('misfit');
  other.output('y', other.relu(other.variable('fc3.weight', [5, 4], { kind: 'he' })));
  await t.rejects(engine.compile(other.build(), { variables: net.store }), /'fc3.weight' has shape \[4, 5\]/);
});

t.test('a signal stops a call before it starts', async (t) => {
  const engine = await open(t);
  const net = await engine.network(tinyModel());
  await t.rejects(net.step(images, labels, { signal: AbortSignal.abort() }), { name: 'AbortError' });
  t.equal(net.stepCounter, 0);
  t.ok(await net.forward(images), 'the network is as good as before');
});

t.test('closing', async (t) => {
  const engine = await openEngine({ backend: 'reference' });
  const net = await engine.network(tinyModel());
  const late = net.step(images, labels);
  const closed = net.close();
  t.ok(await (await late).loss, 'a call that was made before is carried out');
  await closed;
  await net.close();
  await t.rejects(net.forward(images), /network 'tiny' is closed/);
  await t.rejects(net.read('fc3.bias'), { name: 'TandemError', message: /closed/ });
  await engine.network(tinyModel());
  await engine.close();
  await engine.close();
  await t.rejects(engine.network(tinyModel()), /the engine is closed/);
});

t.test('two engines in one process share nothing', async (t) => {
  const pairs: readonly [BackendOptions, BackendOptions][] = [
    [{ backend: 'reference' }, { backend: 'reference' }],
    [{ threads: 1 }, { threads: 2 }],
    [{ threads: 2 }, { sharedMemory: false }],
  ];
  for (const [a, b] of pairs) {
    const [one, two] = [await open(t, a), await open(t, b)];
    const [first, second] = await Promise.all([one.network(tinyModel()), two.network(tinyModel())]);
    const before = await second.read('fc3.weight');
    const [{ logits }] = await Promise.all([first.forward(images), second.forward(images), first.step(images, labels)]);
    t.ok(same(await second.read('fc3.weight'), before), 'a step in one leaves the other alone');
    await one.close();
    t.ok(same((await second.forward(images)).logits, logits), 'the same bits, and the other still runs');
  }
});

t.test('programs make room for one another', async (t) => {
  const backend = openReferenceBackend();
  t.teardown(() => backend.close());
  let live = 0;
  const compiled: string[] = [];
  const small: Backend = {
    info: backend.info,
    allocate: (type, label) => backend.allocate(type, label),
    algorithms: (graph, node) => backend.algorithms(graph, node),
    close: () => backend.close(),
    async compile(graph, variables, options) {
      if (live === 2) throw new BackendError('out of memory');
      live++;
      compiled.push(graph.name);
      const program = await backend.compile(graph, variables, options);
      const { run, prepare } = program;
      return { graph, plan: program.plan, run: run.bind(program), prepare, free: () => void live-- };
    },
  };
  const programs = new ProgramCache(small, new ParameterStore(small, 1), {});
  const get = (name: string) =>
    programs.get(name, () => {
      const g = new GraphBuilder(name);
      g.output('y', g.relu(g.input('x', [1])));
      return g.build();
    });
  await get('a');
  await get('b');
  await get('a');
  t.same(compiled, ['a', 'b'], 'kept while there is room');
  await get('c');
  t.same(compiled, ['a', 'b', 'c']);
  t.equal(live, 1, 'the others have been freed');
  await get('a');
  t.same(compiled, ['a', 'b', 'c', 'a'], 'and come back when needed');
  programs.clear();
  t.equal(live, 0);
});

t.test('a narrowed AlexNet', async (t) => {
  const engine = await open(t);
  const model = caffeAlexnet({ width: 1 / 48, inputSize: 67, classes: 10 });
  const net = await engine.network(model);
  const batch = new Float32Array(2 * 3 * 67 * 67).map((_, i) => ((i * 7919) % 255) - 127);
  const step = await net.step(batch, [3, 9]);
  t.ok(Math.abs((await step.loss) - Math.log(10)) < 0.5, 'about log 10 at first', { loss: await step.loss });
  const { probabilities } = await net.forward(batch);
  t.equal(probabilities.length, 20);
});
