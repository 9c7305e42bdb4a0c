/** Rates of single parameters, batches in parts, and what is not computed for what is not trained. */
import t, { type Test } from 'tap';
import { Feeds, mostParts } from '../src/engine/feeds.js';
import { type BackendOptions, type Engine, type Network, openEngine } from '../src/index.js';
import { someImages, someLabels, tinyModel } from './support/tiny.js';

const images = someImages(5);
const labels = someLabels(5);
const engines = [{ backend: 'reference' }, { backend: 'wasm', threads: 2 }] as const;

/** The tiny model without dropout: a batch in parts gives what the whole gives. */
function withoutChance() {
  const model = tinyModel();
  return { ...model, build: (...[g, x]: Parameters<typeof model.build>) => model.build(g, x, undefined) };
}

async function open(t: Test, options: BackendOptions): Promise<Engine> {
  const engine = await openEngine(options);
  t.teardown(() => engine.close());
  return engine;
}

async function contents(net: Network): Promise<ReadonlyMap<string, Float32Array>> {
  const found = new Map<string, Float32Array>();
  for (const { name } of [...net.parameters, ...net.states]) found.set(name, await net.read(name));
  return found;
}

function same(a: Float32Array | undefined, b: Float32Array | undefined): boolean {
  return a !== undefined && b !== undefined && a.every((value, i) => Object.is(value, b[i]));
}

function distance(a: Float32Array, b: Float32Array): number {
  return Math.sqrt(a.reduce((sum, value, i) => sum + (value - b[i]) ** 2, 0));
}

for (const options of engines) {
  t.test(`${options.backend}: each parameter follows its own rate`, async (t) => {
    const engine = await open(t, options);
    const rates = (name: string) => (name.startsWith('conv1') ? 0.01 : name.endsWith('bias') ? 0.04 : 0.02);
    const mixed = await engine.network(tinyModel());
    const alike = new Map<number, Network>();
    for (const rate of [0.01, 0.02, 0.04]) alike.set(rate, await engine.network(tinyModel(), { learningRate: rate }));
    const loss = await (await mixed.step(images, labels, { learningRate: rates })).loss;
    for (const [rate, net] of alike) {
      t.equal(await (await net.step(images, labels)).loss, loss);
      const [expected, found] = [await contents(net), await contents(mixed)];
      for (const [name, data] of expected) {
        const own = rates(name.split('/')[0]) === rate;
        t.equal(same(found.get(name), data), own, `${name} ${own ? 'moves' : 'does not move'} at ${rate}`);
      }
    }
    const one = await engine.network(tinyModel());
    await one.step(images, labels, { learningRate: () => 0.02 });
    const [expected, found] = [await contents(alike.get(0.02) as Network), await contents(one)];
    for (const [name, data] of expected) t.ok(same(found.get(name), data), `${name}: equal rates are one rate`);
  });

  t.test(`${options.backend}: a rate of 0 leaves a parameter alone`, async (t) => {
    const engine = await open(t, options);
    const [net, frozen] = [await engine.network(tinyModel()), await engine.network(tinyModel(), { frozen: ['conv1'] })];
    const before = await contents(net);
    const learningRate = (name: string) => (name.startsWith('conv1') ? 0 : 0.05);
    for (const each of [net, frozen]) await each.step(images, labels, { learningRate });
    const [found, expected] = [await contents(net), await contents(frozen)];
    for (const [name, data] of found) {
      t.ok(same(expected.get(name), data), `${name} as if conv1 were frozen`);
      t.equal(same(before.get(name), data), name.startsWith('conv1'), name);
    }
    await net.step(images, labels);
    t.notOk(same(await net.read('conv1.weight'), before.get('conv1.weight')), 'at the next step it learns');
  });
}

