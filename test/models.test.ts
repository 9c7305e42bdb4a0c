import t from 'tap';
import { ArgumentError, FileError } from '../src/errors.js';
import { GraphBuilder } from '../src/graph/builder.js';
import { differentiate, gradientName } from '../src/graph/differentiate.js';
import type { Graph } from '../src/graph/graph.js';
import { caffeAlexnet } from '../src/models/caffeAlexnet.js';
import { modelFromMetadata, weightsMetadata } from '../src/models/metadata.js';
import type { Model } from '../src/models/model.js';
import { preset } from '../src/models/presets.js';
import { elements } from '../src/ops/define.js';
import type { DropoutAttributes } from '../src/ops/dropout.js';
import { sgd } from '../src/ops/sgd.js';
import {
  distance,
  evaluate,
  goldenBatch,
  goldenData,
  goldenGraph,
  goldenModel,
  goldenSteps,
  goldenWeights,
  maxRelative,
  norm,
  outputOf,
  readGolden,
} from './golden.js';

function graphOf(model: Model, batch: number, training = false): Graph {
  const g = new GraphBuilder(model.name);
  const images = g.input('images', [batch, ...model.inputShape]);
  const random = training ? g.input('random', [4], 'i32') : undefined;
  g.output('logits', model.build(g, images, random).logits);
  return g.build();
}

function macsOf(graph: Graph): number {
  const typesOf = (ids: readonly number[]) => ids.map((id) => graph.values[id]);
  let macs = 0;
  for (const { op, attributes, inputs, outputs } of graph.nodes) {
    macs += op.cost(attributes, typesOf(inputs), typesOf(outputs)).macs;
  }
  return macs;
}

t.test('caffe-alexnet has the layers, shapes and totals of bvlc_alexnet', async (t) => {
  const graph = graphOf(caffeAlexnet(), 1);
  const shapes = graph.nodes.map(({ name, op, outputs }) => [name, op.name, graph.values[outputs[0]].shape.join('×')]);
  t.same(shapes, [
    ['conv1', 'conv2d', '1×96×55×55'],
    ['relu1', 'relu', '1×96×55×55'],
    ['norm1', 'lrn', '1×96×55×55'],
    ['pool1', 'maxPool', '1×96×27×27'],
    ['conv2', 'conv2d', '1×256×27×27'],
    ['relu2', 'relu', '1×256×27×27'],
    ['norm2', 'lrn', '1×256×27×27'],
    ['pool2', 'maxPool', '1×256×13×13'],
    ['conv3', 'conv2d', '1×384×13×13'],
    ['relu3', 'relu', '1×384×13×13'],
    ['conv4', 'conv2d', '1×384×13×13'],
    ['relu4', 'relu', '1×384×13×13'],
    ['conv5', 'conv2d', '1×256×13×13'],
    ['relu5', 'relu', '1×256×13×13'],
    ['pool5', 'maxPool', '1×256×6×6'],
    ['fc6/flatten', 'reshape', '1×9216'],
    ['fc6', 'linear', '1×4096'],
    ['relu6', 'relu', '1×4096'],
    ['fc7', 'linear', '1×4096'],
    ['relu7', 'relu', '1×4096'],
    ['fc8', 'linear', '1×1000'],
  ]);
  const variables = graph.values.filter(({ kind }) => kind === 'variable');
  t.equal(
    variables.reduce((sum, { shape }) => sum + elements(shape), 0),
    60_965_224,
    'parameters',
  );
  t.equal(macsOf(graph), 724_406_816, 'multiply-adds of one image');
  t.equal(macsOf(graphOf(caffeAlexnet(), 3)), 3 * 724_406_816, 'multiply-adds of three');
});

t.test('caffe-alexnet starts and learns as its prototxt says', async (t) => {
  const graph = graphOf(caffeAlexnet(), 1);
  const biases = { conv1: 0, conv2: 0.1, conv3: 0, conv4: 0.1, conv5: 0.1, fc6: 0.1, fc7: 0.1, fc8: 0 };
  for (const [layer, value] of Object.entries(biases)) {
    const std = layer === 'fc6' || layer === 'fc7' ? 0.005 : 0.01;
    const variable = (name: string) => graph.values.find((candidate) => candidate.name === name)?.variable;
    t.same(variable(`${layer}.weight`), {
      role: 'parameter',
      init: { kind: 'normal', std },
      learningRateMultiplier: 1,
      decayMultiplier: 1,
    });
    t.same(variable(`${layer}.bias`), {
      role: 'parameter',
      init: { kind: 'constant', value },
      learningRateMultiplier: 2,
      decayMultiplier: 0,
    });
  }
  const model = caffeAlexnet();
  t.same(model.recipe, {
    batch: 256,
    learningRate: 0.01,
    iterations: 450_000,
    schedule: { kind: 'step', size: 100_000, gamma: 0.1 },
    optimizer: { rule: 'caffe', momentum: 0.9, weightDecay: 5e-4 },
  });
  t.same(model.preprocessing, {
    channels: 'BGR',
    fit: 'warp',
    resize: 256,
    crop: 227,
    mean: [104.00698793, 116.66876762, 122.67891434],
    scale: 1,
  });
});

