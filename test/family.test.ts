/** The presets: totals of their sources, layers and options. Recipes have a file of their own. */
import t from 'tap';
import { GraphBuilder } from '../src/graph/builder.js';
import type { Graph, Node } from '../src/graph/graph.js';
import type { FamilyOptions } from '../src/models/family.js';
import type { Model } from '../src/models/model.js';
import { preset, presets } from '../src/models/presets.js';
import { elements } from '../src/ops/define.js';
import { tandem } from './support/cli.js';

function graphOf(model: Model, batch = 1, training = false): Graph {
  const g = new GraphBuilder(model.name);
  const images = g.input('images', [batch, ...model.inputShape]);
  g.output('logits', model.build(g, images, training ? g.input('random', [4], 'i32') : undefined).logits);
  return g.build();
}

function totals(graph: Graph) {
  const typesOf = (ids: readonly number[]) => ids.map((id) => graph.values[id]);
  let macs = 0;
  for (const { op, attributes, inputs, outputs } of graph.nodes) {
    macs += op.cost(attributes, typesOf(inputs), typesOf(outputs)).macs;
  }
  const variables = graph.values.filter(({ kind }) => kind === 'variable');
  return { parameters: variables.reduce((sum, { shape }) => sum + elements(shape), 0), macs };
}

/** 'conv1 96×55×55' for each node that is no alias. */
function layersOf(graph: Graph): string[] {
  return graph.nodes
    .filter(({ op }) => !op.alias)
    .map(({ name, outputs }) => `${name} ${graph.values[outputs[0]].shape.slice(1).join('×')}`);
}

function node(graph: Graph, name: string): Node {
  const found = graph.nodes.find((candidate) => candidate.name === name);
  if (!found) throw new Error(`there is no node '${name}'`);
  return found;
}

const table: readonly (readonly [string, number, number])[] = [
  ['alexnet', 60_965_224, 724_406_816],
  ['alexnet-2012', 60_965_224, 724_406_816],
  ['caffe-alexnet', 60_965_224, 724_406_816],
  ['caffenet', 60_965_224, 724_406_816],
  ['alexnet-one-tower', 62_378_344, 1_135_256_096],
  ['alexnet-single', 62_378_344, 1_135_256_096],
  ['alexnet-owt', 61_100_840, 714_188_480],
  ['mnist-tf', 5_624_842, 34_606_080],
  ['cifar10-80sec', 145_578, 12_354_176],
  ['cifar10-quick', 145_578, 12_354_176],
  ['cifar10-18pct', 89_578, 12_298_240],
  ['cifar10-full', 89_578, 12_298_240],
  ['cifar10-13pct', 1_116_490, 18_517_248],
  ['cifar10-11pct', 2_112_970, 19_512_576],
];

t.test('parameters and multiply-adds of an image', async (t) => {
  t.same([...presets.keys()].sort(), table.map(([name]) => name).sort(), 'the presets are those of the table');
  for (const [name, parameters, macs] of table) t.same(totals(graphOf(preset(name))), { parameters, macs }, name);
});

t.test('tandem summary prints each of them', async (t) => {
  for (const [name, parameters, macs] of table) {
    const { code, stdout } = await tandem('summary', name);
    const count = (value: number) => value.toLocaleString('en-US');
    t.equal(code, 0, name);
    t.match(stdout, new RegExp(`^total +${count(parameters)} +${count(macs)}$`, 'm'), name);
  }
});

