/** What weights mean, changed: the network computes the same from the other input, and the change back gives the same bits. */
import t from 'tap';
import {
  dropoutScaleAt,
  type Engine,
  foldPreprocessing,
  imageInput,
  type Model,
  openEngine,
  preset,
  reverseChannels,
  scaleDropout,
  type WeightsFile,
} from '../src/index.js';
import { elements } from '../src/ops/define.js';
import { maxRelative, uniform } from './golden.js';
import { fileOf, ownWeights, sameBits } from './support/foreignWeights.js';

const narrow = { width: 1 / 64, classes: 5 };
const caffe = preset('caffe-alexnet', { ...narrow, inputSize: 71 });
const owt = preset('alexnet-owt', { ...narrow, inputSize: 63 });

async function weightsOf(model: Model): Promise<WeightsFile> {
  const tensors = ownWeights(model).map(({ name, shape, data }, i) => {
    const fanIn = shape.length === 1 ? 300 : elements(shape.slice(1));
    return { name, shape, data: uniform(data.length, i, Math.sqrt(6 / fanIn)) };
  });
  return { model, file: await fileOf(tensors) };
}

/** Images of stored bytes, [2, 3, side, side]. */
function bytes(side: number): Uint8Array {
  return Uint8Array.from(uniform(2 * 3 * side * side, 5, 127), (value) => 128 + value);
}

async function logits(engine: Engine, { model, file, input }: WeightsFile, images: Uint8Array): Promise<Float32Array> {
  const shape = [3, model.inputShape[1] + 2, model.inputShape[2] + 2] as const;
  const net = await engine.network(model, { weights: file, input: input ?? imageInput(model, shape) });
  const found = (await net.forward(images)).logits;
  await net.close();
  return found;
}

async function sameWeights(one: WeightsFile, other: WeightsFile): Promise<boolean> {
  for (const name of one.file.tensors.keys()) {
    if (!sameBits(await one.file.read(name), await other.file.read(name))) return false;
  }
  return true;
}

t.test('BGR as RGB, and back', async (t) => {
  await using engine = await openEngine({ backend: 'reference' });
  const meanImage = uniform(3 * 73 * 73, 9, 20).map((value) => 110 + value);
  for (const model of [caffe, owt]) {
    const plain = await weightsOf(model);
    const side = model.inputShape[1] + 2;
    const inputs = [
      undefined,
      imageInput(model, [3, side, side]),
      imageInput(model, [3, side, side], { meanImage: meanImage.slice(0, 3 * side * side) }),
    ];
    for (const input of inputs) {
      const weights = { ...plain, ...(input ? { input } : {}) };
      const other = reverseChannels(weights);
      t.not(other.model.preprocessing.channels, model.preprocessing.channels);
      t.same(other.model.preprocessing.mean, [...model.preprocessing.mean].reverse());
      t.notOk(await sameWeights(weights, other));
      // Both read the same stored images, which are RGB.
      const images = bytes(side);
      const off = maxRelative(await logits(engine, other, images), await logits(engine, weights, images));
      t.ok(off <= 2 ** -20, `${model.name}: off by ${off}`);
      const back = reverseChannels(other);
      t.ok(await sameWeights(weights, back));
      t.same(back.model.preprocessing, model.preprocessing);
      t.same(back.input, input);
    }
  }
  const wrong = async (model: Model) => reverseChannels(await weightsOf(model));
  await t.rejects(wrong(preset('mnist-tf', { width: 1 / 32 })), { name: 'ArgumentError', message: /grey/ });
  await t.rejects(wrong(preset('alexnet', { ...narrow, inputSize: 71 })), {
    name: 'ArgumentError',
    message: /colour noise in the order RGB/,
  });
});

