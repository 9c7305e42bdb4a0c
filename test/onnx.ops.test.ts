/** Every op of inference graphs, written as ONNX in all its forms: onnxruntime computes what the float64 reference computes. */
import t, { type Test } from 'tap';
import { graphToOnnx } from '../src/formats/onnx.js';
import { GraphBuilder } from '../src/graph/builder.js';
import type { Value } from '../src/graph/graph.js';
import { elements } from '../src/ops/define.js';
import { evaluate, maxRelative, outputOf, uniform } from './golden.js';
import { decodeOnnx, exportAndRun, weightIn, weightsOf } from './support/onnx.js';

/** A graph of many outputs and one input x, N = 2, run at that batch size and, with the batch left open, at N = 1. */
class Outputs {
  readonly g = new GraphBuilder('ops');
  readonly x: Value;
  private readonly given = new Map<string, Value>();

  constructor(...imageShape: number[]) {
    this.x = this.g.input('x', [2, ...imageShape]);
  }

  variable(...shape: number[]): Value {
    return this.g.variable(`w${this.g.build().values.length}`, shape, { kind: 'he' });
  }

  add(what: unknown, value: Value): void {
    const name = typeof what === 'string' ? what : JSON.stringify(what);
    this.given.set(name, value);
    this.g.output(name, value);
  }

  async check(t: Test, limit = 1): Promise<void> {
    const graph = this.g.build();
    const weights = weightsOf(graph);
    const { shape } = this.x;
    const data = uniform(elements(shape), 50, limit);
    const tensors = evaluate(graph, new Map([...weights, ['x', data]]));
    const whole = await exportAndRun(graph, weights, { x: { data, shape } });
    const half = { data: data.subarray(0, data.length / 2), shape: [1, ...shape.slice(1)] };
    const first = await exportAndRun(graph, weights, { x: half }, { anyBatch: true });
    for (const [name, value] of this.given) {
      const wanted = outputOf(graph, tensors, name);
      t.same(whole[name].dims, value.shape, `shape of ${name}`);
      const error = maxRelative(whole[name].data as Float32Array, wanted);
      t.ok(error <= 1e-5, `${name}: ${error}`);
      if (value.shape[0] !== 2) continue;
      const start = wanted.subarray(0, wanted.length / 2);
      const openError = maxRelative(first[name].data as Float32Array, start);
      t.ok(openError <= 1e-5, `${name} of one image: ${openError}`);
    }
  }
}

t.test('poolings: every rounding, padding and count', async (t) => {
  const outputs = new Outputs(2, 7, 6);
  const { g, x } = outputs;
  for (const rounding of ['floor', 'ceil'] as const) {
    for (const kernel of [2, 3, [5, 4]]) {
      for (const stride of [1, 2, 3, [4, 5]]) {
        for (const padding of [0, 1, [1, 0, 0, 1], [0, 1, 1, 0]]) {
          const window = { rounding, kernel, stride, padding };
          outputs.add({ max: window }, g.maxPool(x, window));
          for (const count of ['inside', 'all'] as const) {
            outputs.add({ ...window, count }, g.avgPool(x, { ...window, count }));
          }
        }
      }
    }
  }
  for (const size of [
    [1, 1],
    [7, 2],
    [7, 6],
    [3, 3],
    [5, 4],
    [4, 6],
    [9, 8],
  ]) {
    outputs.add({ adaptive: size }, g.adaptiveAvgPool(x, { size }));
  }
  await outputs.check(t);
});

t.test('adaptive average pooling of a single cell', async (t) => {
  const outputs = new Outputs(3, 1, 1);
  outputs.add('copies', outputs.g.adaptiveAvgPool(outputs.x, { size: [2, 3] }));
  outputs.add('the cell', outputs.g.adaptiveAvgPool(outputs.x, { size: 1 }));
  await outputs.check(t);
});