t.test('layers as the sources have them', async (t) => {
  const paper = [
    'conv1 96×55×55',
    'relu1 96×55×55',
    'norm1 96×55×55',
    'pool1 96×27×27',
    'conv2 256×27×27',
    'relu2 256×27×27',
    'norm2 256×27×27',
    'pool2 256×13×13',
    'conv3 384×13×13',
    'relu3 384×13×13',
    'conv4 384×13×13',
    'relu4 384×13×13',
    'conv5 256×13×13',
    'relu5 256×13×13',
    'pool5 256×6×6',
    'fc6 4096',
    'relu6 4096',
    'drop6 4096',
    'fc7 4096',
    'relu7 4096',
    'drop7 4096',
    'fc8 1000',
  ];
  for (const name of ['alexnet', 'caffe-alexnet', 'alexnet-single']) {
    t.same(layersOf(graphOf(preset(name), 1, true)), paper, name);
  }
  const poolFirst = paper.with(2, 'pool1 96×27×27').with(3, 'norm1 96×27×27');
  t.same(
    layersOf(graphOf(preset('caffenet'), 1, true)),
    poolFirst.with(6, 'pool2 256×13×13').with(7, 'norm2 256×13×13'),
    'caffenet',
  );
  t.same(
    layersOf(graphOf(preset('alexnet-2012'), 1, true)).slice(0, 9),
    [
      'conv1 96×55×55',
      'norm1 96×55×55',
      'pool1 96×27×27',
      'relu1 96×27×27',
      'conv2 256×27×27',
      'relu2 256×27×27',
      'norm2 256×27×27',
      'mapNorm2 256×27×27',
      'pool2 256×13×13',
    ],
    'alexnet-2012',
  );
  t.same(
    layersOf(graphOf(preset('alexnet-one-tower'), 1, true)).slice(-8),
    ['pool5 256×6×6', 'drop6 256×6×6', 'fc6 4096', 'relu6 4096', 'drop7 4096', 'fc7 4096', 'relu7 4096', 'fc8 1000'],
    'alexnet-one-tower: dropout before FC6 and FC7, no ReLU on FC8',
  );
  t.same(
    layersOf(graphOf(preset('alexnet-owt'), 1, true)),
    [
      'conv1 64×55×55',
      'relu1 64×55×55',
      'pool1 64×27×27',
      'conv2 192×27×27',
      'relu2 192×27×27',
      'pool2 192×13×13',
      'conv3 384×13×13',
      'relu3 384×13×13',
      'conv4 256×13×13',
      'relu4 256×13×13',
      'conv5 256×13×13',
      'relu5 256×13×13',
      'pool5 256×6×6',
      'avgpool 256×6×6',
      'drop6 256×6×6',
      'fc6 4096',
      'relu6 4096',
      'drop7 4096',
      'fc7 4096',
      'relu7 4096',
      'fc8 1000',
    ],
    'alexnet-owt',
  );
  t.same(
    layersOf(graphOf(preset('mnist-tf'), 1, true)),
    [
      'conv1 64×28×28',
      'relu1 64×28×28',
      'pool1 64×14×14',
      'norm1 64×14×14',
      'drop1 64×14×14',
      'conv2 128×14×14',
      'relu2 128×14×14',
      'pool2 128×7×7',
      'norm2 128×7×7',
      'drop2 128×7×7',
      'conv3 256×7×7',
      'relu3 256×7×7',
      'pool3 256×4×4',
      'norm3 256×4×4',
      'drop3 256×4×4',
      'fc1 1024',
      'relu4 1024',
      'fc2 1024',
      'relu5 1024',
      'out 10',
    ],
    'mnist-tf',
  );
  t.same(
    layersOf(graphOf(preset('cifar10-full'))),
    [
      'conv1 32×32×32',
      'pool1 32×16×16',
      'relu1 32×16×16',
      'norm1 32×16×16',
      'conv2 32×16×16',
      'relu2 32×16×16',
      'pool2 32×8×8',
      'norm2 32×8×8',
      'conv3 64×8×8',
      'relu3 64×8×8',
      'pool3 64×4×4',
      'ip1 10',
    ],
    'cifar10-full',
  );
  t.same(layersOf(graphOf(preset('cifar10-quick'))).slice(-3), ['pool3 64×4×4', 'ip1 64', 'ip2 10'], 'no ReLU on ip1');
  t.same(layersOf(graphOf(preset('cifar10-80sec'))).slice(-3), ['fc64 64', 'relu64 64', 'fc10 10'], 'a ReLU on fc64');
  t.same(
    layersOf(graphOf(preset('cifar10-11pct'))),
    [
      'conv1 64×24×24',
      'relu1 64×24×24',
      'pool1 64×12×12',
      'norm1 64×12×12',
      'conv2 64×12×12',
      'relu2 64×12×12',
      'norm2 64×12×12',
      'pool2 64×6×6',
      'local3 64×6×6',
      'relu3 64×6×6',
      'local4 32×6×6',
      'relu4 32×6×6',
      'fc10 10',
    ],
    'cifar10-11pct',
  );
});

