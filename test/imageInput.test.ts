/** Stored images as the input of a network: what is done with bytes on the device is what would be done with floats on the host. */
import t, { type Test } from 'tap';
import { colourOffsets } from '../src/engine/colourNoise.js';
import type { ImageInput } from '../src/engine/imageInput.js';
import {
  type AugmentAttributes,
  type BackendOptions,
  type Engine,
  GraphBuilder,
  openEngine,
  tenCrops,
} from '../src/index.js';
import { someLabels, tinyModel } from './support/tiny.js';

/** Of the tiny model's two channels. */
const shape = [2, 9, 10] as const;
const colourNoise = { std: 0.5, scales: [30, 4], components: [[0.8, 0.6], [-0.6, 0.8]], divide: 1.1 }; // biome-ignore format: a table
const inference = { size: [7, 6], mean: [100, 120], scale: [0.02, 0.03] } as const;
const input: ImageInput = {
  shape,
  training: { ...inference, crop: 'random', flipHorizontal: 0.5, noise: 3 },
  inference,
  colourNoise,
};
/** A rate at which no ReLU dies on images as large as these. */
const slowly = { learningRate: 5e-4 };
const meanImage = Float32Array.from({ length: 180 }, (_, i) => 100 + 20 * Math.sin(i));
const withMean: ImageInput = {
  ...input,
  training: { ...input.training, mean: [], meanImage: 'crop' },
  inference: { ...inference, mean: [], meanImage: 'crop' },
  meanImage,
};

function bytes(count: number, salt = 0): Uint8Array {
  return Uint8Array.from({ length: count * 180 }, (_, i) => 127 + 127 * Math.sin(i * i * 0.37 + salt));
}

async function open(t: Test, options: BackendOptions): Promise<Engine> {
  const engine = await openEngine(options);
  t.teardown(() => engine.close());
  return engine;
}

/** What `augment` alone makes of bytes: the input of the model, computed beside it. */
async function augmented(
  engine: Engine,
  images: Uint8Array,
  attributes: Partial<AugmentAttributes>,
  given: { readonly random?: Int32Array; readonly colour?: Float32Array } = {},
): Promise<Float32Array> {
  const g = new GraphBuilder('augment');
  const count = images.length / 180;
  const value = g.augment(
    g.input('images', [count, ...shape], 'u8'),
    {
      random: given.random && g.input('random', [4], 'i32'),
      colour: given.colour && g.input('colour', [count, 2]),
      meanImage: attributes.meanImage && g.input('mean', shape),
    },
    attributes,
  );
  g.output('y', value);
  await using program = await engine.compile(g.build());
  return (await program.run({ images, mean: meanImage, ...given })).outputs.y;
}

const engines = [{ backend: 'reference' }, { backend: 'wasm', threads: 2 }] as const;