t.test('response normalisations: groups, even windows, windows within a map', async (t) => {
  const outputs = new Outputs(8, 5, 4);
  const { g, x } = outputs;
  // With values up to 3 and such an alpha the sum of squares outweighs k.
  for (const alphaPer of ['element', 'window'] as const) {
    for (const groups of [1, 2, 4]) {
      for (const size of [1, 3, 4, 5, 19]) {
        for (const evenWindow of size % 2 === 0 ? (['torch', 'onnx'] as const) : (['torch'] as const)) {
          const norm = { size, groups, alphaPer, evenWindow, alpha: 0.7, beta: 0.75, k: 2 };
          outputs.add(norm, g.lrn(x, norm));
        }
      }
    }
    for (const size of [1, 2, 3, 4, 5, 9]) {
      const norm = { size, alphaPer, alpha: 0.7, beta: 0.6, k: 1 };
      outputs.add({ within: norm }, g.lrnWithin(x, norm));
    }
  }
  // Factors that onnxruntime's LRN refuses.
  for (const zero of [{ alpha: 0, k: 2 }, { beta: 0 }]) outputs.add(zero, g.lrn(x, zero));
  await outputs.check(t, 3);
});

t.test('layers with weights', async (t) => {
  const outputs = new Outputs(6, 7, 5);
  const { g, x } = outputs;
  const v = (...shape: number[]) => outputs.variable(...shape);
  outputs.add('local', g.local2d(x, v(4, 7, 5, 6, 3, 3), v(4, 7, 5), { padding: 1 }));
  outputs.add('local, no padding', g.local2d(x, v(4, 2, 2, 6, 4, 2), undefined, { stride: [3, 2] }));
  const uneven = { stride: [3, 2], padding: [2, 0, 1, 3] };
  outputs.add('local, uneven padding', g.relu(g.local2d(x, v(4, 3, 4, 6, 4, 2), v(4, 3, 4), uneven)));
  const transposed = { stride: [2, 3], padding: [1, 0, 2, 1], outputPadding: [1, 2], dilation: [2, 1], groups: 2 };
  outputs.add('convTranspose2d', g.convTranspose2d(x, v(6, 3, 3, 2), v(6), transposed));
  outputs.add('convTranspose2d, cut', g.convTranspose2d(x, v(6, 3, 3, 3), undefined, { padding: [3, 2, 3, 1] }));
  const flat = g.reshape(x, [2, 210]);
  outputs.add('linear', g.linear(flat, v(7, 210), v(7), {}, { activation: 'relu' }));
  const a = g.linear(flat, v(8, 210));
  outputs.add('matMul', g.matMul(a, v(8, 5)));
  outputs.add('matMul, b transposed', g.matMul(a, v(5, 8), { transposeB: true }));
  const [left, right] = [v(8, 5), v(3, 8)];
  outputs.add('matMul, a transposed', g.matMul(left, v(8, 4), { transposeA: true }));
  outputs.add('matMul, both transposed', g.matMul(left, right, { transposeA: true, transposeB: true }));
  const statistics = (channels: number) => ({ scale: v(channels), bias: v(channels), mean: v(channels) });
  // Of variables within ±0.1.
  const variance = (channels: number) => ({ variance: v(channels) });
  outputs.add('batchNorm', g.batchNorm(x, { ...statistics(6), ...variance(6) }, { epsilon: 0.5 }));
  outputs.add('batchNorm of features', g.batchNorm(a, { ...statistics(8), ...variance(8) }, { epsilon: 0.5 }));
  await outputs.check(t);
});

