/**
 * Every preset as it comes, with its own initial values, dropout and optimizer: narrowed, WASM follows the float64 reference through
 * forward, backward and ten steps; whole, it takes a step on WASM.
 */
import t from 'tap';
import { openEngine } from '../src/index.js';
import type { FamilyOptions } from '../src/models/family.js';
import type { Model } from '../src/models/model.js';
import { preset, presets } from '../src/models/presets.js';
import { elements } from '../src/ops/define.js';
import { distance, maxRelative, norm, uniform } from './golden.js';

const batch = 3;

function narrowed(name: string): FamilyOptions {
  if (name === 'mnist-tf') return { width: 1 / 16 };
  if (name.startsWith('cifar10')) return { width: 1 / 8 };
  return { width: 1 / 24, inputSize: 71, classes: 10 };
}

/** Pixels of noise as the network's preprocessing leaves them. */
function noise(model: Model, count: number, salt: number): Float32Array {
  const { mean, scale, std } = model.preprocessing;
  const plane = model.inputShape[1] * model.inputShape[2];
  return uniform(count * elements(model.inputShape), salt, 127.5).map((value, i) => {
    const c = Math.floor(i / plane) % mean.length;
    return ((value + 127.5 - mean[c]) * scale) / (std?.[c] ?? 1);
  });
}

function labels(model: Model, count: number, salt: number): Int32Array {
  return Int32Array.from({ length: count }, (_, n) => (3 * n + salt) % model.classes);
}

async function train(model: Model, backend: 'reference' | 'wasm') {
  await using engine = await openEngine(backend === 'wasm' ? { backend, threads: 2 } : { backend });
  const net = await engine.network(model, { seed: 5 });
  const parameters = new Map<string, Float32Array>();
  for (const { name } of net.parameters) parameters.set(name, await net.read(name));
  const images = noise(model, batch, 100);
  const { logits } = await net.forward(images);
  const { gradients } = await net.gradients(images, labels(model, batch, 0));
  const losses: number[] = [];
  for (let step = 0; step < 10; step++) {
    const result = await net.step(noise(model, batch, 100 + step), labels(model, batch, step));
    losses.push(await result.loss);
  }
  const trained = new Map<string, Float32Array>();
  for (const name of parameters.keys()) trained.set(name, await net.read(name));
  return { logits, gradients, losses, parameters, trained };
}

for (const name of presets.keys()) {
  t.test(`${name}, narrowed: WASM follows the reference through ten steps`, async (t) => {
    const model = preset(name, narrowed(name));
    const wanted = await train(model, 'reference');
    const found = await train(model, 'wasm');
    t.ok(maxRelative(found.logits, wanted.logits) <= 1e-5, 'logits');
    for (const [parameter, gradient] of Object.entries(wanted.gradients)) {
      const error = distance(found.gradients[parameter], gradient) / norm(gradient);
      t.ok(error <= 1e-4, `gradient of ${parameter} is off by ${error}`);
    }
    wanted.losses.forEach((loss, step) => {
      t.ok(
        Math.abs(found.losses[step] / loss - 1) <= 1e-5,
        `loss before step ${step}: ${found.losses[step]} and ${loss}`,
      );
    });
    for (const [parameter, data] of wanted.trained) {
      const start = wanted.parameters.get(parameter) ?? [];
      t.same(found.parameters.get(parameter), start, `${parameter} starts alike`);
      const change = distance(data, start);
      const error = distance(found.trained.get(parameter) ?? [], data);
      // Of the change, but no finer than float32 holds the parameter itself.
      t.ok(error <= 1e-4 * change + 1e-6 * norm(data), `${parameter} is off by ${error} after a change of ${change}`);
      if (parameter.endsWith('.weight')) t.ok(change > 0, `${parameter} has moved`);
    }
  });
}

t.test('every preset takes a step at its whole size', async (t) => {
  // Cheaper than 60 million normal deviates; of a size that keeps the loss finite.
  const pattern = uniform(2 ** 20, 9, 0.02);
  for (const name of presets.keys()) {
    const model = preset(name);
    await using engine = await openEngine({ backend: 'wasm', threads: 2 });
    const shapes = new Map<string, number>();
    const weights = {
      get: (parameter: string) => {
        const data = new Float32Array(shapes.get(parameter) ?? 0);
        for (let at = 0; at < data.length; at += pattern.length) {
          data.set(pattern.subarray(0, Math.min(pattern.length, data.length - at)), at);
        }
        return data;
      },
    };
    await using net = await engine.network(sized(model, shapes), { weights });
    const step = await net.step(noise(model, 1, 100), labels(model, 1, 3));
    t.ok(Number.isFinite(await step.loss), `${name}: a finite loss`);
    const { probabilities } = await net.forward(noise(model, 1, 101));
    const sum = probabilities.reduce((total, value) => total + value, 0);
    t.ok(probabilities.length === model.classes && Math.abs(sum - 1) < 1e-4, `${name}: probabilities`);
  }
});

/** The model, noting the number of elements of its variables when it is built. */
function sized(model: Model, shapes: Map<string, number>): Model {
  return {
    ...model,
    build(g, images, random) {
      const built = model.build(g, images, random);
      for (const value of g.build().values)
        if (value.kind === 'variable') shapes.set(value.name, elements(value.shape));
      return built;
    },
  };
}
