/** The inputs that all implementations are measured on, and the work that one of them is. */
import { gradientsGraph, inferenceGraph, stepGraph } from '../src/engine/graphs.js';
import type { Model } from '../src/models/model.js';
import { elements } from '../src/ops/define.js';
import type { Mode } from './implementation.js';

export interface Input {
  /** [N, C, H, W] */
  readonly images: Float32Array;
  readonly labels: Int32Array;
}

/** Several batches of one size; runs take them in turn, so that none finds its input in the cache of the run before. */
export interface Workload {
  readonly batch: number;
  readonly inputs: readonly Input[];
}

/** Batches that runs take in turn, by default. */
const inputCount = 3;

/**
 * `count` batches cut from a row of images [M, C, H, W], each starting one image further on, over and over when M is too small;
 * of noise when none are given. Image i has label i (modulo the number of classes).
 */
export function workloadOf(model: Model, batch: number, given?: Float32Array, count = inputCount): Workload {
  const images = given ?? noiseImages(model, batch + count - 1);
  const size = elements(model.inputShape);
  const available = images.length / size;
  const inputs = Array.from({ length: count }, (_, start) => {
    const input = { images: new Float32Array(batch * size), labels: new Int32Array(batch) };
    for (let n = 0; n < batch; n++) {
      const image = (start + n) % available;
      input.images.set(images.subarray(image * size, (image + 1) * size), n * size);
      input.labels[n] = image % model.classes;
    }
    return input;
  });
  return { batch, inputs };
}

/** Pictures of noise, every pixel from 0 to 255, preprocessed as the model wants it; [count, C, H, W], always the same. */
function noiseImages(model: Model, count: number): Float32Array {
  const { mean, scale, std } = model.preprocessing;
  const [channels, height, width] = model.inputShape;
  const images = new Float32Array(count * channels * height * width);
  // Marsaglia 2003, xorshift with the triple (13, 17, 5).
  let state = 2463534242;
  for (let i = 0; i < images.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    const channel = Math.floor(i / (height * width)) % channels;
    images[i] = (((state >>> 24) - mean[channel % mean.length]) * scale) / (std?.[channel % mean.length] ?? 1);
  }
  return images;
}

/**
 * Floating-point operations of one run: those of the graph's nodes, a convolution counted directly whatever algorithm
 * computes it. 'backward' counts the nodes after the loss; the gradient with respect to the images is not computed.
 */
export function flopsOf(model: Model, batch: number, mode: Mode): number {
  const graph = graphOf(model, batch, mode);
  let flops = 0;
  for (const node of graph.nodes) {
    if (mode === 'backward' && node.phase !== 'backward') continue;
    const types = (ids: readonly number[]) => ids.map((id) => graph.values[id]);
    flops += node.op.cost(node.attributes, types(node.inputs), types(node.outputs)).flops;
  }
  return flops;
}

function graphOf(model: Model, batch: number, mode: Mode) {
  if (mode === 'forward') return inferenceGraph(model, batch);
  const inference = inferenceGraph(model, batch);
  const parameters = inference.values.filter(({ kind }) => kind === 'variable').map(({ name }) => name);
  if (mode === 'backward') return gradientsGraph(model, batch, parameters);
  return stepGraph(model, batch, parameters, model.recipe.optimizer);
}
