/** Memory placement and WASM lowering: pure functions, no backend is opened. */
import t from 'tap';
import { lower } from '../src/backends/wasm/lower/lower.js';
import type { Lowered, Step } from '../src/backends/wasm/lower/program.js';
import { inferenceGraph, stepGraph } from '../src/engine/graphs.js';
import { GraphBuilder } from '../src/graph/builder.js';
import { differentiate } from '../src/graph/differentiate.js';
import { optimize } from '../src/graph/passes.js';
import { caffeAlexnet } from '../src/models/caffeAlexnet.js';
import { sgd } from '../src/ops/sgd.js';
import { type BufferRequest, placeBuffers } from '../src/plan/memory.js';
import { uniform } from './support/tensors.js';

t.test('buffers that live at the same time never overlap, and the arena is no larger than it must be', async (t) => {
  const next = uniform(3);
  for (let round = 0; round < 50; round++) {
    const requests: BufferRequest[] = Array.from({ length: 1 + Math.floor(next() * 60) }, (_, i) => {
      const first = Math.floor(next() * 40);
      return {
        name: `${i}`,
        bytes: 1 + Math.floor(next() ** 3 * 1e6),
        first,
        last: first + Math.floor(next() ** 2 * 20),
      };
    });
    const { offsets, bytes } = placeBuffers(requests);
    let overlaps = 0;
    for (const [i, a] of requests.entries()) {
      if (offsets[i] % 64 !== 0 || offsets[i] + a.bytes > bytes) overlaps++;
      for (const [j, b] of requests.entries()) {
        if (j <= i || a.last < b.first || b.last < a.first) continue;
        if (offsets[i] < offsets[j] + b.bytes && offsets[j] < offsets[i] + a.bytes) overlaps++;
      }
    }
    // What lives at the fullest step is the least that any placement needs.
    const live = (step: number) =>
      requests.reduce(
        (sum, { first, last, bytes }) => sum + (first <= step && step <= last ? Math.ceil(bytes / 64) * 64 : 0),
        0,
      );
    const least = Math.max(...Array.from({ length: 60 }, (_, step) => live(step)));
    if (overlaps > 0 || bytes < least || bytes > 1.5 * least)
      t.fail(`round ${round}: ${overlaps} overlaps, ${bytes} of ${least}`);
  }
  t.same(placeBuffers([]), { offsets: [], bytes: 0 });
  const chain = [0, 1, 2, 3].map((i) => ({ name: `${i}`, bytes: 1000, first: i, last: i + 1 }));
  t.equal(placeBuffers(chain).bytes, 2048, 'a chain takes turns in two places');
});

const kernels = (steps: readonly Step[]) => steps.map(({ kernel }) => kernel);

/** Everything of a lowered program but the sizes of scratch. */
function decisions({ steps, preparation }: Lowered) {
  return [...steps, ...preparation].map(({ kernel, algorithm, node }) => `${node.name} ${algorithm} ${kernel}`);
}

t.test('algorithms follow from shapes, never from the number of threads', async (t) => {
  const graph = stepGraph(caffeAlexnet(), 16, ['conv1.weight', 'fc6.weight'], {});
  const one = lower(graph, { threads: 1 });
  const many = lower(graph, { threads: 16 });
  t.same(decisions(one), decisions(many));
  const scratch = (lowered: Lowered) =>
    lowered.buffers.reduce((sum, { name, bytes }) => sum + (name.endsWith('/scratch') ? bytes : 0), 0);
  t.ok(scratch(many) > 8 * scratch(one), 'threads size scratch');
});

t.test('inference packs convolution weights once, training in each step', async (t) => {
  const inference = lower(inferenceGraph(caffeAlexnet(), 1), { threads: 2 });
  t.same(kernels(inference.preparation), Array(5).fill('winogradFilter'));
  t.notOk(kernels(inference.steps).includes('winogradFilter'));
  t.equal(inference.buffers.filter(({ home }) => home === 'packed').length, 5);
  const all = inferenceGraph(caffeAlexnet(), 1)
    .values.filter(({ kind }) => kind === 'variable')
    .map(({ name }) => name);
  const training = lower(stepGraph(caffeAlexnet(), 1, all, {}), { threads: 2 });
  t.equal(training.preparation.length, 0);
  t.equal(
    kernels(training.steps).filter((kernel) => kernel === 'winogradFilter').length,
    5 + 4,
    'and four data gradients',
  );
});

