/** A training that diverges names the step and the layer in which the first number went bad. */
import t from 'tap';
import { openEngine } from '../src/engine/engine.js';
import { DivergenceError } from '../src/errors.js';
import { readCheckpoint } from '../src/train/checkpoint.js';
import { Trainer, type TrainerOptions } from '../src/train/trainer.js';
import { emptyFolder } from './support/cli.js';
import { cornerImages, eventsOf, smallNetwork } from './support/training.js';

const engine = await openEngine({ backend: 'wasm', threads: 1 });
t.teardown(() => engine.close());
const train = cornerImages(64, 1);

/** What a training throws whose network has been tampered with: values of parameters, or factors on them. */
async function failure(
  values: Readonly<Record<string, number>>,
  factors: Readonly<Record<string, number>> = {},
  options: Partial<TrainerOptions> = {},
): Promise<DivergenceError> {
  const network = await smallNetwork(engine);
  for (const [name, value] of Object.entries(values)) {
    await network.write(name, (await network.read(name)).fill(value));
  }
  for (const [name, factor] of Object.entries(factors)) {
    await network.write(
      name,
      (await network.read(name)).map((value) => value * factor),
    );
  }
  try {
    await eventsOf(new Trainer(network, { train, epochs: 2, ...options }));
  } catch (error) {
    if (error instanceof DivergenceError) return error;
    throw error;
  }
  throw new Error('it did not diverge');
}

t.test('the first output that overflows', async (t) => {
  const error = await failure({ 'conv2.bias': 1e30, 'conv3.weight': 1e30 });
  t.match(error, { step: 1, layer: 'conv3' });
  t.match(error.message, 'training diverged in step 1: the first value that is not finite is the output of conv3');
});

t.test('the first gradient that overflows', async (t) => {
  // Forward ip1 sees numbers so small that its large weights do no harm; backward they meet those of ip2.
  const error = await failure({ 'conv3.weight': 0, 'conv3.bias': 1e-30 }, { 'ip1.weight': 1e25, 'ip2.weight': 1e20 });
  t.match(error, { step: 1, layer: 'conv3' });
  t.match(error.message, /is the gradient of conv3\.bias$/);
});

t.test('a network that is not finite to begin with', async (t) => {
  await t.rejects(failure({ 'conv2.bias': Number.NaN }), { name: 'InputError', message: /'conv2.bias' has a number/ });
});

t.test('a step in the middle of a later epoch', async (t) => {
  // The rate jumps in the second epoch.
  const schedule = { kind: 'multistep', epochs: [1.25], factors: [1e38] } as const;
  const path = await emptyFolder(t);
  const options = { recipe: { schedule }, checkpoint: path('run'), microBatch: 5 };
  const error = await failure({}, {}, options);
  t.ok(error.step === 11 || error.step === 12, 'the first update with the large rate, or the step after it', error);
  t.match(error.message, /'.*last\.safetensors' holds what was before$/);
  const { state } = await readCheckpoint(path('run'));
  t.match(state.progress, { step: 8, epoch: 1 }, 'the last good checkpoint stands');
  const again = await failure({}, {}, options).catch((thrown: Error) => thrown);
  t.match(again, { name: 'FileError', message: /is there already: resume goes on with it/ });

  const network = await smallNetwork(engine);
  const resumed = new Trainer(network, { train, epochs: 2, ...options, resume: true });
  await t.rejects(eventsOf(resumed), { message: error.message.split(';')[0] }, 'and diverges again, alike');
});

t.test('the very last update', async (t) => {
  const path = await emptyFolder(t);
  // Every loss is finite; only the checkpoint at the end would not be.
  const schedule = { kind: 'multistep', epochs: [0.87], factors: [1e42] } as const;
  const options = { recipe: { schedule }, epochs: 1, checkpoint: path('run'), checkpointEvery: 5 };
  const error = await failure({}, {}, options);
  t.match(error, { step: 8, message: /is the update of / });
  t.equal((await readCheckpoint(path('run'))).state.progress.step, 5);
  const [name] = error.layer.split('.');
  t.ok(
    (await smallNetwork(engine)).parameters.some((parameter) => parameter.name.startsWith(`${name}.`)),
    name,
  );
});