t.test('rates that cannot be', async (t) => {
  const engine = await open(t, engines[0]);
  const net = await engine.network(tinyModel());
  const wrong = (learningRate: (name: string) => number) => net.step(images, labels, { learningRate });
  for (const rate of [-1, Number.NaN, Number.POSITIVE_INFINITY]) {
    await t.rejects(
      wrong((name) => (name === 'fc2.bias' ? rate : 1)),
      {
        name: 'ArgumentError',
        message: /learningRate of 'fc2\.bias' must be a finite number of at least 0/,
      },
    );
  }
  await t.rejects(
    wrong(() => 0),
    { name: 'ArgumentError', message: /learningRate is 0 for every parameter/ },
  );
  await t.rejects(net.step(images, labels, { learningRate: -1 }), { message: /^learningRate must be a finite number/ });
  net.freeze(() => true);
  await t.rejects(
    wrong(() => 1),
    { message: /all parameters are frozen/ },
  );
  t.equal(net.stepCounter, 0);
});

for (const options of engines) {
  for (const optimizer of [undefined, { kind: 'adam' }] as const) {
    t.test(`${options.backend}: a batch in parts, ${optimizer?.kind ?? 'sgd'}`, async (t) => {
      const engine = await open(t, options);
      const settings = { learningRate: 0.02, optimizer, frozen: ['fc3.bias'] };
      const whole = await engine.network(withoutChance(), settings);
      const start = await contents(whole);
      for (const microBatch of [1, 2, 3, 5, 100]) {
        const parts = await engine.network(withoutChance(), settings);
        const one = await engine.network(withoutChance(), settings);
        for (let step = 0; step < 3; step++) {
          const learningRate = (name: string) => (name.endsWith('bias') ? 0.04 : step === 1 ? 0 : 0.02);
          const rate = step === 0 ? {} : { learningRate };
          const expected = await one.step(images, labels, rate);
          const found = await parts.step(images, labels, { ...rate, microBatch });
          const error = Math.abs((await found.loss) / (await expected.loss) - 1);
          t.ok(error <= 1e-6, `the loss of the whole, by ${microBatch}`, { error });
          t.equal(found.batch, 5);
          t.equal(await found.top1, await expected.top1);
        }
        const wanted = await contents(one);
        for (const [name, data] of await contents(parts)) {
          const expected = wanted.get(name) as Float32Array;
          const change = distance(expected, start.get(name) as Float32Array);
          const error = distance(data, expected);
          t.ok(error <= 1e-4 * change, `${name} by ${microBatch}`, { error, change });
          if (microBatch >= 5) t.ok(same(data, expected), `${name}: one part is the whole`);
          t.equal(change === 0, name.startsWith('fc3.bias'), `${name} is ${change === 0 ? 'frozen' : 'trained'}`);
        }
        t.same(
          parts.states.map(({ name }) => name),
          one.states.map(({ name }) => name),
          'sums of gradients are nothing to be kept',
        );
        await Promise.all([one.close(), parts.close()]);
      }
    });
  }
}

t.test('a batch in parts draws other masks in each part, and the same ones again', async (t) => {
  const engine = await open(t, engines[1]);
  const settings = { learningRate: 0.02, seed: 3 };
  // The same image again and again: without chance its parts would have the same gradient.
  const [image, label] = [someImages(1), 2];
  const repeated = Float32Array.from({ length: 8 * 84 }, (_, i) => image[i % 84]);
  const eight = new Int32Array(8).fill(label);
  const [once, parts, again] = [
    await engine.network(tinyModel(), settings),
    await engine.network(tinyModel(), settings),
    await engine.network(tinyModel(), settings),
  ];
  await once.step(image, [label]);
  for (const net of [parts, again]) await net.step(repeated, eight, { microBatch: 1 });
  const [one, mean, twice] = [await contents(once), await contents(parts), await contents(again)];
  t.ok(distance(one.get('fc3.weight') as Float32Array, mean.get('fc3.weight') as Float32Array) > 1e-4, 'other masks');
  for (const [name, data] of mean) t.ok(same(twice.get(name), data), `${name} is repeated`);

  const random = (part: number) => {
    const feed = new Feeds(3 + 2 ** 33, undefined).training(image, Int32Array.of(label), undefined, {
      step: 2 ** 40 + 5,
      part,
    });
    return [...feed.random];
  };
  t.same(random(0), [3, 2, 5, 2 ** 8], 'part 0 draws what a step without parts draws');
  t.same(random(7), [3, 2, 5, 2 ** 8 + 7 * 2 ** 21], 'part 7 draws with a counter 7·2⁵³ further on');
  const most = Array.from({ length: mostParts }, (_, part) => random(part).join());
  t.equal(new Set(most).size, 2048, 'no two parts share their draws');
});

