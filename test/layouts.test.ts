/** Weights by the names, and with the axes, of others: each layout both ways, bit for bit. */
import t, { type Test } from 'tap';
import { fitWeights, presetsThatFit } from '../src/formats/fitWeights.js';
import { type LayoutName, layoutNames, parametersOf } from '../src/formats/layouts.js';
import type { TensorFile } from '../src/formats/tensorFile.js';
import { weightsInLayout } from '../src/formats/weightsInLayout.js';
import { type Model, openEngine, preset } from '../src/index.js';
import { presets } from '../src/models/presets.js';
import { fileOf, gathered, ownWeights, place, sameBits, type Tensor } from './support/foreignWeights.js';

const caffe = preset('caffe-alexnet', { width: 1 / 64, inputSize: 71, classes: 5 });
const owt = preset('alexnet-owt', { width: 1 / 64, inputSize: 95, classes: 5 });
const local = preset('cifar10-11pct', { width: 1 / 16 });

const part = (name: string, weight: string, bias: string) => (name.endsWith('weight') ? weight : bias);
const layerOf = (name: string) => name.split('.')[0];

/** caffe-alexnet's fc6 reads maps of 2×2, owt's of 6×6 with 4 channels as the others. */
const channels = 4;

const foreign: Readonly<Record<string, { readonly model: Model; readonly as: (own: Tensor) => Tensor }>> = {
  caffe: { model: caffe, as: (own) => ({ ...own, name: `${layerOf(own.name)}/${part(own.name, '0', '1')}` }) },
  'caffe with legacy shapes': {
    model: caffe,
    as: (own) => ({
      ...own,
      name: `${layerOf(own.name)}/${part(own.name, '0', '1')}`,
      shape: [...[1, 1, 1].slice(0, 4 - own.shape.length), ...own.shape],
    }),
  },
  'onnx-zoo': { model: caffe, as: (own) => ({ ...own, name: `${layerOf(own.name)}_${part(own.name, 'w', 'b')}_0` }) },
  torchvision: {
    model: owt,
    as: (own) => {
      const modules = ['features.0', 'features.3', 'features.6', 'features.8', 'features.10'];
      const linear = ['classifier.1', 'classifier.4', 'classifier.6'];
      const number = Number(layerOf(own.name).replace(/\D/g, ''));
      const module = number <= 5 ? modules[number - 1] : linear[number - 6];
      return { ...own, name: `${module}.${part(own.name, 'weight', 'bias')}` };
    },
  },
  tensorflow: {
    model: caffe,
    as: (own) => {
      const name = `${layerOf(own.name)}/${part(own.name, '0', '1')}`;
      const [outputs, inputs, height, width] = own.shape;
      if (own.shape.length === 4) {
        return gathered(name, [height, width, inputs, outputs], own, ([h, w, i, o]) => place(own.shape, [o, i, h, w]));
      }
      if (own.shape.length === 1) return { ...own, name };
      // Rows (h·2 + w)·C + c of fc6 are columns c·4 + h·2 + w here.
      const column = (row: number) =>
        layerOf(own.name) === 'fc6' ? (row % channels) * 4 + Math.floor(row / channels) : row;
      return gathered(name, [inputs, outputs], own, ([row, o]) => place(own.shape, [o, column(row)]));
    },
  },
  'cuda-convnet': {
    model: local,
    as: (own) => {
      const name = `${layerOf(own.name)}/${part(own.name, 'weights/0', 'biases')}`;
      if (own.name.endsWith('bias')) return { ...own, name, shape: [own.data.length, 1] };
      const outputs = own.shape[0];
      const rows = own.data.length / outputs;
      if (own.shape.length !== 6) {
        // Rows are channel, ky, kx; of fully connected layers the map as it is flattened here.
        return gathered(name, [rows, outputs], own, ([row, o]) => o * rows + row);
      }
      const [, height, width, inputs, kernel] = own.shape;
      return gathered(name, [height * width * inputs * kernel * kernel, outputs], own, ([row, o]) => {
        const [pixel, rest] = [row % (kernel * kernel), Math.floor(row / (kernel * kernel))];
        const [i, position] = [rest % inputs, Math.floor(rest / inputs)];
        const index = [
          o,
          Math.floor(position / width),
          position % width,
          i,
          Math.floor(pixel / kernel),
          pixel % kernel,
        ];
        return place(own.shape, index);
      });
    },
  },
};

async function expectSame(t: Test, file: TensorFile, wanted: readonly Tensor[]) {
  t.same([...file.tensors.keys()].sort(), wanted.map(({ name }) => name).sort());
  for (const { name, shape, data } of wanted) {
    t.same(file.tensors.get(name)?.shape, shape, name);
    t.ok(sameBits(await file.read(name), data), name);
  }
}

