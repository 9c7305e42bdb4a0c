/** The golden run of PyTorch on the WASM backend: both builds, several numbers of threads, all bit for bit alike. */
import t from 'tap';
import { openEngine } from '../src/index.js';
import {
  distance,
  goldenData,
  goldenModel,
  goldenSteps,
  goldenWeights,
  maxRelative,
  norm,
  readGolden,
} from './golden.js';

interface Run {
  readonly logits: Float32Array;
  readonly losses: number[];
  readonly gradients: Readonly<Record<string, Float32Array>>;
  readonly parameters: Map<string, Float32Array>;
}

interface Setting {
  readonly simd: 'plain' | 'relaxed';
  readonly threads: number;
  readonly sharedMemory?: boolean;
}

async function train(setting: Setting): Promise<Run> {
  const golden = await readGolden();
  const engine = await openEngine({ backend: 'wasm', ...setting });
  const net = await engine.network(goldenModel, {
    weights: goldenWeights(),
    learningRate: golden.learningRate,
    optimizer: { rule: 'caffe', momentum: golden.momentum, weightDecay: golden.weightDecay },
  });
  const first = goldenData(0);
  const { logits } = await net.forward(first.images);
  const { gradients } = await net.gradients(first.images, first.labels);
  const losses: number[] = [];
  for (let step = 0; step < goldenSteps; step++) {
    const { images, labels } = goldenData(step);
    losses.push(await (await net.step(images, labels)).loss);
  }
  const parameters = new Map<string, Float32Array>();
  for (const { name } of net.parameters) parameters.set(name, await net.read(name));
  await engine.close();
  return { logits, losses, gradients, parameters };
}

for (const simd of ['plain', 'relaxed'] as const) {
  t.test(`${simd} SIMD follows PyTorch: logits, losses, gradients and ten steps`, async (t) => {
    const golden = await readGolden();
    const run = await train({ simd, threads: 2 });
    t.ok(maxRelative(run.logits, golden.logits) <= 1e-5, 'logits');
    golden.losses.forEach((loss, step) => {
      t.ok(Math.abs(run.losses[step] / loss - 1) <= 1e-5, `loss before step ${step}: ${run.losses[step]} and ${loss}`);
    });
    const start = goldenWeights();
    for (const [name, wanted] of golden.gradients) {
      const error = distance(run.gradients[name], wanted) / norm(wanted);
      t.ok(error <= 1e-4, `gradient of ${name} is off by ${error}`);
    }
    for (const [name, wanted] of golden.parameters) {
      const found = run.parameters.get(name) as Float32Array;
      const change = distance(wanted, start.get(name) as Float32Array);
      // Of the change, but no finer than float32 holds the parameter itself.
      t.ok(distance(found, wanted) <= 1e-4 * change + 1e-6 * norm(wanted), `${name} after ten steps`);
    }
  });

  t.test(`${simd} SIMD: the same bits with any number of threads, shared memory or not`, async (t) => {
    const one = await train({ simd, threads: 1 });
    for (const setting of [
      { simd, threads: 2 },
      { simd, threads: 3 },
      { simd, threads: 7 },
      { simd, threads: 1, sharedMemory: false },
    ]) {
      const other = await train(setting);
      const label = `${setting.threads} threads, shared memory ${setting.sharedMemory ?? true}`;
      t.same(other.logits, one.logits, `${label}: logits`);
      t.same(other.losses, one.losses, `${label}: losses`);
      for (const [name, data] of one.parameters) t.same(other.parameters.get(name), data, `${label}: ${name}`);
      for (const [name, data] of Object.entries(one.gradients))
        t.same(other.gradients[name], data, `${label}: gradient of ${name}`);
    }
  });
}
