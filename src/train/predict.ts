/** Class probabilities of stored images, of their centre or averaged over ten crops. */
import { tenCrops } from '../data/augmentation.js';
import type { ImageInput } from '../engine/imageInput.js';
import type { Network } from '../engine/network.js';
import type { ForwardOptions } from '../engine/types.js';
import { ArgumentError } from '../errors.js';
import type { Model } from '../models/model.js';

/** 1: the centre; 10: corners, centre and their mirror images, whose class probabilities are averaged. */
export type Crops = 1 | 10;

export type Views = readonly ForwardOptions['view'][];

/** @throws ArgumentError for another number of crops */
export function viewsOf(model: Model, input: ImageInput, crops: Crops): Views {
  if (crops !== 1 && crops !== 10) throw new ArgumentError(`crops must be 1 or 10, got ${crops}`);
  const [, height, width] = input.shape;
  const [, cropHeight, cropWidth] = model.inputShape;
  return crops === 1 ? [undefined] : tenCrops([height, width], [cropHeight, cropWidth]);
}

/**
 * Natural logarithms of the class probabilities, [N, classes], in float64: from logits, so that none is rounded to 0.
 *
 * @param images [N, ...input.shape]
 */
export async function logProbabilities(
  network: Network<Model>,
  images: Uint8Array,
  views: Views,
  signal?: AbortSignal,
): Promise<Float64Array> {
  const logs: Float64Array[] = [];
  for (const view of views) {
    const { logits } = await network.forward(images, { view, signal });
    logs.push(logSoftmax(logits, network.model.classes));
  }
  return meanProbabilities(logs);
}

/** [N, classes] → log of the softmax of each row. */
function logSoftmax(logits: Float32Array, classes: number): Float64Array {
  const result = new Float64Array(logits.length);
  for (let start = 0; start < logits.length; start += classes) {
    const row = logits.subarray(start, start + classes);
    const largest = row.reduce((most, value) => Math.max(most, value), -Infinity);
    let sum = 0;
    for (const value of row) sum += Math.exp(value - largest);
    const logSum = largest + Math.log(sum);
    for (let c = 0; c < classes; c++) result[start + c] = row[c] - logSum;
  }
  return result;
}

/** Logs of the mean of probabilities that are given as logs. */
function meanProbabilities(logs: readonly Float64Array[]): Float64Array {
  if (logs.length === 1) return logs[0];
  return logs[0].map((_, i) => {
    const largest = logs.reduce((most, each) => Math.max(most, each[i]), -Infinity);
    if (largest === -Infinity) return largest;
    const sum = logs.reduce((total, each) => total + Math.exp(each[i] - largest), 0);
    return largest + Math.log(sum / logs.length);
  });
}