for (const [what, { model, as }] of Object.entries(foreign)) {
  t.test(`${what}: in, out, and in parts`, async (t) => {
    const own = ownWeights(model);
    const theirs = own.map(as);
    const fitted = fitWeights(await fileOf(theirs), model);
    await expectSame(t, fitted, own);
    for (const { name, data } of own) {
      const piece = new Float32Array(Math.ceil(data.length / 3));
      for (let at = 0; at < data.length; at += piece.length) {
        const some = piece.subarray(0, data.length - at);
        await fitted.readInto(name, some, at);
        t.ok(sameBits(some, data.subarray(at, at + some.length)), `${name} from ${at}`);
      }
    }
    const layout = what.split(' ')[0] as LayoutName;
    t.ok(layoutNames.includes(layout));
    const legacy = what.includes('legacy');
    const written = legacy ? theirs.map((each, i) => ({ ...each, shape: own[i].shape })) : theirs;
    await expectSame(t, weightsInLayout(await fileOf(own), model, layout), written);
  });
}

t.test('a backend gets the weights that it would get from a file of ours', async (t) => {
  const { model, as } = foreign.tensorflow;
  const own = ownWeights(model).map((each) => ({ ...each, data: each.data.map((v) => (Number.isNaN(v) ? 0 : v)) }));
  const theirs = own.map(as);
  for (const options of [{ threads: 1 }, { sharedMemory: false }, { backend: 'reference' }] as const) {
    await using engine = await openEngine(options);
    const net = await engine.network(model, { weights: fitWeights(await fileOf(theirs), model) });
    for (const { name, data } of own) t.ok(sameBits(await net.read(name), data), name);
    if ('backend' in options) continue;
    const int16 = await engine.network(model, {
      weights: fitWeights(await fileOf(theirs), model),
      linearWeights: 'int16',
    });
    const same = await engine.network(model, { weights: await fileOf(own), linearWeights: 'int16' });
    t.ok(sameBits(await int16.read('fc6.weight'), await same.read('fc6.weight')), 'as int16, which is read by rows');
  }
});

t.test('a fully connected layer as a convolution over the map, and the other way round', async (t) => {
  const options = { width: 1 / 64, inputSize: 71, classes: 5 };
  const convolution = preset('caffe-alexnet', { ...options, fc: 'convolution' });
  const own = ownWeights(convolution);
  await expectSame(t, fitWeights(await fileOf(ownWeights(caffe).map(foreign.caffe.as)), convolution), own);
  await expectSame(t, fitWeights(await fileOf(own.map(foreign.caffe.as)), caffe), ownWeights(caffe));
  const hwio = ownWeights(caffe).map(foreign.tensorflow.as);
  await expectSame(t, fitWeights(await fileOf(hwio), convolution), own);
});

t.test('names that nobody knows, in the order of the layers', async (t) => {
  const own = ownWeights(owt);
  const sequence = own.map((each, i) => ({ ...each, name: `net.${(i >> 1) * 3}.${part(each.name, 'w', 'b')}` }));
  await expectSame(t, fitWeights(await fileOf(sequence), owt), own);
  // As a writer has them who sorts names: net.0, net.12, net.15, …, net.3, biases first.
  const sorted = [...sequence].sort((a, b) => (a.name < b.name ? -1 : 1));
  t.notSame(
    sorted.map(({ name }) => name),
    sequence.map(({ name }) => name),
  );
  await expectSame(t, fitWeights(await fileOf(sorted), owt), own);
  const hwio = ownWeights(caffe).map((each, i) => ({
    ...foreign.tensorflow.as(each),
    name: `x${String(i).padStart(2, '0')}`,
  }));
  await expectSame(t, fitWeights(await fileOf(hwio), caffe), ownWeights(caffe));
});

t.test('what a file could be', async (t) => {
  const names = async (tensors: readonly Tensor[]) =>
    presetsThatFit(await fileOf(tensors)).map(({ model, layout }) => `${model.name} ${model.classes} ${layout}`);
  // Presets at their own size, with no data: only shapes count.
  const shapes = (name: string, classes: number): Promise<TensorFile> => shapesOf(preset(name, { classes }));
  const four = ['alexnet', 'alexnet-2012', 'caffe-alexnet', 'caffenet'];
  const fits = async (file: Promise<TensorFile>) =>
    presetsThatFit(await file).map(({ model, layout }) => `${model.name} ${model.classes} ${layout}`);
  t.same(
    await fits(shapes('caffenet', 20)),
    four.map((name) => `${name} 20 tandem`),
  );
  t.same(await fits(shapes('alexnet-owt', 1000)), ['alexnet-owt 1000 tandem']);
  t.same(await fits(shapes('cifar10-quick', 10)), ['cifar10-quick 10 tandem']);
  t.same(await names(ownWeights(caffe)), [], 'a narrowed network is none of them');
  for (const name of presets.keys()) {
    t.ok((await fits(shapes(name, 7))).includes(`${name} 7 tandem`), name);
  }
});

