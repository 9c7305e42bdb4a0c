/** Bad input to training: a clear error before any work, and nothing lost. */
import { open, readdir, readFile } from 'node:fs/promises';
import t from 'tap';
import { memoryDataset, subset } from '../src/data/dataset.js';
import { openEngine } from '../src/engine/engine.js';
import { saveNetwork } from '../src/formats/network.js';
import { Trainer, type TrainerOptions } from '../src/train/trainer.js';
import { emptyFolder } from './support/cli.js';
import { cornerImages, eventsOf, smallModel, smallNetwork } from './support/training.js';

const engine = await openEngine({ backend: 'wasm', threads: 1 });
t.teardown(() => engine.close());
const train = cornerImages(32, 1);

t.test('options that cannot be', async (t) => {
  const network = await smallNetwork(engine);
  const refuses = (options: Partial<TrainerOptions>, message: RegExp, name = 'ArgumentError') =>
    t.throws(() => new Trainer(network, { train, ...options }), { name, message });
  refuses({ train: subset(train, [0, 1, 2]) }, /has 3 images, expected at least the 8 of one batch/, 'InputError');
  const pixels = new Uint8Array(8 * 588);
  const labels = Int32Array.of(0, 1, 2, 3, 4, 0, 1, 2);
  refuses(
    { train: memoryDataset('five', [3, 14, 14], [...'abcde'], labels, pixels) },
    /^five: image 4 has label 4, expected 0 to 3/,
    'InputError',
  );
  const small = memoryDataset('small', [3, 13, 14], ['a'], new Int32Array(8), new Uint8Array(8 * 546));
  refuses({ train: small }, /^small: its images are .*13/, 'InputError');
  refuses({ validation: small }, /^small: its images are /, 'InputError');
  refuses({ rates: { fc9: 2 } }, /rates: there is no parameter or layer 'fc9'; there are conv1.weight, /);
  refuses({ rates: { ip2: -1 } }, /rates: the factor of 'ip2' must be a finite number of at least 0, got -1/);
  refuses({ epochs: 1, steps: 1 }, /epochs or steps, not both/);
  refuses({ epochs: 0 }, /epochs must be a whole number of at least 1, got 0/);
  refuses({ steps: 1.5 }, /steps must be a whole number of at least 1, got 1.5/);
  refuses({ recipe: { batch: 0 } }, /batch must be a whole number of at least 1, got 0/);
  refuses({ recipe: { learningRate: Number.NaN } }, /the learning rate must be a finite number/);
  refuses({ microBatch: 0 }, /microBatch must be a whole number of at least 1, got 0/);
  refuses({ patience: 2 }, /patience needs a validation set/);
  const schedule = { kind: 'plateau', factor: 0.1, patience: 1, drops: 3 } as const;
  refuses({ recipe: { schedule } }, /a plateau schedule needs a validation set/);
  refuses({ resume: true }, /resume needs the folder/);
  t.throws(() => network.freeze(['conv9']), { message: /there is no parameter or layer 'conv9'/ });
  const blind = await engine.network(smallModel());
  t.throws(() => new Trainer(blind, { train }), { message: /does not say how it reads bytes/ });
});

t.test('checkpoints that cannot be resumed from', async (t) => {
  const path = await emptyFolder(t);
  const network = await smallNetwork(engine);
  const resume = (folder: string, of = network, options: Partial<TrainerOptions> = {}) =>
    eventsOf(new Trainer(of, { train, epochs: 2, checkpoint: path(folder), resume: true, ...options }));
  await t.rejects(resume('none'), {
    name: 'FileError',
    message: /no checkpoint to resume from: '.*none\/last.safetensors'/,
  });

  await eventsOf(new Trainer(await smallNetwork(engine), { train, steps: 3, checkpoint: path('run') }));
  const other = { ...smallModel(), options: { ...smallModel().options, width: 0.25 } };
  const before = await network.read('conv1.weight');
  await t.rejects(resume('run', await smallNetwork(engine, {}, other)), {
    name: 'FileError',
    message: /run\/last.safetensors' is a checkpoint of another network: its options is .*0\.0625.*0\.25/,
  });
  await t.rejects(resume('run', await smallNetwork(engine, { seed: 6 })), { message: /trained with seed 5, .* has 6/ });
  await t.rejects(resume('run', await smallNetwork(engine, { optimizer: { kind: 'adam' } })), {
    message: /has nothing for 'conv1.weight\/adam.m', expected .* another optimizer/,
  });
  await t.rejects(resume('run', network, { train: cornerImages(40, 1) }), {
    message: /a training set of 32, this one has 40/,
  });
  await t.rejects(resume('run', network, { recipe: { batch: 4 } }), { message: /a batch of 8, this one has 4/ });
  t.same(await network.read('conv1.weight'), before, 'the network is as it was');

  await saveNetwork(network, path('run/last.safetensors'));
  await t.rejects(resume('run'), { message: /holds the weights of a network, but not where its training stood/ });
});

t.test('a disk that is full', async (t) => {
  const path = await emptyFolder(t);
  const options = { train, epochs: 3, checkpoint: path('run') };
  const network = await smallNetwork(engine);
  const probe = await open(path('probe'), 'w');
  const handles = Object.getPrototypeOf(probe);
  await probe.close();
  const { write } = handles;
  t.teardown(() => {
    handles.write = write;
  });
  let kept: Buffer | undefined;
  const training = async () => {
    for await (const event of new Trainer(network, options).fit()) {
      if (event.kind !== 'checkpoint' || event.step !== 4) continue;
      kept = await readFile(event.path);
      handles.write = async () => {
        throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC', syscall: 'write' });
      };
    }
  };
  await t.rejects(training(), {
    name: 'FileError',
    message: /cannot write '.*last.safetensors': ENOSPC: no space left/,
  });
  handles.write = write;
  t.same(await readdir(path('run')), ['last.safetensors'], 'nothing half written is left');
  t.same(await readFile(path('run/last.safetensors')), kept, 'the checkpoint before stands');

  const resumed = await smallNetwork(engine);
  await eventsOf(new Trainer(resumed, { ...options, resume: true }));
  const undisturbed = await smallNetwork(engine);
  await eventsOf(new Trainer(undisturbed, { train, epochs: 3 }));
  t.same(await resumed.read('ip2.weight'), await undisturbed.read('ip2.weight'), 'and training goes on from it');
});
