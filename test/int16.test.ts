/** Fully connected weights stored as int16: the op, the rounding, and networks that use it. */
import t from 'tap';
import type { Backend } from '../src/backends/backend.js';
import { QuantisedWeight } from '../src/engine/quantisation.js';
import type { NetworkOptions } from '../src/engine/types.js';
import {
  ArgumentError,
  type BackendOptions,
  caffeAlexnet,
  differentiate,
  GraphBuilder,
  GraphError,
  graphToOnnx,
  inferenceGraph,
  type Network,
  openBackend,
  openEngine,
  parseSafetensors,
  type Quantisation,
  quantiseLinear,
  safetensorsChunks,
} from '../src/index.js';
import { linear } from '../src/ops/linear.js';
import { rejects, shapeOf } from './support/asserts.js';
import { caught, within } from './support/bounds.js';
import { evaluate, random, tensor, type, uniform, values } from './support/tensors.js';
import { someImages, someLabels, tinyModel } from './support/tiny.js';

const int16: NetworkOptions = { linearWeights: 'int16' };

/** Integers from −32767 to 32767. */
function randomIntegers(shape: readonly number[], seed: number) {
  const next = uniform(seed);
  const draw = () => Math.floor(next() * 65535) - 32767;
  return tensor(shape, Array.from({ length: shape[0] * shape[1] }, draw), 'i16');
}

function largest(data: Float32Array): number {
  return data.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}

function relativeDifference(found: Float32Array, expected: Float32Array): number {
  return largest(found.map((value, i) => value - expected[i])) / largest(expected);
}

t.test('linear with an int16 weight: shapes and values', async (t) => {
  const [x, w, scale, bias] = [type('f32', 2, 3), type('i16', 4, 3), type('f32', 4), type('f32', 4)];
  t.same(shapeOf(linear, [x, w, scale]), [2, 4]);
  t.same(shapeOf(linear, [x, w, scale, bias]), [2, 4]);
  t.equal(linear.cost({ activation: 'none' }, [x, w, scale], [type('f32', 2, 4)]).bytes, 24 + 24 + 16 + 32);
  rejects(t, () => shapeOf(linear, [x, w]), /expected 3 to 4 inputs, got 2/);
  rejects(t, () => shapeOf(linear, [x, w, type('f32', 3)]), /scale must be f32 \[4\], got f32 \[3\]/);
  rejects(t, () => shapeOf(linear, [x, w, scale, type('f32', 5)]), /bias must be f32 \[4\], got f32 \[5\]/);
  rejects(
    t,
    () => shapeOf(linear, [x, type('i32', 4, 3), scale]),
    /weight must be a f32 tensor of 2 dimensions, got i32/,
  );

  const [a, q] = [tensor([1, 2], [2, 3]), tensor([2, 2], [10, -20, 32767, 1], 'i16')];
  t.same(values(linear, [a, q, tensor([2], [0.5, 2])]), [-20, 131074]);
  const activation = 'relu';
  t.same(values(linear, [a, q, tensor([2], [0.5, 2]), tensor([2], [1, -4])], { activation }), [0, 131070]);
});

t.test('linear with an int16 weight: the bound holds and has teeth', async (t) => {
  const [n, k, o] = [3, 200, 17];
  const [x, w, scale, bias] = [
    random([n, k], 1),
    randomIntegers([o, k], 2),
    random([o], 3, 1e-5, 1e-4),
    random([o], 4),
  ];
  const [judged] = evaluate(linear, [x, w, scale, bias], {});
  const inFloat32 = (product: (i: number, row: number, column: number) => number, factor: (row: number) => number) =>
    Float32Array.from({ length: n * o }, (_, i) => {
      const row = i % o;
      let sum = 0;
      for (let column = 0; column < k; column++) sum = Math.fround(sum + Math.fround(product(i, row, column)));
      return Math.fround(Math.fround(sum * factor(row)) + bias.data[row]);
    });
  const product = (i: number, row: number, column: number) =>
    x.data[Math.floor(i / o) * k + column] * w.data[row * k + column];
  within(
    t,
    judged,
    inFloat32(product, (row) => scale.data[row]),
    'float32',
  );
  caught(
    t,
    judged,
    inFloat32(product, (row) => scale.data[Math.max(0, row - 1)]),
    "a neighbour's scale",
  );
  const dropped = (i: number, row: number, column: number) => (column === k - 1 ? 0 : product(i, row, column));
  caught(
    t,
    judged,
    inFloat32(dropped, (row) => scale.data[row]),
    'a dropped product',
  );
  const unsigned = (i: number, row: number, column: number) =>
    x.data[Math.floor(i / o) * k + column] * (w.data[row * k + column] & 0xffff);
  caught(
    t,
    judged,
    inFloat32(unsigned, (row) => scale.data[row]),
    'a missing sign',
  );
});