/** A file that has tensors and nothing in them. */
async function shapesOf(model: Model, rename = (name: string) => name): Promise<TensorFile> {
  const none = await fileOf([]);
  const tensors = parametersOf(model).map(({ name, shape }) => [rename(name), { shape, dtype: 'F32' }] as const);
  return { ...none, tensors: new Map(tensors) };
}

t.test('what keeps a file from fitting', async (t) => {
  const full = preset('caffenet');
  const blobs = (name: string) => `${layerOf(name)}/${part(name, '0', '1')}`;
  const fails = async (file: TensorFile, model: Model, message: RegExp) => {
    t.throws(() => fitWeights(file, model), { name: 'FileError', message });
  };
  const file = await shapesOf(full, blobs);
  await fails(
    file,
    preset('alexnet-owt'),
    /some\.weights: tensor 'conv1\/0' is \[96, 3, 11, 11\], expected \[64, 3, 11, 11\] for conv1\.weight of alexnet-owt; it has the shapes of alexnet, alexnet-2012, caffe-alexnet, caffenet$/,
  );
  await fails(
    file,
    preset('caffenet', { classes: 20 }),
    /holds a caffenet of 1000 classes, expected 20: take it as one of 1000 and replace its head \(classes in code, --head in tandem train\)/,
  );
  const without = new Map([...file.tensors].filter(([name]) => name !== 'fc7/1'));
  await fails(
    { ...file, tensors: without },
    full,
    /there is no tensor 'fc7\/1', which caffenet needs for fc7\.bias; no preset fits, and none is nearer$/,
  );
  const more = new Map([...file.tensors, ['conv6/0', { shape: [3], dtype: 'F32' }]]);
  await fails(
    { ...file, tensors: more },
    full,
    /caffenet has no parameter for tensor 'conv6\/0'; no preset fits, and none is nearer$/,
  );
  const integers = new Map([...file.tensors, ['OC2_DUMMY_1', { shape: [2], dtype: 'I64' }]]);
  t.equal(fitWeights({ ...file, tensors: integers }, full).tensors.size, 16, 'integers are left out of account');
  await fails(
    await shapesOf(local, blobs),
    local,
    /locally connected layers, as cifar10-11pct's local3, are not known/,
  );
  await fails(
    await shapesOf(caffe, (name) => `${name}.`),
    full,
    /expected \[96, 3, 11, 11\] for conv1\.weight of caffenet/,
  );
  await fails(
    { ...file, tensors: new Map() },
    full,
    /its 0 tensors have no names that are known, and caffenet has 16; no preset has any of its shapes/,
  );

  // All kernels and matrices square: OIHW and HWIO have the same shapes.
  const square = (name: string): { shape: number[]; dtype: string } => ({
    shape: name.endsWith('bias') ? [3] : [3, 3, 3, 3],
    dtype: 'F32',
  });
  const model = {
    ...full,
    name: 'square',
    inputShape: [3, 3, 3],
    build: (g, images) => {
      const init = { kind: 'he' } as const;
      const w = g.variable('conv1.weight', [3, 3, 3, 3], init);
      const b = g.variable('conv1.bias', [3], init);
      return {
        logits: g.reshape(g.conv2d(images, w, b, {}, { name: 'conv1' }), [images.shape[0], 3], { name: 'out' }),
      };
    },
  } as Model;
  const tensors = new Map([
    ['conv1/0', square('weight')],
    ['conv1/1', square('bias')],
  ]);
  await fails({ ...file, tensors }, model, /its shapes fit square in two ways \(caffe and tensorflow\), which differ/);
  t.throws(() => weightsInLayout(file, full, 'torchvision'), {
    name: 'ArgumentError',
    message: /that of alexnet-owt, not of caffenet/,
  });
  t.throws(() => weightsInLayout(file, local, 'caffe'), {
    name: 'ArgumentError',
    message: /no locally connected layers, such as local3/,
  });
  t.throws(() => weightsInLayout(file, full, 'keras' as 'caffe'), {
    name: 'ArgumentError',
    message: /no layout 'keras', expected one of tandem, caffe/,
  });
});
