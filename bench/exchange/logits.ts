/** Whether a network computes the same in onnxruntime as here: one image, random weights. */
import type { Engine } from '../../src/engine/engine.js';
import { inferenceGraph } from '../../src/engine/graphs.js';
import { initialValues } from '../../src/graph/initialValues.js';
import type { Model } from '../../src/models/model.js';
import { elements } from '../../src/ops/define.js';
import { relativeDifference } from '../agreement.js';
import { Exported } from './exported.js';

export interface LogitDifference {
  readonly model: string;
  readonly backend: string;
  /** max|Δ| / max|logits of ours| */
  readonly difference: number;
}

/**
 * Weights N(0, 2/fan_in), with which values keep their size from layer to layer, and biases N(0, 1): with a preset's own initial values many
 * an activation is too small for a normalisation to act on it.
 */
export function randomWeights(model: Model, seed: number): (name: string) => Float32Array {
  const shapes = new Map(inferenceGraph(model, 1).values.map(({ name, shape }) => [name, shape]));
  return (name) => {
    const shape = shapes.get(name) ?? [];
    // A weight of local kernels has six dimensions, its sums run over the last three.
    const fanIn = elements(shape.slice(shape.length === 6 ? 3 : 1));
    const std = name.endsWith('.weight') ? Math.sqrt(2 / fanIn) : 1;
    return initialValues({ kind: 'normal', std }, shape, seed, name);
  };
}

/** @param images [N, C, H, W] */
export async function compareLogits(
  model: Model,
  images: Float32Array,
  engines: readonly Engine[],
  seed: number,
): Promise<LogitDifference[]> {
  const weights = randomWeights(model, seed);
  const exported = await Exported.open(model, weights);
  const found = await exported.logits(images).finally(() => exported.close());
  const differences: LogitDifference[] = [];
  for (const engine of engines) {
    const network = await engine.network(model, { weights: { get: weights } });
    const { logits } = await network.forward(images).finally(() => network.close());
    const difference = relativeDifference(found, logits);
    differences.push({ model: model.name, backend: engine.info.name, difference });
  }
  return differences;
}
