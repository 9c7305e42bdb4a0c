/** Networks as ONNX models. */
import { inferenceGraph } from '../../engine/graphs.js';
import { type WeightReader, writeOnnx } from '../../formats/onnx.js';
import type { Graph } from '../../graph/graph.js';
import { weightsMetadata } from '../../models/metadata.js';
import type { Model } from '../../models/model.js';

/** Writes a network for inference at any batch size; the metadata say what it is, so that other commands can open the file. */
export async function writeModel(
  path: string,
  model: Model,
  weights: (name: string, graph: Graph) => ReturnType<WeightReader>,
): Promise<void> {
  const graph = inferenceGraph(model, 1);
  await writeOnnx(path, graph, (name) => weights(name, graph), { anyBatch: true, metadata: weightsMetadata(model) });
}
