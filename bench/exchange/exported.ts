/** A network written as ONNX and opened by onnxruntime. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { InferenceSession } from 'onnxruntime-node';
import { inferenceGraph } from '../../src/engine/graphs.js';
import { type WeightReader, writeOnnx } from '../../src/formats/onnx.js';
import { weightsMetadata } from '../../src/models/metadata.js';
import type { Model } from '../../src/models/model.js';
import { importPeer } from '../implementation.js';

export class Exported {
  private constructor(
    private readonly model: Model,
    private readonly session: InferenceSession,
  ) {}

  /**
   * As `tandem export` writes it, for any batch size; the file is gone when this resolves.
   *
   * @throws MissingPeer without onnxruntime-node
   */
  static async open(model: Model, weights: WeightReader): Promise<Exported> {
    const { default: ort } = await importPeer('onnxruntime-node', () => import('onnxruntime-node'));
    const folder = await mkdtemp(join(tmpdir(), 'tandem-exchange-'));
    try {
      const path = join(folder, 'network.onnx');
      await writeOnnx(path, inferenceGraph(model, 1), weights, { anyBatch: true, metadata: weightsMetadata(model) });
      return new Exported(model, await ort.InferenceSession.create(path, { executionProviders: ['cpu'] }));
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  /** @param images [N, C, H, W] for any N → [N, classes] */
  async logits(images: Float32Array): Promise<Float32Array> {
    const { Tensor } = await import('onnxruntime-node');
    const { inputShape } = this.model;
    const batch = images.length / inputShape.reduce((product, extent) => product * extent, 1);
    const { logits } = await this.session.run({ images: new Tensor('float32', images, [batch, ...inputShape]) });
    return logits.data as Float32Array;
  }

  close(): Promise<void> {
    return this.session.release();
  }
}