for (const options of engines) {
  t.test(`${options.backend}: inference of bytes and of what is made of them give the same`, async (t) => {
    const engine = await open(t, options);
    const images = bytes(3);
    for (const one of [input, withMean]) {
      const net = await engine.network(tinyModel(), { input: one });
      t.equal(net.input, one);
      const views = [undefined, { flipHorizontal: 1 }, ...tenCrops([9, 10], [7, 6])];
      const seen = new Set<string>();
      for (const view of views) {
        const floats = await augmented(engine, images, { ...one.inference, ...view });
        const [byBytes, byFloats] = [await net.forward(images, { view }), await net.forward(floats)];
        const what = view ? JSON.stringify(view) : 'the centre';
        close(t, options, byBytes.logits, byFloats.logits, what);
        seen.add(byBytes.logits.join());
      }
      // The centre comes twice, and so does its mirror image.
      t.equal(seen.size, views.length - 2, 'each view is another image');
      const { layers } = await net.forward(images, { layers: ['conv1'] });
      t.same(Object.keys(layers), ['conv1']);
      await net.close();
    }
  });

  t.test(`${options.backend}: a step on bytes is a step on what is made of them`, async (t) => {
    const engine = await open(t, options);
    for (const one of [input, withMean]) {
      for (const noisy of [true, false]) {
        const byBytes = await engine.network(tinyModel(), { ...slowly, input: one, seed: 7 });
        const byFloats = await engine.network(tinyModel(), { ...slowly, seed: 7 });
        const made: string[] = [];
        const losses: number[] = [];
        for (let step = 0; step < 3; step++) {
          const images = bytes(4, 1);
          const random = Int32Array.of(7, 0, step, 0);
          const stream = 2 ** 30;
          const colour = noisy ? colourOffsets(colourNoise, 4, random, stream) : undefined;
          const scale = inference.scale.map((factor) => factor / (noisy ? colourNoise.divide : 1));
          const attributes = { ...one.training, scale, stream };
          const floats = await augmented(engine, images, attributes, { random, ...(colour ? { colour } : {}) });
          made.push(floats.join());
          losses.push(await (await byFloats.step(floats, someLabels(4))).loss);
          if (noisy) {
            const { loss } = await byBytes.gradients(images, someLabels(4));
            t.equal(loss, await lossOf(byBytes, images), 'gradients are those of the step that comes next');
          } else await lossOf(byBytes, images, { colourNoise: false });
          for (const { name } of [...byFloats.parameters, ...byFloats.states]) {
            close(t, options, await byBytes.read(name), await byFloats.read(name), `${name} after step ${step}`);
          }
        }
        t.equal(new Set(made).size, 3, 'each step draws anew');
        t.equal(new Set(losses).size, 3, 'and the network learns');
        await Promise.all([byBytes.close(), byFloats.close()]);
      }
    }
  });
}

async function lossOf(net: Awaited<ReturnType<Engine['network']>>, images: Uint8Array, options = {}): Promise<number> {
  return (await net.step(images, someLabels(images.length / 180), options)).loss;
}

/** Bit for bit, but for the reference, where images on their way through a caller's array are rounded to float32. */
function close(t: Test, { backend }: BackendOptions, a: Float32Array, b: Float32Array, what: string): void {
  if (backend !== 'reference') {
    t.ok(a.length === b.length && a.every((value, i) => Object.is(value, b[i])), what);
    return;
  }
  const largest = b.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const error = a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0);
  t.ok(a.length === b.length && error <= 1e-6 * largest, what, { error, largest });
}

t.test('training on bytes follows the reference', async (t) => {
  const [reference, wasm] = [await open(t, engines[0]), await open(t, engines[1])];
  const [judge, net] = await Promise.all(
    [reference, wasm].map((engine) => engine.network(tinyModel(), { ...slowly, input: withMean })),
  );
  for (let step = 0; step < 10; step++) {
    const images = bytes(4, step % 3);
    const [expected, found] = [
      await judge.gradients(images, someLabels(4)),
      await net.gradients(images, someLabels(4)),
    ];
    for (const [name, gradient] of Object.entries(expected.gradients)) {
      const norm = (of: (i: number) => number) => Math.sqrt(gradient.reduce((sum, _, i) => sum + of(i) ** 2, 0));
      const error = norm((i) => found.gradients[name][i] - gradient[i]) / norm((i) => gradient[i]);
      t.ok(error <= 1e-4, `gradient of ${name} at step ${step}`, { error });
    }
    const [one, other] = [await lossOf(judge, images), await lossOf(net, images)];
    t.ok(Math.abs(other / one - 1) <= 1e-5, `loss of step ${step}`, { one, other });
  }
});

t.test('the gradient with respect to the images that are made of bytes', async (t) => {
  const engine = await open(t, engines[1]);
  const net = await engine.network(tinyModel(), { input });
  const images = bytes(2);
  const byBytes = await net.gradients(images, someLabels(2), { of: ['images'], dropout: false });
  const floats = await augmented(engine, images, inference);
  const byFloats = await net.gradients(floats, someLabels(2), { of: ['images'], dropout: false });
  t.equal(byBytes.gradients.images.length, 2 * 84);
  t.same(byBytes, byFloats);
});