t.test('functions of each element, pieces, classes', async (t) => {
  const outputs = new Outputs(6, 7, 5);
  const { g, x } = outputs;
  outputs.add('relu', g.relu(x));
  outputs.add('leakyRelu', g.leakyRelu(x, { slope: 0.2 }));
  outputs.add('clip', g.clip(x, { min: -1, max: 0.5 }));
  outputs.add('clip without limits', g.clip(x, {}));
  outputs.add('tanh', g.tanh(x));
  outputs.add("LeCun's tanh", g.tanh(x, { a: 1.7159, b: 2 / 3 }));
  outputs.add('tanh of −x', g.tanh(x, { b: -1 }));
  outputs.add('sigmoid', g.sigmoid(x));
  outputs.add('scale', g.scale(x, { factor: 0.3 }));
  outputs.add('add', g.add(x, g.relu(x)));
  const [few, many] = g.split(x, { sizes: [2, 4] });
  outputs.add('few', few);
  outputs.add('many', many);
  outputs.add('concat', g.concat([many, few, x]));
  const rows = g.split(x, { axis: 2, sizes: [3, 1, 3] });
  outputs.add('concat of rows', g.concat([rows[2], rows[0]], { axis: 2 }));
  const features = g.reshape(x, [2, 210]);
  outputs.add('softmax', g.softmax(features));
  outputs.add('logSoftmax', g.logSoftmax(features));
  outputs.add('reshape', g.reshape(features, [2, 5, 42]));
  outputs.add(
    'pieces of a batch',
    g.concat([...g.split(outputs.variable(4, 3), { axis: 0, sizes: [1, 3] })], { axis: 0 }),
  );
  await outputs.check(t, 3);
});

t.test('windows that ONNX has are written as such', async (t) => {
  const opTypes = async (build: (g: GraphBuilder, x: Value) => Value) => {
    const g = new GraphBuilder('one');
    g.output('y', build(g, g.input('x', [1, 8, 13, 13])));
    const graph = g.build();
    return (await decodeOnnx(await graphToOnnx(graph, weightIn(weightsOf(graph))))).opTypes;
  };
  const ceil = { kernel: 3, stride: 2, padding: [0, 0, 1, 1], rounding: 'ceil' } as const;
  t.same(await opTypes((g, x) => g.avgPool(x, ceil)), ['AveragePool']);
  t.same(await opTypes((g, x) => g.avgPool(x, { ...ceil, count: 'all' })), ['Pad', 'AveragePool']);
  t.same(await opTypes((g, x) => g.avgPool(x, { kernel: 3, stride: 2, padding: 1, count: 'all' })), ['AveragePool']);
  t.same(await opTypes((g, x) => g.adaptiveAvgPool(x, { size: 6 })), ['AveragePool'], 'windows of 3 in steps of 2');
  t.same(await opTypes((g, x) => g.adaptiveAvgPool(x, { size: 5 })), ['MatMul', 'MatMul', 'Div']);
  t.same(await opTypes((g, x) => g.lrn(x, {})), ['LRN']);
  t.same(await opTypes((g, x) => g.lrn(x, { groups: 2 })), ['Split', 'LRN', 'LRN', 'Concat']);
});

t.test('weights keep names, shapes and bits; nodes keep their names', async (t) => {
  const g = new GraphBuilder('names');
  const x = g.input('x', [1, 2, 4, 4]);
  const local = g.local2d(
    x,
    g.variable('local.weight', [3, 4, 4, 2, 3, 3], { kind: 'he' }),
    undefined,
    { padding: 1 },
    { name: 'local' },
  );
  // A name that the local layer's ONNX nodes would take.
  const taken = g.relu(local, { name: 'local/matmul' });
  const normed = g.lrnWithin(taken, { size: 3 }, { name: 'norm' });
  const flat = g.reshape(normed, [1, 48], { name: 'flat' });
  g.output(
    'y',
    g.linear(flat, g.variable('fc.weight', [2, 48], { kind: 'he' }), g.variable('fc.bias', [2], { kind: 'he' }), {
      name: 'fc',
    }),
  );
  const graph = g.build();
  const weights = weightsOf(graph);
  const { nodeNames, initializers } = await decodeOnnx(await graphToOnnx(graph, weightIn(weights)));
  t.same(new Set(nodeNames).size, nodeNames.length, 'no two nodes of one name');
  t.ok(['local', 'local/matmul', 'local/matmul_2', 'norm', 'flat', 'fc'].every((name) => nodeNames.includes(name)));
  for (const { name, kind, shape } of graph.values) {
    if (kind !== 'variable') continue;
    const stored = initializers.get(name);
    t.same(stored?.dims, shape, `shape of ${name}`);
    const floats = weights.get(name) as Float32Array;
    t.ok(Buffer.from(floats.buffer, floats.byteOffset, floats.byteLength).equals(stored?.bytes ?? Buffer.of()), name);
  }
});
