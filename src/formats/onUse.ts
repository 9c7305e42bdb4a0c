/** Readers of others' formats, and what writes them, as the public API has them: loaded when they are first used, so that an import is not. */
import type { Graph } from '../graph/graph.js';
import type { MeanImage } from './caffe.js';
import type { OnnxOptions, WeightReader } from './onnx.js';
import type { ImportedOnnx, OnnxImportOptions, OnnxProgram } from './onnxImport/import.js';
import type { OnnxModel } from './onnxModel.js';
import type { FormattedTensorFile } from './openTensors.js';

/**
 * Opens a file of weights, in the format that its bytes have, and checks what it says of its tensors; they are read when asked for.
 *
 * @param file a path; in a page a Blob, such as a File that was chosen
 * @throws FileError naming the file and what is wrong with it, also for a format that is not known
 */
export async function openTensors(file: string | Blob): Promise<FormattedTensorFile> {
  return (await import('./openTensors.js')).openTensors(file);
}

/**
 * The network that an ONNX file holds, for any batch size:
 *
 *     const { model, weights } = await importOnnx('bvlcalexnet-9.onnx');
 *     const net = await engine.network(model, { weights });
 *     await weights.close();
 *
 * Its parameters are the file's initializers under their names, but that a slash in one becomes a dot; the weight of a fully connected
 * layer is outputs × inputs, whichever way it lies in the file.
 *
 * @param file a path; in a page a Blob
 * @throws FileError for a file that is missing or broken, or naming the node, its op, and the attribute that Tandem has no counterpart for;
 * ArgumentError for an option that does not suit the file
 */
export async function importOnnx(file: string | Blob, options?: OnnxImportOptions): Promise<ImportedOnnx> {
  return (await import('./onnxImport/import.js')).importOnnx(file, options);
}

/**
 * Opens an ONNX file to run it as it is: several inputs and outputs, no logits needed.
 *
 * @throws FileError as `importOnnx`
 */
export async function openOnnxProgram(file: string | Blob): Promise<OnnxProgram> {
  return (await import('./onnxImport/import.js')).openOnnxProgram(file);
}

/**
 * The bytes of an ONNX model that computes the graph's outputs; inputs, outputs and weights keep their names.
 *
 * @throws GraphError for a node that has no counterpart (training ops, int16 weights); ArgumentError for a weight of another length
 */
export async function graphToOnnx(
  graph: Graph,
  weights: WeightReader,
  options?: OnnxOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  return (await import('./onnx.js')).graphToOnnx(graph, weights, options);
}

/**
 * Writes the model to a file, whole or not at all, one weight at a time in memory.
 *
 * @throws as `graphToOnnx`; FileError when the file cannot be written
 */
export async function writeOnnx(
  path: string,
  graph: Graph,
  weights: WeightReader,
  options?: OnnxOptions,
): Promise<void> {
  return (await import('./onnx.js')).writeOnnx(path, graph, weights, options);
}

/**
 * Opens an ONNX model, checks its structure and finds its tensors; they are read when asked for, until the model is closed.
 *
 * @param file a path; in a page a Blob, which cannot have tensors in files beside it
 * @throws FileError naming the file and the byte or the field that is wrong
 */
export async function openOnnx(file: string | Blob): Promise<OnnxModel> {
  return (await import('./onnxModel.js')).openOnnx(file);
}

/**
 * Reads a mean image such as Caffe's `mean.binaryproto`.
 *
 * @param file a path; in a page a Blob
 * @throws FileError for what is no blob of C×H×W or 1×C×H×W
 */
export async function openMeanImage(file: string | Blob): Promise<MeanImage> {
  return (await import('./caffe.js')).openMeanImage(file);
}
