/** Builder, differentiation and passes: pure data, no backend. */
import t from 'tap';
import { GraphBuilder } from '../src/graph/builder.js';
import { differentiate, gradientName } from '../src/graph/differentiate.js';
import type { Graph } from '../src/graph/graph.js';
import { fuseActivations, fuseUpdates, optimize, prune, withOutputs } from '../src/graph/passes.js';
import { caffeAlexnet } from '../src/models/caffeAlexnet.js';
import { sgd } from '../src/ops/sgd.js';

/** conv → relu → pool → fc → loss, with a momentum step for the fully connected weight. */
function small(): { g: GraphBuilder; graph: () => Graph } {
  const g = new GraphBuilder('small');
  const x = g.input('images', [2, 3, 8, 8]);
  const conv = g.conv2d(x, g.variable('conv.weight', [4, 3, 3, 3], { kind: 'he' }), undefined, {}, { name: 'conv' });
  const pool = g.maxPool(g.relu(conv, { name: 'relu' }), { kernel: 2, stride: 2 }, { name: 'pool' });
  const flat = g.reshape(pool, [2, 36], { name: 'flat' });
  const fc = g.linear(flat, g.variable('fc.weight', [5, 36], { kind: 'he' }), undefined, { name: 'fc' });
  g.output('logits', fc);
  g.output('loss', g.crossEntropy(fc, g.input('labels', [2], 'i32'), { name: 'loss' }));
  return { g, graph: () => g.build() };
}

const names = (graph: Graph) => graph.nodes.map(({ name }) => name);

t.test('errors name the node, the shapes and what was expected', async (t) => {
  const g = new GraphBuilder('bad');
  const x = g.input('x', [2, 3, 8, 8]);
  const w = g.variable('w', [4, 2, 3, 3], { kind: 'he' });
  t.throws(() => g.conv2d(x, w, undefined, {}, { name: 'conv1' }), {
    name: 'GraphError',
    message: /node 'conv1': conv2d: the weight expects 2 input channels .*'x' \[2, 3, 8, 8\], 'w' \[4, 2, 3, 3\]/,
  });
  t.throws(() => g.conv2d(x, w, undefined, { stride: 0 }), { message: /stride must be an integer from 1/ });
  t.throws(() => g.input('x', [1]), { message: /'x' is declared twice/ });
  t.throws(() => g.variable('w', [1], { kind: 'he' }), { message: /'w' is used twice/ });
  t.throws(() => g.input('y', [2, 0]), { message: /positive integer, got \[2, 0\]/ });
  t.throws(() => g.relu(new GraphBuilder('other').input('x', [1])), { message: /value of another graph/ });
  t.throws(() => g.find('z'), { message: /graph 'bad' has no value 'z'/ });
});

t.test('only gradients that are asked for get nodes', async (t) => {
  const { graph } = small();
  const weights = differentiate(graph(), 'loss', ['conv.weight', 'fc.weight']);
  t.same(
    names(weights).slice(graph().nodes.length),
    [
      'loss/gradient',
      'fc/dataGradient',
      'fc/weightGradient',
      'flat/gradient',
      'pool/gradient',
      'relu/gradient',
      'conv/weightGradient',
    ],
    'no gradient of the images',
  );
  const last = differentiate(graph(), 'loss', ['fc.weight']);
  t.same(names(last).slice(graph().nodes.length), ['loss/gradient', 'fc/weightGradient'], 'frozen layers cost nothing');
  const images = differentiate(graph(), 'loss', ['images']);
  t.ok(names(images).includes('conv/dataGradient') && !names(images).includes('conv/weightGradient'), 'saliency only');
  const output = images.outputs.get(gradientName('images')) as number;
  t.same(images.values[output].shape, [2, 3, 8, 8]);
});

t.test('a value that is read twice gets the sum of its gradients', async (t) => {
  const g = new GraphBuilder('fan');
  const x = g.input('x', [2, 3]);
  const w = g.variable('w', [3, 3], { kind: 'he' });
  const once = g.linear(x, w, undefined, { name: 'once' });
  g.output(
    'loss',
    g.crossEntropy(g.add(g.linear(once, w, undefined, { name: 'twice' }), once), g.input('labels', [2], 'i32')),
  );
  const graph = differentiate(g.build(), 'loss', ['w']);
  t.equal(graph.nodes.filter(({ op, phase }) => op.name === 'add' && phase === 'backward').length, 2);
});

t.test('what cannot be differentiated is an error', async (t) => {
  const { g, graph } = small();
  t.throws(() => differentiate(graph(), 'logits', ['fc.weight']), { message: /must have one element/ });
  t.throws(() => differentiate(graph(), 'nothing', ['fc.weight']), { message: /no output 'nothing'/ });
  t.throws(() => differentiate(graph(), 'loss', ['labels']), { message: /does not depend on 'labels'/ });
  g.variable('unused', [1], { kind: 'he' });
  t.throws(() => differentiate(graph(), 'loss', ['unused']), { message: /does not depend on 'unused'/ });
});