t.test('an int16 weight is not differentiated', async (t) => {
  const g = new GraphBuilder('int16');
  const weight = g.variable('w', [4, 3], { kind: 'constant', value: 0 }, { dtype: 'i16' });
  const scale = g.variable('w/scale', [4], { kind: 'constant', value: 0 }, { role: 'scale' });
  const [y] = g.apply(linear, [g.input('x', [2, 3]), weight, scale], {}, { name: 'fc' });
  g.output('loss', g.crossEntropy(y, g.input('labels', [2], 'i32')));
  const message = /an int16 weight is for inference/;
  for (const name of ['x', 'w/scale'])
    t.throws(() => differentiate(g.build(), 'loss', [name]), { name: 'GraphError', message });
  t.throws(() => differentiate(g.build(), 'loss', ['w']), GraphError);
});

t.test('the pass takes the weights of fully connected layers, and no others', async (t) => {
  const graph = quantiseLinear(inferenceGraph(tinyModel(), 2));
  const types = Object.fromEntries(
    graph.values.filter(({ kind }) => kind === 'variable').map(({ name, dtype, shape }) => [name, [dtype, ...shape]]),
  );
  t.match(types, {
    'conv1.weight': ['f32', 3, 2, 3, 3],
    'fc2.weight': ['i16', 5, 18],
    'fc2.weight/scale': ['f32', 5],
    'fc3.weight': ['i16', 4, 5],
    'fc3.bias': ['f32', 4],
  });
  t.same(quantiseLinear(graph), graph, 'once is enough');

  const g = new GraphBuilder('tied');
  const tied = g.variable('w', [3, 3], { kind: 'he' });
  const input = g.input('x', [2, 3]);
  g.output('y', g.matMul(g.linear(input, tied), tied));
  t.same(quantiseLinear(g.build()), g.build(), 'a weight that another op reads stays');
  const h = new GraphBuilder('given');
  h.output('y', h.linear(h.input('x', [2, 3]), h.input('w', [4, 3])));
  t.same(quantiseLinear(h.build()), h.build(), 'a weight that comes with each run stays');
});

/** A weight in a backend's memory, with what is stored for it. */
function weightIn(backend: Backend, rows: number, columns: number) {
  const integers = backend.allocate(type('i16', rows, columns), 'w');
  const scales = backend.allocate(type('f32', rows), 'w/scale');
  return { integers, scales, weight: new QuantisedWeight('w', integers, scales) };
}

t.test('rows are rounded to multiples of their scales', async (t) => {
  const backend = await openBackend({ backend: 'reference' });
  t.teardown(() => backend.close());
  const columns = 100;
  const magnitudes = [1, 1e-6, 3e37, 0, 1e-36, 1e-44];
  const data = new Float32Array(columns * magnitudes.length);
  for (const [row, magnitude] of magnitudes.entries())
    data.set(random([columns], row, 0, magnitude).data, row * columns);
  const { integers, scales, weight } = weightIn(backend, magnitudes.length, columns);
  await weight.write(data);
  const [back, rounded, factors] = [await weight.read(), await integers.read(), await scales.read()];
  for (const [row, magnitude] of magnitudes.entries()) {
    const part = [row * columns, (row + 1) * columns] as const;
    const worst = largest(back.subarray(...part).map((value, i) => value - data[row * columns + i]));
    // The product of integer and scale is rounded when it is read back.
    t.ok(worst <= (factors[row] / 2) * (1 + 2 ** -8), `magnitude ${magnitude}: off by ${worst}, scale ${factors[row]}`);
    if (magnitude >= 1e-30) t.equal(largest(rounded.subarray(...part)), 32767);
  }
  t.equal(factors[3], 0, 'a row of zeros');
  const { maxError, rmsError } = weight.quantisation as Quantisation;
  t.ok(maxError > 0 && maxError <= 0.5 / 32767 && rmsError > 0 && rmsError < maxError);

  for (const [bad, text] of [
    [Number.NaN, 'NaN'],
    [Number.POSITIVE_INFINITY, 'Infinity'],
    [Number.NEGATIVE_INFINITY, '-Infinity'],
  ] as const) {
    const spoiled = data.slice();
    spoiled[columns + 7] = bad;
    const message = `'w': int16 weights must be finite, got ${text} in row 1, column 7`;
    await t.rejects(weight.write(spoiled), { name: 'InputError', message });
  }
  t.same(await weight.read(), back, 'a write that fails changes nothing');
  await weight.write(data.fill(0));
  t.same(weight.quantisation, { name: 'w', maxError: 0, rmsError: 0 });
});

