/** Images as bytes from a caller's array to a network's input, on every backend, and the preprocessing that must agree with it. */
import t from 'tap';
import { Heap } from '../src/backends/wasm/heap.js';
import { openWasmBackend } from '../src/backends/wasm/index.js';
import { inferenceAttributes, tenCrops, trainingAttributes } from '../src/data/augmentation.js';
import type { Pixels } from '../src/data/image.js';
import { preprocessImage } from '../src/data/preprocess.js';
import { colourOffsets } from '../src/engine/colourNoise.js';
import { GraphError, InputError } from '../src/errors.js';
import { differentiate, type Engine, type Graph, GraphBuilder, openEngine, type Preprocessing } from '../src/index.js';
import { imagenetColourNoise } from '../src/models/augmentation.js';
import type { AugmentAttributes } from '../src/ops/augment.js';
import { uniform } from './support/tensors.js';

const engines: readonly { readonly label: string; open(): Promise<Engine> }[] = [
  { label: 'reference', open: () => openEngine({ backend: 'reference' }) },
  { label: 'wasm, one thread', open: () => openEngine({ backend: 'wasm', threads: 1 }) },
  { label: 'wasm, three threads', open: () => openEngine({ backend: 'wasm', threads: 3 }) },
  { label: 'wasm, plain SIMD', open: () => openEngine({ backend: 'wasm', threads: 1, simd: 'plain' }) },
];

function bytes(length: number, seed: number): Uint8Array {
  const next = uniform(seed);
  return Uint8Array.from({ length }, () => Math.floor(256 * next()));
}

/** Images [4, 3, 13, 15] to crops of 7×9, with everything that the op can do. */
function everything(): Graph {
  const g = new GraphBuilder('everything');
  const given = {
    random: g.input('random', [4], 'i32'),
    colour: g.input('colour', [4, 3]),
    meanImage: g.variable('mean', [3, 13, 15], { kind: 'constant', value: 100.3 }, { role: 'state' }),
  };
  const attributes: Partial<AugmentAttributes> = {
    size: [7, 9],
    crop: 'random',
    flipHorizontal: 0.5,
    flipVertical: 0.25,
    translate: 3,
    fill: 'edge',
    meanImage: 'crop',
    noise: 2.5,
    scale: 1 / 1.1,
    reverseChannels: true,
    stream: 9,
  };
  g.output('y', g.augment(g.input('images', [4, 3, 13, 15], 'u8'), given, attributes));
  return g.build();
}

function everyInput(step: number) {
  const random = Int32Array.of(5, 6, step, 0);
  return { images: bytes(4 * 3 * 13 * 15, 1), random, colour: colourOffsets(imagenetColourNoise, 4, random, 9) };
}

t.test('bytes in, the same numbers out of every backend', async (t) => {
  const results: Float32Array[] = [];
  for (const { label, open } of engines) {
    const engine = await open();
    const program = await engine.compile(everything());
    const first = (await program.run(everyInput(0))).outputs.y;
    t.same((await program.run(everyInput(0))).outputs.y, first, `${label}: the same key, the same images`);
    t.notSame((await program.run(everyInput(1))).outputs.y, first, `${label}: another step, other images`);
    results.push(first);
    await engine.close();
  }
  const [reference, ...others] = results;
  t.equal(reference.length, 4 * 3 * 7 * 9);
  for (const other of others) {
    t.same(other, others[0], 'bit for bit, whatever the threads and the instructions');
    // Four roundings of numbers below 512.
    t.ok(other.every((value, i) => Math.abs(value - reference[i]) <= 4 * 512 * 2 ** -24));
  }
});

t.test('one byte a pixel is what is copied to the device', async (t) => {
  const engine = await openEngine({ backend: 'wasm', threads: 2 });
  const g = new GraphBuilder('bytes');
  g.output('y', g.augment(g.input('images', [2, 3, 32, 32], 'u8'), {}, { size: 24, mean: 128 }));
  const program = await engine.compile(g.build());
  const count = 2 * 3 * 32 * 32;
  const images = bytes(count, 2);
  await program.run({ images });
  const copied = t.capture(Heap.prototype, 'bytes', Heap.prototype.bytes);
  const { y } = (await program.run({ images })).outputs;
  t.same(
    copied().map(({ args }) => args[1]),
    [count],
  );
  const place = program.plan.buffers.find(({ name }) => name === 'images');
  t.ok(place && place.bytes < count + 128, `${place?.bytes} bytes of device memory`);

  // A view into a larger array, at an odd address.
  const larger = new Uint8Array(count + 7);
  larger.set(images, 3);
  t.same((await program.run({ images: larger.subarray(3, 3 + count) })).outputs.y, y);
  await engine.close();
});