t.test('what tells nets of one shape apart', async (t) => {
  const attributes = (name: string, layer: string, training = true) =>
    node(graphOf(preset(name), 1, training), layer).attributes;
  t.match(attributes('alexnet', 'norm2'), { size: 5, alpha: 1e-4, beta: 0.75, k: 2, alphaPer: 'element', groups: 2 });
  t.match(attributes('alexnet-2012', 'norm2'), { size: 5, alpha: 1e-4, k: 2, alphaPer: 'window', groups: 2 });
  t.match(attributes('alexnet-2012', 'mapNorm2'), { size: 5, alpha: 0.001, beta: 0.75, k: 1, alphaPer: 'window' });
  t.match(attributes('caffe-alexnet', 'norm2'), { size: 5, alpha: 1e-4, k: 1, alphaPer: 'window', groups: 1 });
  t.match(attributes('alexnet-single', 'norm1'), { k: 2, alphaPer: 'element', groups: 1 });
  t.match(attributes('mnist-tf', 'norm1'), { size: 9, alpha: 0.001 / 9, k: 1, alphaPer: 'element' });
  t.match(attributes('cifar10-11pct', 'norm1'), { size: 9, alpha: 0.001, k: 1, alphaPer: 'window' });
  t.match(attributes('cifar10-full', 'norm1'), { size: 3, alpha: 5e-5, k: 1, alphaPer: 'window' });
  t.match(attributes('alexnet-2012', 'pool1'), { ties: 'all' });
  t.match(attributes('cifar10-80sec', 'pool1'), { ties: 'all' });
  t.match(attributes('cifar10-quick', 'pool1'), { ties: 'first' });
  t.match(attributes('cifar10-quick', 'pool2'), { count: 'inside', rounding: 'ceil' });
  t.same(attributes('alexnet-2012', 'conv1').padding, [0, 0, 3, 3], 'zeros below and to the right only');
  t.match(attributes('alexnet', 'drop6'), { probability: 0.5, scaleAt: 'test' });
  t.match(attributes('alexnet', 'drop6', false), { factor: 0.5 });
  t.match(attributes('caffe-alexnet', 'drop6'), { probability: 0.5, scaleAt: 'train' });
  t.throws(() => attributes('caffe-alexnet', 'drop6', false), /no node 'drop6'/);
  for (const name of ['alexnet', 'alexnet-2012', 'caffe-alexnet', 'caffenet']) {
    const groups = ['conv1', 'conv2', 'conv3', 'conv4', 'conv5'].map((layer) => attributes(name, layer).groups);
    t.same(groups, [1, 2, 1, 2, 2], name);
  }
});