t.test('a large weight passes in blocks of rows, whatever pieces the memory takes', async (t) => {
  const [rows, columns] = [1300, 1009];
  const { data } = random([rows * columns], 1);
  const options: readonly BackendOptions[] = [
    { backend: 'reference' },
    { backend: 'wasm', threads: 1 },
    { backend: 'wasm', threads: 1, sharedMemory: false },
  ];
  const contents: Float32Array[] = [];
  for (const each of options) {
    const backend = await openBackend(each);
    const { weight } = weightIn(backend, rows, columns);
    const lengths: number[] = [];
    await weight.load(async (into, offset) => {
      lengths.push(into.length);
      into.set(data.subarray(offset, offset + into.length));
    });
    t.equal(lengths.length, 2, `${lengths} weights at a time`);
    contents.push(await weight.read());
    await backend.close();
  }
  const worst = largest(contents[0].map((value, i) => value - data[i]));
  t.ok(worst > 0 && worst <= 0.5 / 32767, `off by ${worst}`);
  for (const other of contents.slice(1)) t.ok(other.every((value, i) => value === contents[0][i]));
});

/** How far the rounding of the weights can move each logit of the tiny network: by half a scale for each unit of the input. */
async function largestShifts(exact: Network, rounded: Network, images: Float32Array): Promise<number[]> {
  const { layers } = await exact.forward(images, { layers: ['pool1', 'relu2'] });
  const half = async (name: string) => (await rounded.read(`${name}/scale`)).map((scale) => scale / 2);
  const [scales2, scales3, weights3] = [
    await half('fc2.weight'),
    await half('fc3.weight'),
    await exact.read('fc3.weight'),
  ];
  const input = layers.pool1.reduce((sum, value) => sum + Math.abs(value), 0);
  const shifts2 = scales2.map((scale) => scale * input);
  return Array.from(scales3, (scale, o) =>
    layers.relu2.reduce(
      (sum, value, k) => sum + scale * Math.abs(value) + (Math.abs(weights3[o * 5 + k]) + scale) * shifts2[k],
      0,
    ),
  );
}

for (const backend of ['reference', 'wasm'] as const) {
  t.test(`a network with int16 weights on ${backend}`, async (t) => {
    const engine = await openEngine({ backend });
    t.teardown(() => engine.close());
    const exact = await engine.network(tinyModel());
    const rounded = await engine.network(tinyModel(), int16);
    t.same(
      rounded.parameters.map(({ name, shape, role }) => [name, shape, role]),
      exact.parameters.map(({ name, shape, role }) => [name, shape, role]),
      'parameters look the same',
    );
    t.same([rounded.states, exact.quantisation], [[], []]);
    t.same(
      rounded.quantisation.map(({ name }) => name),
      ['fc2.weight', 'fc3.weight'],
    );

    const images = someImages(1);
    const [one, other] = [await exact.forward(images), await rounded.forward(images)];
    for (const [i, allowed] of (await largestShifts(exact, rounded, images)).entries()) {
      const moved = Math.abs(one.logits[i] - other.logits[i]);
      t.ok(moved > 0 && moved <= allowed + 1e-6, `logit ${i} has moved by ${moved}, allowed are ${allowed}`);
    }
    const three = await rounded.forward(someImages(3), { layers: true });
    t.ok(relativeDifference(three.logits.subarray(0, 4), other.logits) < 1e-6, 'the same in a batch');
    t.equal(three.layers.fc2.length, 15);

    const before = await exact.read('fc2.weight');
    const after = await rounded.read('fc2.weight');
    const scales = await rounded.read('fc2.weight/scale');
    t.ok(
      after.every((value, i) => Math.abs(value - before[i]) <= (scales[Math.floor(i / 18)] / 2) * (1 + 2 ** -8)),
      'read back within half a scale',
    );
    await rounded.write('fc2.weight', after);
    const largestChange = largest((await rounded.read('fc2.weight')).map((value, i) => value - after[i]));
    t.ok(largestChange <= largest(after) * 2 ** -22, 'what was rounded stays');
    await rounded.write(
      'fc2.weight',
      before.map((value) => 3 * value),
    );
    t.ok(
      relativeDifference(
        await rounded.read('fc2.weight'),
        before.map((value) => 3 * value),
      ) <=
        0.51 / 32767,
      'written',
    );
    const spoiled = before.slice().fill(Number.NaN, 4, 5);
    const kept = await rounded.read('fc2.weight');
    await t.rejects(rounded.write('fc2.weight', spoiled), { name: 'InputError', message: /must be finite, got NaN/ });
    t.same(await rounded.read('fc2.weight'), kept, 'a write that fails changes nothing');
    await t.rejects(rounded.write('fc2.weight/scale', scales), { name: 'ArgumentError', message: /together with/ });
  });
}