t.test('what is no array of bytes of that length is refused before any work', async (t) => {
  for (const { open } of engines.slice(0, 2)) {
    const engine = await open();
    const g = new GraphBuilder('bytes');
    const images = g.input('images', [1, 1, 2, 3], 'u8');
    g.output('y', g.augment(images, {}, {}));
    const program = await engine.compile(g.build());
    const message = /input 'images': expected u8 \[1, 1, 2, 3\] in a Uint8Array of 6, got/;
    for (const wrong of [new Float32Array(6), new Int32Array(6), new Uint8Array(5), new Uint8Array(24)]) {
      await t.rejects(program.run({ images: wrong }), InputError);
      await t.rejects(program.run({ images: wrong }), { message });
    }
    t.same(
      [...(await program.run({ images: Uint8Array.of(0, 1, 127, 128, 254, 255) })).outputs.y],
      [0, 1, 127, 128, 254, 255],
    );
    await engine.close();
  }
  const g = new GraphBuilder('raw');
  const images = g.input('images', [2, 2], 'u8');
  t.throws(() => g.output('y', images), new GraphError("output 'y' must be f32, got u8"));
});

t.test('addresses above 2 GiB', async (t) => {
  const results: Float32Array[] = [];
  for (const ballast of [2 ** 29 + 2 ** 27, 1]) {
    const backend = await openWasmBackend({ threads: 2 });
    backend.allocate({ dtype: 'f32', shape: [ballast] }, 'ballast');
    const graph = everything();
    const [mean] = graph.values.filter(({ kind }) => kind === 'variable');
    const storage = backend.allocate(mean, 'mean');
    await storage.write(new Float32Array(3 * 13 * 15).fill(100.3));
    const program = await backend.compile(graph, new Map([[mean.id, storage]]));
    results.push((await program.run(everyInput(0))).outputs.y);
    await backend.close();
  }
  t.same(results[0], results[1]);
});

t.test('a network trains behind it', async (t) => {
  const g = new GraphBuilder('trained');
  const random = g.input('random', [4], 'i32');
  const images = g.input('images', [3, 2, 6, 6], 'u8');
  const x = g.augment(images, { random }, { size: 4, crop: 'random', flipHorizontal: 0.5, mean: 128, scale: 1 / 64 });
  const w = g.variable('w', [5, 2, 3, 3], { kind: 'he' });
  const logits = g.linear(
    g.reshape(g.relu(g.conv2d(x, w, undefined, {})), [3, 20]),
    g.variable('f', [4, 20], { kind: 'he' }),
  );
  g.output('loss', g.crossEntropy(logits, g.input('labels', [3], 'i32')));
  const graph = differentiate(g.build(), 'loss', ['w', 'f']);
  const inputs = {
    random: Int32Array.of(1, 0, 0, 0),
    images: bytes(3 * 2 * 36, 3),
    labels: Int32Array.of(0, 3, 1),
    'gradient:loss': Float32Array.of(1),
  };
  const results: Float32Array[] = [];
  for (const { open } of engines.slice(0, 2)) {
    const engine = await open();
    results.push((await (await engine.compile(graph, { seed: 4 })).run(inputs)).outputs['gradient:w']);
    await engine.close();
  }
  const largest = results[0].reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  t.ok(largest > 1e-3);
  t.ok(results[0].every((value, i) => Math.abs(value - results[1][i]) <= 1e-5 * largest));
  const back = () => {
    const direct = new GraphBuilder('direct');
    const pixels = direct.input('pixels', [1, 1, 2, 2]);
    direct.output(
      'loss',
      direct.linear(direct.reshape(direct.augment(pixels, {}, {}), [1, 4]), direct.input('v', [1, 4])),
    );
    return differentiate(direct.build(), 'loss', ['pixels']);
  };
  t.throws(back, { name: 'GraphError', message: /augment has no gradient/ });
});

/** An RGB image of noise. */
function picture(width: number, height: number, seed: number): Pixels {
  return { width, height, data: bytes(3 * width * height, seed) };
}

/** The same pictures, all of one size, as the op reads them: [N, 3, H, W]. */
function planes(pictures: readonly Pixels[]): Uint8Array {
  const [{ width, height }] = pictures;
  const plane = width * height;
  return Uint8Array.from({ length: pictures.length * 3 * plane }, (_, i) => {
    const [n, c, at] = [Math.floor(i / (3 * plane)), Math.floor(i / plane) % 3, i % plane];
    return pictures[n].data[3 * at + c];
  });
}

const common = { fit: 'warp', resize: 32, scale: 1 } as const;
const preprocessings: readonly Preprocessing[] = [
  { ...common, channels: 'BGR', crop: 27, mean: [104.00698793, 116.66876762, 122.67891434] },
  { ...common, channels: 'RGB', crop: 20, mean: [123.675, 116.28, 103.53], std: [58.395, 57.12, 57.375] },
  { ...common, channels: 'RGB', crop: 31, mean: [0.1, 0.2, 0.3], scale: 1 / 1.1 },
  { ...common, channels: 'BGR', crop: 32, mean: [0, 0, 0], scale: 1 / 255 },
];

