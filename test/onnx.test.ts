import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { graphToOnnx, writeOnnx } from '../src/formats/onnx.js';
import { GraphBuilder } from '../src/graph/builder.js';
import type { Graph, Value } from '../src/graph/graph.js';
import { caffeAlexnet } from '../src/models/caffeAlexnet.js';
import { elements } from '../src/ops/define.js';
import { linear } from '../src/ops/linear.js';
import { evaluate, goldenGraph, maxRelative, outputOf, uniform } from './golden.js';
import { runOnnx, weightIn, weightsOf } from './support/onnx.js';

function inferenceGraph(batch: number): Graph {
  const model = caffeAlexnet({ classes: 10, width: 1 / 16, inputSize: 71 });
  const g = new GraphBuilder(model.name);
  const { logits } = model.build(g, g.input('images', [batch, ...model.inputShape]), undefined);
  g.output('logits', logits);
  g.output('probabilities', g.softmax(logits));
  return g.build();
}

t.test('onnxruntime computes what the float64 reference computes', async (t) => {
  const graph = inferenceGraph(3);
  const weights = weightsOf(graph);
  const images = uniform(3 * 3 * 71 * 71, 100, 128);
  const bytes = await graphToOnnx(graph, weightIn(weights), { metadata: { preset: 'caffe-alexnet' } });
  const { results, inputNames, outputNames } = await runOnnx(bytes, {
    images: { data: images, shape: [3, 3, 71, 71] },
  });
  t.same([inputNames, outputNames], [['images'], ['logits', 'probabilities']]);
  const tensors = evaluate(graph, new Map([...weights, ['images', images]]));
  for (const name of outputNames) {
    t.ok(maxRelative(results[name].data as Float32Array, outputOf(graph, tensors, name)) <= 1e-5, name);
  }
  t.same(results.logits.dims, [3, 10]);

  const anyBatch = await graphToOnnx(graph, weightIn(weights), { anyBatch: true });
  const first = images.subarray(0, 3 * 71 * 71);
  const one = await runOnnx(anyBatch, { images: { data: first, shape: [1, 3, 71, 71] } });
  t.same(one.results.logits.dims, [1, 10], 'a batch of another size');
  const wanted = outputOf(graph, tensors, 'logits').subarray(0, 10);
  t.ok(maxRelative(one.results.logits.data as Float32Array, wanted) <= 1e-5);
});

t.test('every op with attributes off the beaten track', async (t) => {
  const g = new GraphBuilder('ops');
  const x = g.input('x', [2, 6, 13, 11]);
  const variable = (name: string, ...shape: number[]): Value => g.variable(name, shape, { kind: 'he' });
  const plain = g.conv2d(x, variable('a', 8, 3, 3, 2), undefined, {
    stride: [2, 1],
    padding: [2, 0, 1, 3],
    dilation: [2, 3],
    groups: 2,
  });
  const fused = g.conv2d(x, variable('b', 8, 6, 3, 2), variable('c', 8), {
    stride: [2, 1],
    padding: [2, 0, 1, 3],
    dilation: [2, 3],
    activation: 'relu',
  });
  const sum = g.add(plain, fused);
  const element = g.lrn(sum, { size: 3, alpha: 0.1, beta: 0.75, k: 2, alphaPer: 'element' });
  const window = g.lrn(sum, { size: 5, alpha: 0.1, beta: 0.5, k: 1, alphaPer: 'window' });
  const floor = g.maxPool(element, { kernel: [3, 2], stride: [2, 2], padding: [1, 0, 2, 1], rounding: 'floor' });
  const ceil = g.maxPool(window, { kernel: 3, stride: 2, rounding: 'ceil' });
  const padded = g.maxPool(window, { kernel: 3, stride: 3, padding: 1, rounding: 'ceil' });
  const flat = g.reshape(floor, [2, elements(floor.shape) / 2]);
  const hidden = g.linear(flat, variable('d', 7, flat.shape[1]), variable('e', 7), {}, { activation: 'relu' });
  // Names that clash: an output called like another value, one value under two names, an input and a variable as outputs.
  const outputs = {
    conv2d: hidden,
    hidden,
    element,
    ceil,
    padded,
    floor,
    soft: g.softmax(g.linear(hidden, variable('f', 4, 7))),
    relu: g.relu(x),
    mean: g.adaptiveAvgPool(x, { size: [1, 11] }),
    same: x,
    d: g.find('c'),
  };
  for (const [name, value] of Object.entries(outputs)) g.output(name, value);
  const graph = g.build();
  const weights = weightsOf(graph);
  const data = uniform(elements(x.shape), 50, 3);
  const { results, outputNames } = await runOnnx(await graphToOnnx(graph, weightIn(weights)), {
    x: { data, shape: x.shape },
  });
  t.same(outputNames, Object.keys(outputs));
  const tensors = evaluate(graph, new Map([...weights, ['x', data]]));
  for (const [name, { shape }] of Object.entries(outputs)) {
    t.same(results[name].dims, shape, `shape of ${name}`);
    t.ok(maxRelative(results[name].data as Float32Array, outputOf(graph, tensors, name)) <= 1e-5, name);
  }
});

