/** The training loop: what it computes, its events, schedules and checkpoints. */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import t from 'tap';
import { type BatchOptions, batches, type ImageBatch } from '../src/data/loader.js';
import { openEngine } from '../src/engine/engine.js';
import { iterationsOf } from '../src/models/schedule.js';
import { readCheckpoint } from '../src/train/checkpoint.js';
import { Trainer, type TrainerOptions } from '../src/train/trainer.js';
import { emptyFolder } from './support/cli.js';
import { contentOf, cornerImages, eventsOf, ofKind, smallModel, smallNetwork } from './support/training.js';

const engine = await openEngine({ backend: 'wasm', threads: 1 });
t.teardown(() => engine.close());
const train = cornerImages(64, 1);
const validation = cornerImages(20, 2);

t.test('steps are those of the network, in the order of the epochs', async (t) => {
  const network = await smallNetwork(engine);
  const trainer = new Trainer(network, { train, steps: 12, microBatch: 3 });
  t.same([trainer.steps, trainer.stepsPerEpoch], [12, 8]);
  const events = await eventsOf(trainer);

  const other = await smallNetwork(engine);
  const losses: number[] = [];
  for (const epoch of [0, 1]) {
    for await (const { images, labels } of batches(train, { batch: 8, seed: 5, epoch, whole: true })) {
      if (losses.length === 12) break;
      const step = await other.step(images, labels, { learningRate: 0.01, colourNoise: epoch < 1, microBatch: 3 });
      losses.push(await step.loss);
    }
  }
  t.same(await contentOf(network), await contentOf(other));
  t.same(
    ofKind(events, 'step').map(({ loss }) => loss),
    losses,
  );
});

t.test('resized crops, where the augmentation has them', async (t) => {
  const parts = { area: [0.3, 1], aspect: [3 / 4, 4 / 3] } as const;
  const model = { ...smallModel(), augmentation: { resizedCrop: parts } };
  const network = await smallNetwork(engine, {}, model);
  for await (const _ of new Trainer(network, { train, steps: 3 }).fit());

  const other = await smallNetwork(engine, {}, model);
  const whole = await smallNetwork(engine, {}, model);
  const order = { batch: 8, seed: 5, epoch: 0, whole: true };
  const batchesOf = async (options: BatchOptions) => {
    const all: ImageBatch[] = [];
    for await (const each of batches(train, options)) all.push({ ...each, images: each.images.slice() });
    return all.slice(0, 3);
  };
  for (const { images, labels } of await batchesOf({ ...order, resizedCrop: { ...parts, size: 12 } })) {
    await other.step(images, labels, { learningRate: 0.01 });
  }
  for (const { images, labels } of await batchesOf(order)) await whole.step(images, labels, { learningRate: 0.01 });
  t.same(await contentOf(network), await contentOf(other), 'the same bits');
  t.notSame(await contentOf(network), await contentOf(whole));
});

t.test('events', async (t) => {
  const network = await smallNetwork(engine);
  const events = await eventsOf(new Trainer(network, { train, validation, epochs: 3, reportEvery: 5 }));
  const steps = ofKind(events, 'step');
  t.same(
    steps.map(({ epoch, step }) => [epoch, step]),
    [
      [1, 5],
      [1, 8],
      [2, 10],
      [2, 15],
      [2, 16],
      [3, 20],
      [3, 24],
    ],
    'at multiples of five, and at the end of an epoch',
  );
  for (const { loss, top1, top5, lr, imagesPerSecond } of steps) {
    t.ok(loss > 0 && top1 >= 0 && top1 <= 1 && top5 === 1 && imagesPerSecond > 0);
    t.equal(lr, 0.01);
  }
  const validated = ofKind(events, 'validation');
  t.same(
    validated.map(({ epoch, step }) => [epoch, step]),
    [
      [1, 8],
      [2, 16],
      [3, 24],
    ],
  );
  t.equal(validated[0].best, true);
  t.ok(validated[2].loss < validated[0].loss, 'it learns');
  const last = events.at(-1);
  const best = validated.findLast((each) => each.best);
  t.match(last, { kind: 'end', reason: 'done', step: 24, epoch: 3, best: { epoch: best?.epoch, top1: best?.top1 } });
});

t.test('the length of a training', async (t) => {
  const network = await smallNetwork(engine);
  const stepsOf = (options: Partial<TrainerOptions>) => new Trainer(network, { train, ...options }).steps;
  t.equal(stepsOf({}), 24, 'the recipe has three epochs of 64 images');
  t.equal(stepsOf({ train: cornerImages(128, 1) }), 48, 'and keeps them with more images');
  t.equal(stepsOf({ recipe: { batch: 16 } }), 12, 'or larger batches');
  t.equal(stepsOf({ recipe: { iterations: 7 } }), 7);
  t.equal(stepsOf({ recipe: { trainingImages: undefined } }), 24);
  t.equal(stepsOf({ epochs: 2 }), 16);
  t.equal(stepsOf({ train: cornerImages(71, 1), epochs: 2 }), 16, 'an epoch has whole batches only');
  t.equal(stepsOf({ steps: 5 }), 5);
  t.equal(iterationsOf(3, 64, 8), 24);
});

