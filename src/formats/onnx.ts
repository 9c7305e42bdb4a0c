/**
 * Writes inference graphs as ONNX models (opset 13). Ops that ONNX has under other conventions are converted, those that it has not are
 * written as several of its own: see `onnxExport/rules.ts`.
 */
import { writeAtomically } from '../atomicFile.js';
import { GraphError } from '../errors.js';
import type { Graph } from '../graph/graph.js';
import { Translation, type WeightReader } from './onnxExport/translation.js';
import { onnxSchema } from './onnxSchema.js';

export type { WeightReader };

const opset = 13;
const irVersion = 8;
/** A protobuf message cannot be longer. */
const longestMessage = 2 ** 31 - 1;

export interface OnnxOptions {
  /** Leaves the first dimension of all inputs and outputs open; else it is the graph's batch size. */
  readonly anyBatch?: boolean;
  /** Stored as the model's metadata_props. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/**
 * The bytes of an ONNX model that computes the graph's outputs; inputs, outputs and weights keep their names.
 *
 * @throws GraphError for a node that has no counterpart (training ops, int16 weights); ArgumentError for a weight of another length.
 */
export async function graphToOnnx(
  graph: Graph,
  weights: WeightReader,
  options: OnnxOptions = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of onnxChunks(graph, weights, options)) chunks.push(chunk);
  const all = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}

/** Writes the model to a file, one weight at a time in memory; see `writeAtomically`. */
export async function writeOnnx(
  path: string,
  graph: Graph,
  weights: WeightReader,
  options: OnnxOptions = {},
): Promise<void> {
  await writeAtomically(path, async (write) => {
    for await (const chunk of onnxChunks(graph, weights, options)) await write(chunk);
  });
}

/**
 * The bytes of the model, piece by piece. Lengths stand before what they measure, and those of the weights are known from
 * their shapes, so the graph's message can be written around weights that are read one by one.
 */
async function* onnxChunks(graph: Graph, weights: WeightReader, options: OnnxOptions): AsyncGenerator<Uint8Array> {
  const translation = new Translation(graph, options.anyBatch ?? false, weights);
  const { node, input, output, initializers } = translation;
  const schema = await onnxSchema();
  const { Writer } = (await import('protobufjs/light.js')).default;
  const encode = (message: string, content: object) => schema.lookupType(message).encode(content).finish();
  /** Tag and length of a field that holds bytes, a text or a message. */
  const prefix = (message: string, field: string, length: number) =>
    Writer.create()
      .uint32((schema.lookupType(message).fields[field].id << 3) | 2)
      .uint32(length)
      .finish();

  const tensors = initializers.map(({ name, dims, dataType, bytes, read }) => {
    const fields = encode('TensorProto', { name, dims, dataType });
    const data = prefix('TensorProto', 'rawData', bytes);
    const head = prefix('GraphProto', 'initializer', fields.length + data.length + bytes);
    return { head, fields, data, bytes, read };
  });
  const rest = encode('GraphProto', { name: graph.name, node, input, output });
  const length = tensors.reduce(
    (sum, t) => sum + t.head.length + t.fields.length + t.data.length + t.bytes,
    rest.length,
  );
  if (length > longestMessage)
    throw new GraphError(`an ONNX file holds at most 2 GiB, graph '${graph.name}' needs ${length} bytes`);

  yield encode('ModelProto', {
    irVersion,
    producerName: 'tandem-nn',
    opsetImport: [{ domain: '', version: opset }],
    metadataProps: Object.entries(options.metadata ?? {}).map(([key, value]) => ({ key, value })),
  });
  yield prefix('ModelProto', 'graph', length);
  yield rest;
  for (const tensor of tensors) {
    yield tensor.head;
    yield tensor.fields;
    yield tensor.data;
    const { buffer, byteOffset, byteLength } = await tensor.read();
    yield new Uint8Array(buffer, byteOffset, byteLength);
  }
}