t.test('options', async (t) => {
  const narrow = { width: 1 / 12, inputSize: 71, classes: 10 };
  const layers = (name: string, options: FamilyOptions) =>
    layersOf(graphOf(preset(name, { ...narrow, ...options }), 1, true)).map((layer) => layer.split(' ')[0]);
  const plain = layers('alexnet', {});
  t.same(plain.slice(0, 4), ['conv1', 'relu1', 'norm1', 'pool1']);
  t.same(layers('alexnet', { order: 'pool-norm' }).slice(0, 4), ['conv1', 'relu1', 'pool1', 'norm1']);
  t.same(layers('caffenet', { order: 'norm-pool' }), plain);
  const source = (order: 'norm-pool' | 'pool-norm') => layers('alexnet-2012', { order }).slice(0, 9).join(' ');
  t.equal(source('norm-pool'), 'conv1 norm1 pool1 relu1 conv2 relu2 norm2 mapNorm2 pool2');
  t.equal(source('pool-norm'), 'conv1 pool1 norm1 relu1 conv2 relu2 pool2 norm2 mapNorm2');
  t.same(
    layers('alexnet-2012', { lrn: false }).filter((name) => /norm/i.test(name)),
    [],
    'without any normalisation',
  );
  t.same(
    layers('alexnet-owt', { lrn: true, inputSize: 95 }).slice(0, 4),
    ['conv1', 'relu1', 'norm1', 'pool1'],
    "cuda-convnet2's normalisation",
  );
  const norm = (lrn: FamilyOptions['lrn']) => node(graphOf(preset('caffenet', { ...narrow, lrn })), 'norm1').attributes;
  t.match(norm('paper'), { k: 2, alphaPer: 'element', groups: 2 });
  t.match(norm('source'), { k: 2, alphaPer: 'window', groups: 2 });
  t.match(norm('caffe'), { k: 1, alphaPer: 'window', groups: 1 });
  t.same(layers('alexnet', { dropoutPlace: 'inputs' }).slice(15, 18), ['drop6', 'fc6', 'relu6']);
  t.same(layers('alexnet', { dropoutPlace: 'blocks' }).slice(3, 6), ['pool1', 'drop1', 'conv2']);
  t.same(
    layers('alexnet', { dropout: 0 }),
    plain.filter((name) => !name.startsWith('drop')),
  );
  for (const activation of ['tanh', 'sigmoid'] as const) {
    t.same(
      layers('alexnet', { activation }),
      plain.map((name) => name.replace('relu', activation)),
      activation,
    );
  }
  const pool = (name: string, options: FamilyOptions) => node(graphOf(preset(name, options)), 'pool2').attributes;
  t.match(pool('cifar10-18pct', {}), { kernel: [3, 3], stride: [2, 2] });
  t.match(pool('cifar10-18pct', { poolKernel: 2 }), { kernel: [2, 2], stride: [2, 2], count: 'inside' });
  const parameters = (name: string, options: FamilyOptions) => totals(graphOf(preset(name, options))).parameters;
  t.equal(parameters('alexnet', { towers: 1 }), 62_378_344);
  t.equal(parameters('alexnet-one-tower', { towers: 2 }), 60_965_224);
  t.equal(parameters('alexnet', { towerForm: 'split' }), 60_965_224);
  t.equal(parameters('alexnet', { fc: 'convolution' }), 60_965_224);
  t.equal(parameters('alexnet', { classes: 20 }), 60_965_224 - 980 * 4097);
  t.same(graphOf(preset('cifar10-quick', { inputSize: 48 })).values[0].shape, [1, 3, 48, 48]);

  t.same(preset('alexnet', { lrn: false, width: 0.5 }).options, {
    classes: 1000,
    width: 0.5,
    inputSize: 227,
    dropout: 0.5,
    lrn: false,
  });
  const wrong: [string, FamilyOptions | Record<string, string | number>, RegExp][] = [
    ['alexnet', { towers: 3 }, /alexnet: towers must be one of 2, 1, got 3/],
    ['alexnet', { order: 'conv-relu' }, /order must be one of norm-pool, pool-norm, got conv-relu/],
    ['alexnet', { lrn: 'torch' }, /lrn must be one of true, false, paper, source, caffe, got torch/],
    ['alexnet', { activation: 'gelu' }, /activation must be one of relu, tanh, sigmoid, got gelu/],
    ['alexnet', { dropoutPlace: 'top' }, /dropoutPlace must be one of outputs, inputs, blocks, got top/],
    ['cifar10-18pct', { poolKernel: 1 }, /poolKernel must be an integer from 2 to 3, got 1/],
    ['mnist-tf', { init: 'glorot' }, /init must be one of preset, he, got glorot/],
    ['alexnet-2012', { inputSize: 51 }, /inputSize must be an integer from 52 to 4096, got 51/],
    ['cifar10-full', { dropout: 0.5 }, /cifar10-full: it has no hidden fully connected layer to drop outputs of/],
  ];
  for (const [name, options, message] of wrong) {
    t.throws(() => preset(name, options as FamilyOptions), { name: 'ArgumentError', message });
  }
  t.equal(
    layersOf(graphOf(preset('cifar10-full', { dropout: 0.5, dropoutPlace: 'blocks' }), 1, true))[4],
    'drop1 32×16×16',
  );
});

t.test('initialisation by He', async (t) => {
  const variables = (name: string, options: FamilyOptions) =>
    new Map(
      graphOf(preset(name, options)).values.flatMap((value) => (value.variable ? [[value.name, value.variable]] : [])),
    );
  for (const [name, fans] of [
    ['mnist-tf', { conv1: 9, conv3: 128 * 9, fc1: 4096, out: 1024 }],
    ['alexnet', { conv1: 363, conv2: 48 * 25, conv3: 256 * 9, fc6: 9216, fc8: 4096 }],
    ['cifar10-13pct', { local3: 64 * 9, local4: 32 * 9 }],
  ] as const) {
    const [own, he] = [variables(name, {}), variables(name, { init: 'he' })];
    t.same([...he.keys()], [...own.keys()], `${name}: the same parameters`);
    for (const [layer, fanIn] of Object.entries(fans)) {
      const weight = `${layer}.weight`;
      t.same(he.get(weight), { ...own.get(weight), init: { kind: 'normal', std: Math.sqrt(2 / fanIn) } }, weight);
    }
    for (const [parameter, { init }] of he) {
      if (parameter.endsWith('.bias')) t.same(init, { kind: 'constant', value: 0 }, parameter);
    }
  }
  t.same(variables('mnist-tf', { init: 'preset' }), variables('mnist-tf', {}));
});

t.test('every preset works at its smallest input', async (t) => {
  for (const [name] of table) {
    const refusal = t.throws(() => preset(name, { inputSize: 1 }), { name: 'ArgumentError' }) as Error;
    const least = Number(/from (\d+) to/.exec(refusal.message)?.[1]);
    t.same(
      graphOf(preset(name, { inputSize: least, width: 1 / 16 })).nodes.at(-1)?.op.name,
      'linear',
      `${name} at ${least}`,
    );
  }
});
