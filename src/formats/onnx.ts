/**
 * Writes inference graphs as ONNX models (opset 13). Ops that ONNX has under other conventions are converted, those that it has not are
 * written as several of its own: see `onnxExport/rules.ts`.
 */
import { writeAtomically } from '../atomicFile.js';
import { GraphError } from '../errors.js';
import type { Graph } from '../graph/graph.js';
import { type ByteSource, readBytes } from './byteSource.js';
import { type Initializer, Translation, type WeightReader } from './onnxExport/translation.js';
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
 * Whether a file is what `writeOnnx` makes of a graph, byte by byte, whatever its weights are.
 *
 * @throws as `graphToOnnx`; FileError when the file cannot be read
 */
export async function isExportOf(source: ByteSource, graph: Graph, options: OnnxOptions = {}): Promise<boolean> {
  const none: WeightReader = () => new Float32Array(0);
  let at = 0;
  for await (const piece of onnxPieces(graph, none, options)) {
    const content = 'kind' in piece ? (piece.kind === 'weight' ? undefined : bytesIn(await piece.read())) : piece;
    const length = 'kind' in piece ? piece.bytes : piece.length;
    if (at + length > source.size) return false;
    if (content) {
      const found = await readBytes(source, at, length);
      if (!content.every((byte, i) => byte === found[i])) return false;
    }
    at += length;
  }
  return at === source.size;
}

async function* onnxChunks(graph: Graph, weights: WeightReader, options: OnnxOptions): AsyncGenerator<Uint8Array> {
  for await (const piece of onnxPieces(graph, weights, options)) {
    yield 'kind' in piece ? bytesIn(await piece.read()) : piece;
  }
}

function bytesIn({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/**
 * The model piece by piece: bytes, and initializers whose content comes in their place. Lengths stand before what they measure, and those of the weights are known from
 * their shapes, so the graph's message can be written around weights that are read one by one.
 */
async function* onnxPieces(
  graph: Graph,
  weights: WeightReader,
  options: OnnxOptions,
): AsyncGenerator<Uint8Array | Initializer> {
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

  const tensors = initializers.map((content) => {
    const { name, dims, dataType, bytes } = content;
    const fields = encode('TensorProto', { name, dims, dataType });
    const data = prefix('TensorProto', 'rawData', bytes);
    const head = prefix('GraphProto', 'initializer', fields.length + data.length + bytes);
    return { head, fields, data, content };
  });
  const rest = encode('GraphProto', { name: graph.name, node, input, output });
  const length = tensors.reduce(
    (sum, t) => sum + t.head.length + t.fields.length + t.data.length + t.content.bytes,
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
    yield tensor.content;
  }
}
