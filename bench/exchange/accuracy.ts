/** Whether a trained network gives the same answers in onnxruntime as here, on all images of a dataset. */
import type { TypedArray } from '../../src/backends/backend.js';
import type { Dataset } from '../../src/data/dataset.js';
import { batches } from '../../src/data/loader.js';
import type { Engine } from '../../src/engine/engine.js';
import { declareImages, inferenceImages, storedInputs } from '../../src/engine/imageInput.js';
import type { Network } from '../../src/engine/network.js';
import { GraphBuilder } from '../../src/graph/builder.js';
import type { Model } from '../../src/models/model.js';
import { elements } from '../../src/ops/define.js';
import { inputOf } from '../../src/train/checkDataset.js';
import { evaluate } from '../../src/train/evaluate.js';
import { Exported } from './exported.js';

export interface Accuracy {
  readonly images: number;
  /** Images whose label has the largest logit, here and in onnxruntime. */
  readonly rightHere: number;
  readonly rightThere: number;
}

/** onnxruntime reads the very tensors that the network reads: images are cut and their means subtracted here. */
export async function compareAccuracy(
  engine: Engine,
  network: Network<Model>,
  dataset: Dataset,
  onProgress: (done: number, total: number) => void = () => {},
): Promise<Accuracy> {
  const { model } = network;
  const images = dataset.labels.length;
  const batch = Math.min(100, images);
  const { top1 } = await evaluate(network, dataset, { batch });
  const input = inputOf(network);
  const g = new GraphBuilder('preprocessing');
  const stored = inferenceImages(model, input);
  g.output('images', declareImages(g, model, batch, stored)());
  const program = await engine.compile(g.build());
  const exported = await Exported.open(model, (name) => network.read(name));
  let rightThere = 0;
  let done = 0;
  try {
    const bytes = new Uint8Array(batch * elements(input.shape));
    const inputs: Record<string, TypedArray> = { [storedInputs.bytes]: bytes };
    if (stored.attributes.meanImage !== 'none' && input.meanImage) inputs[storedInputs.meanImage] = input.meanImage;
    for await (const { images: read, labels } of batches(dataset, { batch, shuffle: false })) {
      bytes.set(read);
      const { outputs } = await program.run(inputs);
      const tensors = outputs.images.subarray(0, labels.length * elements(model.inputShape));
      const logits = await exported.logits(tensors);
      rightThere += labels.reduce((right, label, n) => right + Number(isLargest(logits, model.classes, n, label)), 0);
      done += labels.length;
      onProgress(done, images);
    }
  } finally {
    await exported.close();
    await program.close();
  }
  return { images, rightHere: Math.round(top1 * images), rightThere };
}

/** Of equal logits the first counts, as in `evaluate`. */
function isLargest(logits: Float32Array, classes: number, n: number, label: number): boolean {
  const row = logits.subarray(n * classes, (n + 1) * classes);
  return row.indexOf(row.reduce((most, value) => Math.max(most, value), -Infinity)) === label;
}