t.test('means and scales folded into the first layer', async (t) => {
  await using engine = await openEngine({ backend: 'reference' });
  // Means and deviations of torchvision, where nothing is padded.
  const { mean, std } = owt.preprocessing;
  const scaled = { ...caffe, preprocessing: { ...caffe.preprocessing, mean, scale: 0.5, ...(std ? { std } : {}) } };
  for (const model of [caffe, scaled]) {
    const weights = await weightsOf(model);
    const folded = await foldPreprocessing(weights);
    t.same(folded.model.preprocessing, { ...caffe.preprocessing, mean: [0, 0, 0], scale: 1 });
    const images = bytes(73);
    const off = maxRelative(await logits(engine, folded, images), await logits(engine, weights, images));
    t.ok(off <= 1e-6, `off by ${off}`);
    const [one, other] = await Promise.all([folded, weights].map(({ file }) => file.read('fc6.weight')));
    t.ok(sameBits(one, other), 'only the first layer changes');
  }
  // Zeros stay zeros when they are scaled.
  const white = { ...owt, preprocessing: { ...owt.preprocessing, mean: [0, 0, 0] } };
  const weights = await weightsOf(white);
  const images = bytes(65);
  const folded = await foldPreprocessing(weights);
  t.ok(maxRelative(await logits(engine, folded, images), await logits(engine, weights, images)) <= 1e-6);

  await t.rejects(foldPreprocessing(await weightsOf(owt)), {
    name: 'ArgumentError',
    message: /alexnet-owt: .* conv1 pads with zeros, which stand for the means/,
  });
  const meanImage = new Float32Array(3 * 73 * 73).fill(100);
  const input = imageInput(caffe, [3, 73, 73], { meanImage });
  await t.rejects(foldPreprocessing({ ...(await weightsOf(caffe)), input }), {
    name: 'ArgumentError',
    message: /mean image/,
  });
  const own = imageInput(scaled, [3, 73, 73]);
  await t.rejects(foldPreprocessing({ ...(await weightsOf(caffe)), input: own }), {
    name: 'ArgumentError',
    message: /means or scales of its own/,
  });
});

t.test('dropout that scales in training, and at test', async (t) => {
  await using engine = await openEngine({ backend: 'reference' });
  const options = { ...narrow, inputSize: 71, lrn: 'caffe' } as const;
  for (const dropout of [0.5, 0.2]) {
    const masked = await weightsOf(preset('alexnet', { ...options, dropout }));
    t.equal(dropoutScaleAt(masked.model), 'test');
    const inverted = scaleDropout(masked, 'train');
    const model = preset('caffe-alexnet', { ...narrow, inputSize: 71, dropout });
    t.equal(dropoutScaleAt(model), 'train');
    const preprocessing = masked.model.preprocessing;
    const images = bytes(73);
    const found = await logits(engine, { ...inverted, model: { ...model, preprocessing } }, images);
    const wanted = await logits(engine, masked, images);
    if (dropout === 0.5) t.ok(sameBits(found, wanted), 'bit for bit, as halves are exact');
    else t.ok(maxRelative(found, wanted) <= 2 ** -20);
    const back = scaleDropout(inverted, 'test');
    if (dropout === 0.5) t.ok(await sameWeights(back, masked));
  }
  const changed = async (model: Model) => {
    const weights = await weightsOf(model);
    const scaled = scaleDropout(weights, 'test');
    const names = [...weights.file.tensors.keys()];
    const same = await Promise.all(
      names.map(async (name) => sameBits(await weights.file.read(name), await scaled.file.read(name))),
    );
    return names.filter((_, i) => !same[i]);
  };
  t.same(await changed(caffe), ['fc7.weight', 'fc8.weight'], 'behind the outputs of fc6 and fc7');
  t.same(await changed(owt), ['fc6.weight', 'fc7.weight'], 'before fc6 and fc7');
  t.same(await changed(preset('mnist-tf', { width: 1 / 32 })), ['conv2.weight', 'conv3.weight', 'fc1.weight']);
  const split = preset('caffe-alexnet', { ...caffe.options, towerForm: 'split', dropoutPlace: 'blocks' });
  t.same(await changed(split), ['conv2.weight', 'conv3.weight', 'conv4.weight', 'conv5.weight', 'fc6.weight']);
  t.equal(dropoutScaleAt(preset('cifar10-quick')), undefined);
  await t.rejects(changed(preset('cifar10-quick', { width: 1 / 8 })), { name: 'ArgumentError', message: /no dropout/ });
});