t.test('dropout follows relu6 and relu7 in training graphs only, with streams of its own', async (t) => {
  const dropouts = (model: Model, training: boolean) =>
    graphOf(model, 2, training).nodes.filter(({ op }) => op.name === 'dropout');
  const [drop6, drop7, ...rest] = dropouts(caffeAlexnet({ width: 1 / 16 }), true);
  t.same([drop6.name, drop7.name, rest.length], ['drop6', 'drop7', 0]);
  const [six, seven] = [drop6, drop7].map(({ attributes }) => attributes as DropoutAttributes);
  t.same([six.probability, seven.probability], [0.5, 0.5]);
  t.not(six.stream, seven.stream);
  t.equal(dropouts(caffeAlexnet({ width: 1 / 16 }), false).length, 0);
  t.equal(dropouts(caffeAlexnet({ width: 1 / 16, dropout: 0 }), true).length, 0);
});

t.test('narrowed nets keep their groups legal', async (t) => {
  for (const width of [1 / 96, 0.013, 1 / 36, 1 / 3, 0.77]) {
    const graph = graphOf(caffeAlexnet({ width, inputSize: 55, classes: 3 }), 1);
    t.same(graph.values[graph.outputs.get('logits') ?? -1].shape, [1, 3], `width ${width}`);
  }
  const third = graphOf(caffeAlexnet({ width: 1 / 3 }), 1);
  t.equal(third.values.find(({ name }) => name === 'conv1')?.shape[1], 32, 'no filter is added by rounding');
});

t.test('presets', async (t) => {
  t.same(preset('caffe-alexnet', { classes: 7 }).options, { classes: 7, width: 1, inputSize: 227, dropout: 0.5 });
  const nearestFirst =
    'caffe-alexnet, alexnet, caffenet, alexnet-owt, alexnet-2012, cifar10-80sec, cifar10-18pct, cifar10-full, ' +
    'cifar10-13pct, cifar10-11pct, cifar10-quick, alexnet-single, mnist-tf, alexnet-one-tower';
  t.throws(
    () => preset('cafe-alexnet'),
    new ArgumentError(`there is no preset 'cafe-alexnet', expected one of ${nearestFirst}`),
  );
  t.throws(() => preset('caffe-alexnet', { clases: 7 }), /no option 'clases', expected one of classes, width/);
  const outOfRange: [string, number | string][] = [
    ['classes', 0],
    ['classes', 1.5],
    ['classes', 'ten'],
    ['width', 0],
    ['width', Number.NaN],
    ['inputSize', 54],
    ['dropout', 1],
  ];
  for (const [name, value] of outOfRange) {
    const message = new RegExp(`caffe-alexnet: ${name} must be .* got ${value}`);
    t.throws(() => preset('caffe-alexnet', { [name]: value }), { name: 'ArgumentError', message });
  }
});

t.test('a model survives the metadata of a weights file', async (t) => {
  const model = {
    ...caffeAlexnet({ classes: 10, width: 0.5 }),
    preprocessing: { ...caffeAlexnet().preprocessing, scale: 0.5 },
  };
  const { build: _, ...again } = modelFromMetadata(weightsMetadata(model));
  const { build: __, ...wanted } = model;
  t.same(again, wanted);

  const named = { ...caffeAlexnet({ classes: 2 }), classNames: ['cat', 'dog "Rex"'] };
  t.same(modelFromMetadata(weightsMetadata(named)).classNames, named.classNames);
  t.notOk('classNames' in wanted || 'classNames' in again, 'names only where they are known');
  for (const classNames of ['["cat"]', '["cat",1]', '{"0":"cat"}']) {
    t.throws(() => modelFromMetadata({ ...weightsMetadata(named), classNames }, 'net.safetensors'), {
      name: 'FileError',
      message: /net\.safetensors: 'classNames' in the metadata must be a list of 2 strings/,
    });
  }

  const torch = modelFromMetadata(weightsMetadata(preset('alexnet-owt', { classes: 10 })));
  t.same(torch.preprocessing.std, [58.395, 57.12, 57.375]);

  const metadata = weightsMetadata(model);
  const broken: [Record<string, string>, RegExp][] = [
    [{ preset: 'alexnot' }, /net\.safetensors: there is no preset 'alexnot'/],
    [{ options: '{' }, /'options' in the metadata is not JSON/],
    [{ options: '3' }, /'options' must be a JSON object/],
    [{ options: '{"depth":9}' }, /no option 'depth'/],
    [{ classes: '11' }, /'classes' is 11 in the metadata, the preset and its options have 10/],
    [{ preprocessing: '{"channels":"RGB"}' }, /'preprocessing' in the metadata lacks a field/],
    [{ preprocessing: JSON.stringify({ ...model.preprocessing, std: [1, 0, 1] }) }, /lacks a field or has a wrong one/],
    [{ preprocessing: JSON.stringify({ ...model.preprocessing, meanImage: 1 }) }, /lacks a field or has a wrong one/],
  ];
  for (const [change, message] of broken) {
    t.throws(() => modelFromMetadata({ ...metadata, ...change }, 'net.safetensors'), { name: 'FileError', message });
  }
  t.throws(() => modelFromMetadata({}, 'x'), new FileError("x: the metadata have no 'preset'"));
});

