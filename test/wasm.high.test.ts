/** Kernels of pooling, normalisation and matrix products, forward and backward, on memory above 2 GiB. */
import t from 'tap';
import type { Backend } from '../src/backends/backend.js';
import { openWasmBackend } from '../src/backends/wasm/index.js';
import { GraphBuilder } from '../src/graph/builder.js';
import { differentiate } from '../src/graph/differentiate.js';
import { elements } from '../src/ops/define.js';

const zero = { kind: 'constant', value: 0 } as const;

/** Each op once, on the way from an image to a number, and the gradients of the image and of all weights. */
function everyOp() {
  const g = new GraphBuilder('high');
  const x = g.input('x', [3, 4, 9, 11]);
  const [bank, bias] = [g.variable('bank', [5, 5, 6, 4, 3, 3], zero), g.variable('bias', [5, 5, 6], zero)];
  const local = g.local2d(x, bank, bias, { stride: 2, padding: 1 });
  const normed = g.lrnWithin(g.lrn(local, { alpha: 0.1, groups: 5 }), { alpha: 0.1, size: 3 });
  const wide = g.convTranspose2d(normed, g.variable('wide', [5, 3, 3, 3], zero), undefined, { stride: 2 });
  const mean = g.avgPool(wide, { kernel: 3, stride: 2, padding: 1, rounding: 'ceil', count: 'all' });
  const best = g.maxPool(mean, { kernel: 2, ties: 'all' });
  const features = g.reshape(g.adaptiveAvgPool(best, { size: [2, 3] }), [3, 18]);
  const product = g.matMul(features, g.variable('square', [18, 18], zero), { transposeB: true });
  g.output('loss', g.matMul(g.reshape(product, [1, 54]), g.variable('sum', [54, 1], zero)));
  return differentiate(g.build(), 'loss', ['x', 'bank', 'bias', 'wide', 'square', 'sum']);
}

function waves(count: number, phase: number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => Math.sin(i + phase));
}

async function run(backend: Backend) {
  const graph = everyOp();
  const variables = graph.values.filter((value) => value.kind === 'variable');
  const storages = new Map(variables.map((value) => [value.id, backend.allocate(value, value.name)]));
  for (const value of variables) await storages.get(value.id)?.write(waves(elements(value.shape), value.id));
  const program = await backend.compile(graph, storages);
  const inputs = [...graph.inputs].map(([name, id]) => [name, waves(elements(graph.values[id].shape), 1)]);
  const { outputs } = await program.run(Object.fromEntries(inputs));
  return outputs;
}

t.test('pointers above 2 GiB work', async (t) => {
  const [high, low] = [await openWasmBackend({ threads: 2 }), await openWasmBackend({ threads: 1 })];
  // Takes the addresses below; never touched, so it costs no memory.
  const ballast = high.allocate({ dtype: 'f32', shape: [2 ** 29 + 2 ** 27] }, 'ballast');
  const above = await run(high);
  t.same(above, await run(low));
  for (const [name, values] of Object.entries(above)) {
    t.ok(values.every(Number.isFinite) && values.some((value) => value !== 0), name);
  }
  ballast.free();
  await high.close();
  await low.close();
});
