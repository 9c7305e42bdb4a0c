/** The golden run on a backend, and what is asked of it. */
import type { Test } from 'tap';
import { type BackendOptions, openEngine } from '../../src/index.js';
import {
  distance,
  type Golden,
  goldenData,
  goldenModel,
  goldenSteps,
  goldenWeights,
  maxRelative,
  norm,
  readGolden,
} from '../golden.js';

export interface GoldenRun {
  readonly logits: Float32Array;
  readonly losses: number[];
  readonly gradients: Readonly<Record<string, Float32Array>>;
  readonly parameters: Map<string, Float32Array>;
}

export async function goldenRun(options: BackendOptions): Promise<GoldenRun> {
  const golden = await readGolden();
  await using engine = await openEngine(options);
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
  return { logits, losses, gradients, parameters };
}

/** Logits, losses, gradients and ten steps, within the design's tolerances for whole networks. */
export function expectGolden(t: Test, run: GoldenRun, golden: Golden): void {
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
}