t.test('plans, profiles and preparation of bytes', async (t) => {
  const engine = await open(t, engines[1]);
  const net = await engine.network(tinyModel(), { input });
  for (const mode of ['inference', 'training'] as const) {
    const ops = async (bytes: boolean) => (await net.plan({ mode, batch: 2, bytes })).steps.map(({ op }) => op);
    t.equal((await ops(true))[0], 'augment');
    t.same((await ops(true)).slice(1), await ops(false), 'and then as for floats');
    await net.prepare({ mode, batch: 2, bytes: true });
  }
  for (const mode of ['forward', 'step'] as const) {
    const { layers } = await net.profile(mode, bytes(2), someLabels(2), { repeats: 1 });
    t.match(layers[0], { name: 'input', phase: 'forward', op: 'augment' });
  }
});

t.test('an input that cannot be', async (t) => {
  const engine = await open(t, engines[0]);
  const cases: readonly (readonly [Partial<ImageInput>, RegExp])[] = [
    [{ shape: [3, 9, 10] }, /input\.shape: images of 3 channels do not suit tiny, whose input is \[2, 7, 6\]/],
    [{ shape: [2, 0, 10] }, /input\.shape must be \[C, H, W\]/],
    [{ shape: [2, 6, 10] }, /input\.training: augment: size \[7, 6\] is larger than the images/],
    [
      { training: { size: [6, 6] } },
      /input\.training makes images \[2, 6, 6\] of those stored, \[2, 9, 10\]; tiny wants/,
    ],
    [{ inference: {} }, /input\.inference makes images \[2, 9, 10\]/],
    [{ inference: { ...inference, crop: 'random' } }, /input\.inference: inference leaves nothing to chance/],
    [{ inference: { ...inference, flipHorizontal: 2 } }, /input\.inference: augment: flipHorizontal/],
    [
      { training: { size: [7, 6], meanImage: 'crop' } },
      /input\.training names a mean image, but input\.meanImage is missing/,
    ],
    [{ meanImage: new Float32Array(84) }, /input\.meanImage must be float32 \[2, 9, 10\], got 84 numbers/],
    [{ meanImage: new Float32Array(180).fill(Number.NaN) }, /input\.meanImage must be finite/],
    [{ colourNoise: { ...colourNoise, scales: [1] } }, /input\.colourNoise must have a scale for each component/],
    [{ colourNoise: { ...colourNoise, components: [[1], [0]] } }, /components of 2 finite numbers/],
    [{ colourNoise: { ...colourNoise, divide: 0 } }, /a divide above 0/],
  ];
  for (const [change, message] of cases) {
    await t.rejects(engine.network(tinyModel(), { input: { ...input, ...change } }), {
      name: 'ArgumentError',
      message,
    });
  }
  const plain = await engine.network(tinyModel());
  await t.rejects(plain.forward(bytes(1)), {
    name: 'InputError',
    message: /bytes, which need a network with an `input`/,
  });
  await t.rejects(plain.plan({ mode: 'training', batch: 1, bytes: true }), {
    name: 'ArgumentError',
    message: /`input`/,
  });
  const net = await engine.network(tinyModel(), { input });
  for (const wrong of [bytes(1).subarray(1), new Uint8Array(0)]) {
    const message = /expected bytes \[N, 2, 9, 10\], a multiple of 180/;
    await t.rejects(net.step(wrong, [0]), { name: 'InputError', message });
  }
  const numbers = [1, 2, 3] as unknown as Uint8Array;
  await t.rejects(net.forward(numbers), { name: 'InputError', message: /or bytes \[N, 2, 9, 10\] in a Uint8Array/ });
  await t.rejects(net.forward(new Float32Array(84), { view: {} }), {
    message: /view: it is for images that are bytes/,
  });
  await t.rejects(net.forward(bytes(1), { view: { crop: 'random' } }), {
    message: /view: inference leaves nothing to chance/,
  });
  await t.rejects(net.forward(bytes(1), { view: { size: [9, 6] } }), { message: /view makes images \[2, 9, 6\]/ });
});