t.test('the file is written whole, with weights that come one by one', async (t) => {
  const graph = inferenceGraph(1);
  const weights = weightsOf(graph);
  const folder = t.testdir();
  const path = join(folder, 'net.onnx');
  await writeOnnx(path, graph, async (name) => weightIn(weights)(name));
  t.ok((await readFile(path)).equals(await graphToOnnx(graph, weightIn(weights))), 'the bytes that graphToOnnx makes');
  const missing = writeOnnx(path, graph, (name) =>
    name === 'fc8.bias' ? new Float32Array(3) : weightIn(weights)(name),
  );
  await t.rejects(missing, {
    name: 'ArgumentError',
    message: /weight 'fc8\.bias' of shape \[10\] needs 10 values, got 3/,
  });
  t.same(await readdir(folder), ['net.onnx']);
  t.ok(
    (await runOnnx(await readFile(path), { images: { data: new Float32Array(3 * 71 * 71), shape: [1, 3, 71, 71] } }))
      .results.logits,
  );
});

t.test('what ONNX cannot say is refused', async (t) => {
  const weights = () => new Float32Array(0);
  await t.rejects(graphToOnnx(goldenGraph(), weights), {
    name: 'GraphError',
    message: /node 'loss': op 'crossEntropy' cannot be written/,
  });

  const stored = new GraphBuilder('int16');
  const int16 = stored.variable('w', [3, 8], { kind: 'he' }, { dtype: 'i16' });
  const factor = stored.variable('factor', [3], { kind: 'he' });
  stored.output('y', stored.apply(linear, [stored.input('x', [1, 8]), int16, factor], {}, { name: 'fc' })[0]);
  await t.rejects(graphToOnnx(stored.build(), weights), { name: 'GraphError', message: /node 'fc': int16 weights/ });

  const training = new GraphBuilder('training');
  const key = training.input('random', [4], 'i32');
  training.output(
    'y',
    training.dropout(training.input('x', [1, 8]), key, { probability: 0.5, stream: 1 }, { name: 'drop6' }),
  );
  await t.rejects(graphToOnnx(training.build(), weights), {
    name: 'GraphError',
    message: /node 'drop6': op 'dropout'/,
  });

  const clash = new GraphBuilder('clash');
  clash.output('x', clash.relu(clash.input('x', [1, 8])));
  await t.rejects(graphToOnnx(clash.build(), weights), {
    name: 'GraphError',
    message: /'x' is both an input and an output/,
  });

  const vast = new GraphBuilder('vast');
  const w = vast.variable('w', [30_000, 20_000], { kind: 'he' });
  vast.output('y', vast.linear(vast.input('x', [1, 20_000]), w));
  await t.rejects(graphToOnnx(vast.build(), weights), { name: 'GraphError', message: /at most 2 GiB/ });
});