t.test('preprocessing on the host and the centre crop on the device give the same bits', async (t) => {
  const engine = await openEngine({ backend: 'wasm', threads: 2 });
  const sizes = [
    [32, 32],
    [45, 32],
    [33, 38],
  ];
  for (const preprocessing of preprocessings) {
    for (const [width, height] of sizes) {
      const pictures = [1, 2].map((seed) => picture(width, height, seed));
      const g = new GraphBuilder('inference');
      const images = g.input('images', [2, 3, height, width], 'u8');
      g.output('y', g.augment(images, {}, inferenceAttributes(preprocessing)));
      const program = await engine.compile(g.build());
      const { y } = (await program.run({ images: planes(pictures) })).outputs;
      const { channels, crop, scale } = preprocessing;
      const what = `${width}×${height}, ${channels}, crop ${crop}, scale ${scale}`;
      t.same(y, Float32Array.from(pictures.flatMap((one) => [...preprocessImage(one, preprocessing)])), what);
    }
  }
  await engine.close();
});

t.test('training goes through the same, and chance on top of it', async (t) => {
  const [caffe, torch] = preprocessings;
  t.same(trainingAttributes(caffe), {
    ...inferenceAttributes(caffe),
    flipHorizontal: 0,
    scale: [1],
    sharedBy: 1,
  });
  const source = { cropFrom: 32, mirror: true, colourNoise: imagenetColourNoise, sharedBy: 128 };
  t.match(trainingAttributes(caffe, source), { crop: 'random', flipHorizontal: 0.5, scale: [1 / 1.1], sharedBy: 128 });
  t.match(trainingAttributes(torch, { mirror: true }), { crop: 'centre', scale: [1 / 58.395, 1 / 57.12, 1 / 57.375] });
  t.match(trainingAttributes(caffe, { ...source, meanImage: 'crop' }, true), { mean: [], meanImage: 'crop' });
  t.match(trainingAttributes(caffe, source, true), { mean: [], meanImage: 'centre' });
  t.equal(trainingAttributes(caffe, { meanImage: 'crop' }).meanImage, undefined, 'means serve where there is no image');
});

t.test('ten crops are the corners and the centre, and their mirror images', async (t) => {
  const crops = tenCrops([256, 256], [224, 224]);
  t.same(
    crops.slice(0, 5).map(({ offset }) => offset),
    [
      [0, 0],
      [0, 32],
      [16, 16],
      [32, 0],
      [32, 32],
    ],
  );
  t.same(
    crops.slice(5).map(({ offset }) => offset),
    crops.slice(0, 5).map(({ offset }) => offset),
  );
  t.same(
    crops.map(({ flipHorizontal }) => flipHorizontal),
    [0, 0, 0, 0, 0, 1, 1, 1, 1, 1],
  );
  const engine = await openEngine({ backend: 'wasm', threads: 1 });
  const g = new GraphBuilder('crops');
  const images = g.input('images', [1, 1, 5, 6], 'u8');
  tenCrops([5, 6], [3, 3]).forEach((crop, i) => g.output(`${i}`, g.augment(images, {}, crop)));
  const { outputs } = await (await engine.compile(g.build())).run({
    images: Uint8Array.from({ length: 30 }, (_, i) => i),
  });
  t.same(
    crops.map((_, i) => outputs[`${i}`][0]),
    [0, 3, 7, 12, 15, 2, 5, 9, 14, 17],
  );
  t.same([...outputs[2]], [7, 8, 9, 13, 14, 15, 19, 20, 21]);
  await engine.close();
});

t.test('colour noise has the covariance of its components', async (t) => {
  const random = Int32Array.of(1, 2, 3, 0);
  const count = 40_000;
  const offsets = colourOffsets(imagenetColourNoise, count, random, 7);
  const { std, scales, components } = imagenetColourNoise;
  for (const [c, d] of [
    [0, 0],
    [1, 1],
    [2, 2],
    [0, 1],
    [0, 2],
    [1, 2],
  ]) {
    const covariance = (a: number, b: number) =>
      components.reduce((sum, v, i) => sum + (std * scales[i]) ** 2 * v[a] * v[b], 0);
    let sum = 0;
    for (let n = 0; n < count; n++) sum += offsets[3 * n + c] * offsets[3 * n + d];
    // The variance of a product of two normal deviates is σ²τ² + covariance².
    const deviation = Math.sqrt((covariance(c, c) * covariance(d, d) + covariance(c, d) ** 2) / count);
    const away = Math.abs(sum / count - covariance(c, d)) / deviation;
    t.ok(away < 5, `channels ${c} and ${d}: ${covariance(c, d)}, ${away.toFixed(2)} deviations away`);
  }
  t.same(colourOffsets(imagenetColourNoise, 3, random, 7), offsets.subarray(0, 9), 'an image does not know its batch');
  t.notSame(colourOffsets(imagenetColourNoise, 3, random, 8), offsets.subarray(0, 9));
  t.notSame(colourOffsets(imagenetColourNoise, 3, Int32Array.of(1, 2, 4, 0), 7), offsets.subarray(0, 9));
  const one = colourOffsets({ std: 2, scales: [3, 0], components: [[1], [1]], divide: 1 }, count, random, 0);
  const variance = one.reduce((sum, value) => sum + value * value, 0) / count;
  t.ok(Math.abs(variance / 36 - 1) < 5 * Math.sqrt(2 / count), `variance ${variance}`);
});