t.test('sums that are not finite do not reach the next step', async (t) => {
  const engine = await open(t, engines[1]);
  const settings = { learningRate: 0.02 };
  const [net, whole] = [
    await engine.network(withoutChance(), settings),
    await engine.network(withoutChance(), settings),
  ];
  const before = await contents(net);
  await net.write('fc3.weight', new Float32Array(20).fill(Number.NaN));
  await (await net.step(images, labels, { microBatch: 2 })).loss;
  t.notOk((await net.read('conv1.weight')).every(Number.isFinite), 'training has diverged');
  // As from a checkpoint.
  for (const [name, data] of before) await net.write(name, data);
  await net.step(images, labels, { microBatch: 2 });
  await whole.step(images, labels);
  const wanted = await contents(whole);
  for (const [name, data] of await contents(net)) {
    t.ok(data.every(Number.isFinite) && distance(data, wanted.get(name) as Float32Array) < 1e-5, name);
  }
});

t.test('an aborted step in parts changes nothing', async (t) => {
  const engine = await open(t, engines[0]);
  const net = await engine.network(tinyModel());
  const before = await contents(net);
  const abort = new AbortController();
  const step = net.step(someImages(40), someLabels(40), { microBatch: 1, signal: abort.signal });
  setTimeout(() => abort.abort(), 5);
  await t.rejects(step, { name: 'AbortError' });
  for (const [name, data] of await contents(net)) t.ok(same(before.get(name), data), `${name} is as it was`);
  t.equal(net.stepCounter, 0);
});

t.test('parts that cannot be', async (t) => {
  const engine = await open(t, engines[0]);
  const net = await engine.network(tinyModel());
  for (const microBatch of [0, -1, 1.5, Number.NaN]) {
    const message = /microBatch must be an integer from 1/;
    await t.rejects(net.step(images, labels, { microBatch }), { name: 'ArgumentError', message });
  }
  const many = 2049;
  await t.rejects(net.step(someImages(many), someLabels(many), { microBatch: 1 }), {
    name: 'ArgumentError',
    message: /microBatch must be at least 2 for 2049 images, got 1/,
  });
});

for (const options of engines) {
  t.test(`${options.backend}: nothing is computed for what is frozen`, async (t) => {
    const engine = await open(t, options);
    const net = await engine.network(tinyModel(), { frozen: ['conv1', 'fc2'] });
    const { steps } = await net.plan({ mode: 'training', batch: 2 });
    const behind = steps.filter(({ phase }) => phase !== 'forward').map(({ layer }) => layer);
    t.same([...new Set(behind)].sort(), ['fc3', 'loss'], 'backward steps are those of the last layer');
    const head = steps.filter(({ phase, layer }) => phase === 'backward' && layer === 'fc3');
    t.notOk(
      head.some(({ op }) => op === 'linearDataGradient'),
      'which has no gradient to hand on',
    );
    net.freeze(['conv1.weight', 'conv1.bias', 'fc3']);
    const partly = (await net.plan({ mode: 'training', batch: 2 })).steps.filter(({ phase }) => phase === 'backward');
    const ops = partly.map(({ op, layer }) => `${layer} ${op}`);
    t.ok(ops.includes('fc3 linearDataGradient') && ops.some((op) => op.startsWith('fc2')));
    t.notOk(
      ops.some((op) => /fc3 linear(Weight|Bias)Gradient|fc2 linearDataGradient|conv1|norm1|pool1/.test(op)),
      ops.join(),
    );
  });
}