t.test('training is refused before any work', async (t) => {
  const engine = await openEngine({ backend: 'reference' });
  t.teardown(() => engine.close());
  const net = await engine.network(tinyModel(), int16);
  const [images, labels] = [someImages(2), someLabels(2)];
  const refused = { name: 'ArgumentError', message: /network 'tiny' has int16 weights, which are for inference/ };
  await t.rejects(net.step(images, labels), refused);
  await t.rejects(net.gradients(images, labels), refused);
  await t.rejects(net.gradients(images, labels, { of: ['images'] }), refused);
  for (const mode of ['backward', 'step'] as const) await t.rejects(net.profile(mode, images, labels), refused);
  await t.rejects(net.plan({ mode: 'training', batch: 2 }), refused);
  t.ok((await net.profile('forward', images, undefined, { repeats: 1 })).layers.length > 3);
  await t.rejects(engine.compile(inferenceGraph(tinyModel(), 1), { variables: net.store }), {
    name: 'ArgumentError',
    message: "'fc2.weight' has shape [5, 18] (i16), graph 'tiny' wants [5, 18] (f32)",
  });
  await t.rejects(engine.network(tinyModel(), { linearWeights: 'int8' as 'int16' }), ArgumentError);
  const spoiled = new Map([['fc3.weight', new Float32Array(20).fill(Number.POSITIVE_INFINITY)]]);
  await t.rejects(engine.network(tinyModel(), { ...int16, weights: spoiled }), { name: 'InputError' });
});

const narrow = caffeAlexnet({ classes: 50, width: 1 / 8, inputSize: 67 });
const pictures = Float32Array.from({ length: 2 * 3 * 67 * 67 }, (_, i) => 100 * Math.sin(0.37 * i * i));

t.test('AlexNet, narrowed: error, memory, threads', async (t) => {
  const engines = await Promise.all([1, 2].map((threads) => openEngine({ backend: 'wasm', threads })));
  t.teardown(() => Promise.all(engines.map((engine) => engine.close())));
  const exact = await engines[0].network(narrow);
  const [first, second] = await Promise.all(engines.map((engine) => engine.network(narrow, int16)));
  for (const count of [1, 2]) {
    const batch = pictures.subarray(0, count * 3 * 67 * 67);
    const [{ logits }, a, b] = await Promise.all([exact, first, second].map((net) => net.forward(batch)));
    const difference = relativeDifference(a.logits, logits);
    // Measured: 2e-5 to 8e-5 from net to net.
    t.ok(difference > 0 && difference < 2e-4, `batch ${count}: max|Δ| / max|ref| ${difference}`);
    t.same(a.logits, b.logits, 'the same bits on two threads');
  }
  const bytes = async (net: Network) => (await net.plan({ mode: 'inference', batch: 1 })).bytes.variables;
  const weights = exact.parameters.filter(({ name }) => /^fc\d.weight$/.test(name));
  const saved = weights.reduce((sum, { shape: [rows, columns] }) => sum + 2 * rows * columns - 4 * rows, 0);
  t.equal((await bytes(exact)) - (await bytes(first)), saved, 'half the bytes, less four for each row');
});

t.test('files: safetensors go in, read-back weights come out as ONNX', async (t) => {
  const engine = await openEngine({ backend: 'wasm' });
  t.teardown(() => engine.close());
  const exact = await engine.network(narrow, { seed: 5 });
  const tensors = exact.parameters.map(({ name, shape }) => ({ name, shape, data: () => exact.read(name) }));
  const chunks: Uint8Array[] = [];
  for await (const chunk of safetensorsChunks(tensors)) chunks.push(chunk);
  const file = await parseSafetensors(new Uint8Array(await new Blob(chunks as BlobPart[]).arrayBuffer()), 'narrow');
  const loaded = await engine.network(narrow, { ...int16, weights: { get: (name: string) => file.read(name) } });
  const drawn = await engine.network(narrow, { ...int16, seed: 5 });
  const image = pictures.subarray(0, 3 * 67 * 67);
  const expected = (await drawn.forward(image)).logits;
  t.same((await loaded.forward(image)).logits, expected, 'array by array');
  const streamed = await engine.network(narrow, { ...int16, weights: file });
  t.same((await streamed.forward(image)).logits, expected, 'straight from the file');
  t.same(streamed.quantisation, drawn.quantisation);

  const graph = inferenceGraph(narrow, 1);
  t.ok((await graphToOnnx(graph, (name) => loaded.read(name))).length > 1e5);
  await t.rejects(
    graphToOnnx(quantiseLinear(graph), (name) => loaded.read(name)),
    { name: 'GraphError', message: /node 'fc6': int16 weights cannot be written to ONNX/ },
  );
});