t.test('pruning keeps what outputs and updates need, and nothing else', async (t) => {
  const graph = differentiate(small().graph(), 'loss', ['conv.weight', 'fc.weight', 'images']);
  const pruned = prune(withOutputs(graph, ['loss', gradientName('fc.weight')]));
  t.notOk(names(pruned).includes('conv/dataGradient'));
  t.notOk(names(pruned).includes('pool/gradient'));
  t.ok(names(pruned).includes('fc/weightGradient') && names(pruned).includes('loss'));
});

t.test('a ReLU joins the op before it, unless somebody else reads the sum', async (t) => {
  const { g, graph } = small();
  const fused = fuseActivations(graph());
  t.notOk(names(fused).includes('relu'));
  t.equal(fused.nodes[0].attributes.activation, 'relu');
  t.same(fused.nodes[1].inputs, fused.nodes[0].outputs, 'its readers read the fused node');
  g.output('before', g.find('conv'));
  t.ok(names(fuseActivations(graph())).includes('relu'), 'an output before the ReLU stays');
});

/** A step of the small graph: gradients and an update for each weight, not yet optimized. */
function smallStep(): Graph {
  const { g, graph } = small();
  const rate = g.input('rate', [1]);
  const d = differentiate(graph(), 'loss', ['conv.weight', 'fc.weight']);
  const builder = new GraphBuilder('step', d);
  for (const name of ['conv.weight', 'fc.weight']) {
    const w = builder.find(name);
    const v = builder.variable(`${name}/momentum`, w.shape, { kind: 'constant', value: 0 }, { role: 'state' });
    const gradient = d.values[d.outputs.get(gradientName(name)) as number];
    const [next, momentum] = builder.apply(sgd, [w, gradient, v, rate], {}, { name: `${name}/sgd`, phase: 'update' });
    builder.update(w, next);
    builder.update(v, momentum);
  }
  return builder.build();
}

t.test('updates move up to where their gradient is, behind the last reader of the variable', async (t) => {
  const order = names(optimize(withOutputs(smallStep(), ['loss'])));
  t.ok(order.indexOf('fc.weight/sgd') > order.indexOf('fc/weightGradient'), 'after its gradient');
  t.ok(order.indexOf('fc.weight/sgd') > order.indexOf('fc/dataGradient'), 'after the last reader of the old weight');
  t.ok(order.indexOf('fc.weight/sgd') < order.indexOf('pool/gradient'), 'before the backward pass goes on');
});

t.test('an update takes in the gradient of a fully connected weight, unless somebody else reads it', async (t) => {
  const graph = optimize(withOutputs(smallStep(), ['loss']));
  const fused = fuseUpdates(graph);
  t.same(
    names(fused),
    names(graph).filter((name) => name !== 'fc/weightGradient'),
    'in the same order',
  );
  const node = (of: Graph, name: string) => of.nodes.find((one) => one.name === name);
  const [w, gradient, v, rate] = node(graph, 'fc.weight/sgd')?.inputs ?? [];
  const [dy, x] = node(graph, 'fc/weightGradient')?.inputs ?? [];
  t.match(node(fused, 'fc.weight/sgd'), { op: { name: 'linearSgd' }, inputs: [w, dy, x, v, rate], phase: 'update' });
  t.equal(node(fused, 'conv.weight/sgd'), node(graph, 'conv.weight/sgd'), 'those of convolutions stay');

  const read = { ...graph, outputs: new Map([...graph.outputs, ['gradient', gradient]]) };
  t.same(fuseUpdates(read), read, 'a gradient that is an output stays');
  const changed = { ...graph, updates: new Map([...graph.updates, [x, w]]) };
  t.same(fuseUpdates(changed), changed, 'so does one of something that changes before the update');
});

t.test('AlexNet differentiates without a gradient of its images', async (t) => {
  const model = caffeAlexnet({ width: 1 / 16 });
  const g = new GraphBuilder(model.name);
  const { logits } = model.build(g, g.input('images', [1, ...model.inputShape]), g.input('random', [4], 'i32'));
  g.output('loss', g.crossEntropy(logits, g.input('labels', [1], 'i32')));
  const parameters = g
    .build()
    .values.filter(({ kind }) => kind === 'variable')
    .map(({ name }) => name);
  const graph = optimize(differentiate(g.build(), 'loss', parameters));
  t.equal(parameters.length, 16);
  t.notOk(names(graph).includes('conv1/dataGradient'));
  t.equal(graph.nodes.filter(({ name }) => name.endsWith('/weightGradient')).length, 8);
});
