/** The golden runs of the presets by PyTorch (scripts/golden_family.py), and how a backend follows them. */
import { readFile } from 'node:fs/promises';
import type { Test } from 'tap';
import { inferenceGraph } from '../../src/engine/graphs.js';
import { parseSafetensors } from '../../src/formats/safetensors.js';
import { type BackendOptions, openEngine } from '../../src/index.js';
import type { Model } from '../../src/models/model.js';
import { preset } from '../../src/models/presets.js';
import { elements } from '../../src/ops/define.js';
import { distance, maxRelative, uniform } from '../golden.js';

const batch = 4;
const buckets = 128;

const imagenet = { width: 1 / 12, inputSize: 71 };
/** The options that the script's networks have, beside ten classes and no dropout. */
export const narrowed: Readonly<Record<string, { readonly width: number; readonly inputSize: number }>> = {
  alexnet: imagenet,
  'alexnet-2012': { ...imagenet, inputSize: 68 },
  caffenet: imagenet,
  'alexnet-one-tower': imagenet,
  'alexnet-single': imagenet,
  'alexnet-owt': { ...imagenet, inputSize: 95 },
  'mnist-tf': { width: 1 / 8, inputSize: 28 },
  'cifar10-80sec': { width: 1 / 4, inputSize: 32 },
  'cifar10-quick': { width: 1 / 4, inputSize: 32 },
  'cifar10-18pct': { width: 1 / 4, inputSize: 32 },
  'cifar10-full': { width: 1 / 4, inputSize: 32 },
  'cifar10-13pct': { width: 1 / 4, inputSize: 24 },
  'cifar10-11pct': { width: 1 / 4, inputSize: 24 },
};

export interface FamilyGolden {
  readonly logits: Float32Array;
  /** Sketches by the parameter's name, and the lengths of what they are sketches of. */
  readonly gradients: ReadonlyMap<string, Float32Array>;
  readonly parameters: ReadonlyMap<string, Float32Array>;
  readonly norms: Readonly<Record<string, number>>;
  readonly finalNorms: Readonly<Record<string, number>>;
  /** ‖parameter after ten steps − parameter before‖ */
  readonly changes: Readonly<Record<string, number>>;
  readonly losses: readonly number[];
  readonly divisors: Readonly<Record<string, number>>;
  readonly learningRate: number;
  readonly weightDecay: number;
}

export async function readFamily(name: string): Promise<FamilyGolden> {
  const path = `golden-${name}.safetensors`;
  const bytes = await readFile(new URL(`../../../test/fixtures/${path}`, import.meta.url));
  const file = await parseSafetensors(bytes, path);
  const facts = Object.fromEntries(Object.entries(file.metadata).map(([key, json]) => [key, JSON.parse(json)]));
  const gradients = new Map<string, Float32Array>();
  const parameters = new Map<string, Float32Array>();
  let logits: Float32Array = new Float32Array(0);
  for (const tensor of file.tensors.keys()) {
    const data = await file.read(tensor);
    if (tensor === 'logits') logits = data;
    else if (tensor.startsWith('gradient:')) gradients.set(tensor.slice('gradient:'.length), data);
    else parameters.set(tensor, data);
  }
  return { ...(facts as Omit<FamilyGolden, 'logits' | 'gradients' | 'parameters'>), logits, gradients, parameters };
}

function startingWeights(model: Model, divisors: FamilyGolden['divisors']): Map<string, Float32Array> {
  const weights = new Map<string, Float32Array>();
  for (const { name, kind, shape } of inferenceGraph(model, 1).values) {
    if (kind !== 'variable') continue;
    const [layer, part] = name.split('.');
    const fanIn = elements(shape.slice(shape.length === 6 ? 3 : 1));
    const limit = part === 'bias' ? 0.1 : Math.sqrt(6 / fanIn) / divisors[layer];
    weights.set(name, uniform(elements(shape), weights.size, limit));
  }
  return weights;
}

const signs = uniform(2 ** 19, 77, 1).map((value) => (value < 0 ? -1 : 1));

/** The script's sketch of a tensor. */
export function sketch(values: ArrayLike<number>): Float64Array {
  if (values.length <= buckets) return Float64Array.from(values);
  const sums = new Float64Array(buckets);
  for (let i = 0; i < values.length; i++) sums[i % buckets] += signs[i] * values[i];
  return sums;
}

export interface Tolerances {
  readonly logits: number;
  readonly loss: number;
  readonly gradient: number;
  /** Of the change in ten steps, beside `held` of the parameter's own length. */
  readonly change: number;
  readonly held: number;
}

/** The design's for whole networks; of a parameter no finer than float32 holds it. */
export const float32: Tolerances = { logits: 1e-5, loss: 1e-5, gradient: 1e-4, change: 1e-4, held: 1e-6 };
/** Both sides compute in float64 and agree as far as the file and the results, both float32, can tell. */
export const float64: Tolerances = {
  logits: 2 ** -22,
  loss: 2 ** -23,
  gradient: 2 ** -22,
  change: 2 ** -22,
  held: 2 ** -23,
};

/** Logits, losses, gradients and ten steps by the preset's own rule and multipliers. */
export async function follow(
  t: Test,
  name: string,
  golden: FamilyGolden,
  backend: BackendOptions,
  allowed: Tolerances,
) {
  const model = preset(name, { ...narrowed[name], classes: 10, dropout: 0 });
  const weights = startingWeights(model, golden.divisors);
  const { learningRate, weightDecay } = golden;
  const { optimizer: own } = model.recipe;
  const optimizer = own.kind === 'adam' ? { ...own, weightDecay } : { ...own, weightDecay };
  await using engine = await openEngine(backend);
  const net = await engine.network(model, { weights, learningRate, optimizer });
  const data = (step: number) => ({
    images: uniform(batch * elements(model.inputShape), 100 + step, 32),
    labels: Int32Array.from({ length: batch }, (_, n) => (3 * n + step) % 10),
  });

  const first = data(0);
  const { logits } = await net.forward(first.images);
  const off = maxRelative(logits, golden.logits);
  t.ok(off <= allowed.logits, `logits are off by ${off}`);
  const { gradients } = await net.gradients(first.images, first.labels);
  t.same(Object.keys(gradients).sort(), [...golden.gradients.keys()].sort(), 'the parameters are those of the script');
  for (const [parameter, wanted] of golden.gradients) {
    const error = distance(sketch(gradients[parameter]), wanted) / golden.norms[parameter];
    t.ok(error <= allowed.gradient, `gradient of ${parameter} is off by ${error}`);
  }
  for (const [step, wanted] of golden.losses.entries()) {
    const { images, labels } = data(step);
    const loss = await (await net.step(images, labels)).loss;
    t.ok(Math.abs(loss / wanted - 1) <= allowed.loss, `loss before step ${step}: ${loss} and ${wanted}`);
  }
  for (const [parameter, wanted] of golden.parameters) {
    const found = sketch(await net.read(parameter));
    const error = distance(found, wanted);
    const change = golden.changes[parameter];
    const most = allowed.change * change + allowed.held * golden.finalNorms[parameter];
    t.ok(error <= most, `${parameter} is off by ${error} after a change of ${change}`);
    t.ok(distance(found, sketch(weights.get(parameter) ?? [])) > 10 * most, `${parameter} has moved`);
  }
}