t.test('small batches stream the fully connected weights, larger ones pack', async (t) => {
  const linear = (batch: number) =>
    kernels(lower(inferenceGraph(caffeAlexnet(), batch), { threads: 2 }).steps).filter((kernel) =>
      kernel.startsWith('linear'),
    );
  t.same(linear(1), Array(3).fill('linearRows'));
  t.same(linear(16), Array(3).fill('linearPanels'));
  const forced = lower(inferenceGraph(caffeAlexnet(), 1), {
    threads: 2,
    algorithms: { linear: 'panels', fc8: 'rows' },
  });
  t.same(
    kernels(forced.steps).filter((kernel) => kernel.startsWith('linear')),
    ['linearPanels', 'linearPanels', 'linearRows'],
    'an algorithm can be forced by op and by node',
  );
});

t.test('the gradient of a fully connected weight takes no memory while it trains', async (t) => {
  const graph = stepGraph(caffeAlexnet(), 16, ['fc6.weight', 'fc7.weight', 'fc8.weight'], {});
  const { steps, buffers } = lower(graph, { threads: 2 });
  t.equal(kernels(steps).filter((kernel) => kernel === 'linearSgd').length, 3);
  t.notOk(kernels(steps).includes('linearWeightGradient'));
  t.ok(buffers.every(({ home, bytes }) => home === 'variable' || bytes < 4096 * 4096 * 4));
});

t.test('a strided data gradient is a convolution for each phase', async (t) => {
  const phases = (stride: number, kernel: number) => {
    const g = new GraphBuilder('strided');
    const w = g.variable('w', [3, 2, kernel, kernel], { kind: 'he' });
    const y = g.conv2d(g.input('x', [1, 2, 11, 11]), w, undefined, { stride }, { name: 'conv' });
    const size = y.shape[2] * y.shape[3] * 3;
    g.output('loss', g.crossEntropy(g.reshape(y, [1, size]), g.input('labels', [1], 'i32')));
    const { steps } = lower(optimize(differentiate(g.build(), 'loss', ['x'])), { threads: 1 });
    return steps.filter(({ node, main }) => node.name === 'conv/dataGradient' && main).length;
  };
  t.equal(phases(1, 3), 1);
  t.equal(phases(2, 3), 4);
  t.equal(phases(4, 3), 16, 'phases that no tap reaches are there too: they write zeros');
});

t.test('in-place ops share memory only where nobody reads the input again', async (t) => {
  const g = new GraphBuilder('in place');
  const x = g.input('x', [64]);
  const a = g.relu(x, { name: 'a' });
  const b = g.relu(a, { name: 'b' });
  g.output('sum', g.add(b, g.relu(g.add(b, b, { name: 'twice' }), { name: 'c' }), { name: 'sum' }));
  const { bufferOf } = lower(g.build(), { threads: 1 });
  const at = (name: string) => bufferOf.get(g.find(name).id);
  t.not(at('a'), bufferOf.get(x.id), 'the input stays as it was given');
  t.equal(at('b'), at('a'), 'b is written over a, which nobody reads again');
  t.not(at('twice'), at('b'), 'b is read once more');
});

t.test('updates are written in place, and a late reader is an error', async (t) => {
  const g = new GraphBuilder('late');
  const w = g.variable('w', [4], { kind: 'he' });
  const v = g.variable('v', [4], { kind: 'he' });
  const [next, momentum] = g.apply(sgd, [w, g.input('g', [4]), v, g.input('rate', [1])], {}, { name: 'update' });
  g.update(w, next);
  g.update(v, momentum);
  const { bufferOf } = lower(g.build(), { threads: 1 });
  t.equal(bufferOf.get(next.id), bufferOf.get(w.id));
  g.output('y', g.relu(w, { name: 'late' }));
  t.throws(() => lower(g.build(), { threads: 1 }), {
    name: 'GraphError',
    message: /node 'late' reads variable 'w' after node 'update' has updated it/,
  });
});