/** Stored in float32, the golden values are known to 2⁻²⁴ of themselves; float64 runs of the same sums agree far better. */
const stored = 2 ** -23;

t.test('the float64 reference follows PyTorch: logits, loss and every gradient', async (t) => {
  const golden = await readGolden();
  const names = [...golden.gradients.keys()];
  t.equal(names.length, 16);
  const graph = differentiate(goldenGraph(), 'loss', [...names, 'images']);
  const { images, labels } = goldenData(0);
  const feeds = new Map<string, ArrayLike<number>>(Object.entries({ images, labels, [gradientName('loss')]: [1] }));
  const tensors = evaluate(graph, new Map([...feeds, ...goldenWeights()]));
  t.ok(maxRelative(outputOf(graph, tensors, 'logits'), golden.logits) <= stored, 'logits');
  t.ok(Math.abs(outputOf(graph, tensors, 'loss')[0] / golden.loss - 1) <= 1e-12, 'loss');
  for (const [name, wanted] of golden.gradients) {
    const found = outputOf(graph, tensors, gradientName(name));
    t.ok(distance(found, wanted) <= stored * norm(wanted), `gradient of ${name}`);
  }
  const imageGradient = outputOf(graph, tensors, gradientName('images'));
  const plane = elements(goldenModel.inputShape.slice(1));
  const sums = Array.from(golden.imageGradientSums, (_, i) =>
    imageGradient.subarray(i * plane, (i + 1) * plane).reduce((sum, value) => sum + value, 0),
  );
  t.equal(sums.length, 3 * goldenBatch);
  t.ok(maxRelative(sums, golden.imageGradientSums) <= stored, 'gradient of the images');
});

t.test("the float64 reference follows PyTorch through ten steps by Caffe's rule", async (t) => {
  const golden = await readGolden();
  const graph = trainingGraph(golden.momentum, golden.weightDecay, [...golden.parameters.keys()]);
  const start = goldenWeights();
  const variables = new Map<string, ArrayLike<number>>(start);
  for (const [name, data] of start) variables.set(`${name}/momentum`, new Float64Array(data.length));
  for (let step = 0; step < goldenSteps; step++) {
    const inputs = { ...goldenData(step), [gradientName('loss')]: [1], learningRate: [golden.learningRate] };
    const tensors = evaluate(graph, new Map([...variables, ...Object.entries(inputs)]));
    const loss = outputOf(graph, tensors, 'loss')[0];
    t.ok(Math.abs(loss / golden.losses[step] - 1) <= 1e-12, `loss before step ${step}`);
    for (const [variable, value] of graph.updates) {
      const tensor = tensors.get(value);
      if (tensor) variables.set(graph.values[variable].name, tensor.data);
    }
  }
  for (const [name, wanted] of golden.parameters) {
    const found = variables.get(name) ?? [];
    t.ok(distance(found, wanted) <= stored * norm(wanted), `${name} after ten steps`);
    t.ok(distance(found, start.get(name) ?? []) > 1e-4 * norm(wanted), `${name} has moved`);
  }
});

/** The golden network with gradients and updates, put together by hand from the ops' own pieces. */
function trainingGraph(momentum: number, weightDecay: number, parameters: readonly string[]): Graph {
  const g = new GraphBuilder('training', differentiate(goldenGraph(), 'loss', parameters));
  const learningRate = g.input('learningRate', [1]);
  const { outputs, values } = g.build();
  for (const name of parameters) {
    const w = g.find(name);
    const gradient = values[outputs.get(gradientName(name)) ?? -1];
    const v = g.variable(`${name}/momentum`, w.shape, { kind: 'constant', value: 0 }, { role: 'state' });
    const attributes = {
      rule: 'caffe',
      momentum,
      weightDecay: weightDecay * (w.variable?.decayMultiplier ?? 1),
      learningRateMultiplier: w.variable?.learningRateMultiplier,
    } as const;
    const [updated, velocity] = g.apply(sgd, [w, gradient, v, learningRate], attributes, { phase: 'update' });
    g.update(w, updated);
    g.update(v, velocity);
  }
  return g.build();
}