t.test('rates of single parameters', async (t) => {
  const network = await smallNetwork(engine);
  const before = await contentOf(network);
  const overrides = [{ of: 'biases', schedule: { kind: 'multistep', epochs: [0], factors: [0] } }] as const;
  const rates = { conv1: 0, 'conv2.weight': 0.5 };
  const trainer = new Trainer(network, { train, steps: 1, recipe: { overrides }, rates });
  await eventsOf(trainer);
  const after = await contentOf(network);

  const plain = await smallNetwork(engine);
  await eventsOf(new Trainer(plain, { train, steps: 1 }));
  const expected = await contentOf(plain);
  const change = (content: Map<string, Float32Array>, name: string) =>
    Math.hypot(...(content.get(name) ?? []).map((value, i) => value - (before.get(name)?.[i] ?? Number.NaN)));
  for (const { name } of network.parameters) {
    const wanted = name.endsWith('.bias') || name.startsWith('conv1') ? 0 : name === 'conv2.weight' ? 0.5 : 1;
    t.ok(change(expected, name) > 0, name);
    t.ok(Math.abs(change(after, name) / change(expected, name) - wanted) < 1e-3, `${name} × ${wanted}`);
  }
});

t.test('a plateau lowers the rate, early stop ends the training', async (t) => {
  const network = await smallNetwork(engine);
  const schedule = { kind: 'plateau', factor: 0.1, patience: 2, drops: 1 } as const;
  // A rate of zero: validation is the same after each epoch, and only the first is the best.
  const trainer = new Trainer(network, {
    train,
    validation,
    epochs: 20,
    recipe: { learningRate: 0, schedule },
    patience: 5,
  });
  const events = await eventsOf(trainer);
  t.same(
    ofKind(events, 'drop').map(({ step }) => step),
    [24],
    'after two epochs without improvement, and no more often than the schedule says',
  );
  t.match(events.at(-1), { kind: 'end', reason: 'early stop', step: 48 });

  const learning = await smallNetwork(engine);
  const steep = { kind: 'plateau', factor: 0.5, patience: 1, drops: 2 } as const;
  const rates = new Set<number>();
  const seen = await eventsOf(
    new Trainer(learning, { train, validation, epochs: 12, recipe: { learningRate: 0.02, schedule: steep } }),
  );
  for (const event of ofKind(seen, 'step')) rates.add(event.lr);
  t.same([...rates], [0.02, 0.01, 0.005].slice(0, 1 + ofKind(seen, 'drop').length));
  t.equal(ofKind(seen, 'drop').length, 2);
  t.ok(
    ofKind(seen, 'validation').some(({ top1 }) => top1 > 0.9),
    'it has learned',
  );
});

t.test('interrupted and resumed, the results are the same to the bit', async (t) => {
  const path = await emptyFolder(t);
  const options = { train, validation, epochs: 3, microBatch: 3, checkpointEvery: 3, reportEvery: 4 } as const;
  const undisturbed = await smallNetwork(engine);
  const all = await eventsOf(new Trainer(undisturbed, { ...options, checkpoint: path('whole') }));
  const expected = await contentOf(undisturbed);

  const told: object[] = [];
  let resumed = 0;
  for (const stopAt of [4, 8, 9, 17, 100]) {
    const network = await smallNetwork(engine);
    const controller = new AbortController();
    const resume = resumed++ > 0;
    const trainer = new Trainer(network, { ...options, checkpoint: path('parts'), resume, signal: controller.signal });
    for await (const event of trainer.fit()) {
      if (event.kind === 'step' && event.step >= stopAt) controller.abort();
      told.push(event);
    }
    if (stopAt === 100) t.same(await contentOf(network), expected);
    else t.match(told.at(-1), { kind: 'end', reason: 'aborted' });
  }
  const of = (events: readonly object[]) =>
    ofKind(events as typeof all, 'validation').map(({ epoch, loss, top1 }) => ({ epoch, loss, top1 }));
  t.same(of(told), of(all), 'each epoch is validated once, with the same figures');
  for (const name of ['last.safetensors', 'best.safetensors']) {
    t.same(await readFile(path(`parts/${name}`)), await readFile(path(`whole/${name}`)), name);
  }
  const { state } = await readCheckpoint(path('whole'));
  t.match(state, { seed: 5, progress: { step: 24, epoch: 3, position: 0 }, recipe: { batch: 8, iterations: 24 } });

  const further = await smallNetwork(engine);
  const events = await eventsOf(
    new Trainer(further, { ...options, epochs: 4, checkpoint: path('whole'), resume: true }),
  );
  t.equal(ofKind(events, 'step').at(-1)?.step, 32, 'a longer training goes on where a shorter one ended');
});

t.test('what a killed process left half written is removed', async (t) => {
  const path = await emptyFolder(t);
  const options = { train, steps: 2, checkpoint: path('run') };
  await eventsOf(new Trainer(await smallNetwork(engine), options));
  await writeFile(path('run/last.safetensors.4000001-abc123.tmp'), 'half');
  await writeFile(path('run/mine.tmp'), 'mine');
  await eventsOf(new Trainer(await smallNetwork(engine), { ...options, steps: 3, resume: true }));
  t.same((await readdir(path('run'))).sort(), ['last.safetensors', 'mine.tmp']);
});

t.test('a trainer can be left and gone on with', async (t) => {
  const network = await smallNetwork(engine);
  const trainer = new Trainer(network, { train, epochs: 2 });
  for await (const event of trainer.fit()) if (event.kind === 'step' && event.step >= 3) break;
  const events = await eventsOf(trainer);
  t.match(events.at(-1), { kind: 'end', step: 16 });
  const other = await smallNetwork(engine);
  await eventsOf(new Trainer(other, { train, epochs: 2 }));
  t.same(await contentOf(network), await contentOf(other));
});
