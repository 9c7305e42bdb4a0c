/**
 * Writes inference graphs as ONNX models (opset 13). Conventions that differ are converted: LRN's alpha is divided by the size
 * of the window there, pooling that rounds up is pooling with more padding, a fused ReLU becomes a node of its own.
 */

import { writeAtomically } from '../atomicFile.js';
import { ArgumentError, GraphError } from '../errors.js';
import type { Graph, Node, Value } from '../graph/graph.js';
import type { Conv2dAttributes } from '../ops/conv2d.js';
import { bytesOf, elements, formatShape } from '../ops/define.js';
import { isInt16, type LinearAttributes } from '../ops/linear.js';
import type { LrnAttributes } from '../ops/lrn.js';
import type { MaxPoolAttributes } from '../ops/maxPool.js';
import { onnxAttributeType, onnxDataType, onnxSchema } from './onnxSchema.js';

const opset = 13;
const irVersion = 8;
/** A protobuf message cannot be longer. */
const longestMessage = 2 ** 31 - 1;

/** The content of a variable by name. */
export type WeightReader = (name: string) => Float32Array | Promise<Float32Array>;

export interface OnnxOptions {
  /** Leaves the first dimension of all inputs and outputs open; else it is the graph's batch size. */
  readonly anyBatch?: boolean;
  /** Stored as the model's metadata_props. */
  readonly metadata?: Readonly<Record<string, string>>;
}

interface OnnxNode {
  readonly opType: string;
  readonly name: string;
  readonly input: readonly string[];
  readonly output: readonly string[];
  readonly attribute: readonly object[];
}

interface Initializer {
  readonly name: string;
  readonly dims: readonly number[];
  readonly dataType: number;
  readonly bytes: number;
  readonly read: () => Promise<ArrayBufferView>;
}

/**
 * The bytes of an ONNX model that computes the graph's outputs; inputs, outputs and weights keep their names.
 *
 * @throws GraphError for a node that has no counterpart (training ops, LRN of even size); ArgumentError for a weight of another length.
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

/** A graph in ONNX's words. */
class Translation {
  readonly node: OnnxNode[] = [];
  readonly input: readonly object[];
  readonly output: readonly object[];
  readonly initializers: Initializer[] = [];
  /** By value id. */
  private readonly names = new Map<number, string>();
  private readonly taken = new Set<string>();
  private readonly batch: number | undefined;

  constructor(
    private readonly graph: Graph,
    private readonly anyBatch: boolean,
    private readonly weights: WeightReader,
  ) {
    const { values, inputs, outputs, nodes } = graph;
    const firstInput = [...inputs.values()][0];
    this.batch = firstInput === undefined ? undefined : values[firstInput].shape[0];
    // Names that callers rely on come first; a value whose own name is then taken gets another.
    for (const [name, id] of inputs) this.names.set(id, this.unique(name));
    const copies: [string, number][] = [];
    for (const [name, id] of outputs) {
      if (this.taken.has(name)) throw new GraphError(`graph '${graph.name}': '${name}' is both an input and an output`);
      this.taken.add(name);
      if (this.names.has(id) || values[id].kind === 'variable') copies.push([name, id]);
      else this.names.set(id, name);
    }
    for (const { id, name } of values) if (!this.names.has(id)) this.names.set(id, this.unique(name));

    const used = new Set([...nodes.flatMap((node) => node.inputs), ...outputs.values()]);
    for (const value of values) if (value.kind === 'variable' && used.has(value.id)) this.addVariable(value);
    for (const node of nodes) this.translate(node);
    for (const [name, id] of copies) this.add('Identity', `${name}/copy`, [this.nameOf(id)], name);
    this.input = [...inputs].map(([name, id]) => this.valueInfo(name, values[id]));
    this.output = [...outputs].map(([name, id]) => this.valueInfo(name, values[id]));
  }

  private translate(node: Node): void {
    const x = this.graph.values[node.inputs[0]];
    const y = this.graph.values[node.outputs[0]];
    const inputs = node.inputs.map((id) => this.nameOf(id));
    const output = this.nameOf(y.id);
    switch (node.op.name) {
      case 'conv2d': {
        const { stride, padding, dilation, groups, activation } = node.attributes as Conv2dAttributes;
        const kernel = this.graph.values[node.inputs[1]].shape.slice(2);
        this.addActivated('Conv', node.name, inputs, output, activation, {
          kernel_shape: ints(kernel),
          strides: ints(stride),
          pads: ints(padding),
          dilations: ints(dilation),
          group: int(groups),
        });
        break;
      }
      case 'linear': {
        if (isInt16(this.graph.values[node.inputs[1]])) {
          throw new GraphError(
            `node '${node.name}': int16 weights cannot be written to ONNX; write the float32 graph, with the weights read back`,
          );
        }
        const { activation } = node.attributes as LinearAttributes;
        this.addActivated('Gemm', node.name, inputs, output, activation, { transB: int(1) });
        break;
      }
      case 'relu':
        this.add('Relu', node.name, inputs, output);
        break;
      case 'lrn': {
        const { size, alpha, beta, k, alphaPer, groups, evenWindow } = node.attributes as LrnAttributes;
        if (size % 2 === 0 && evenWindow !== 'onnx') {
          throw new GraphError(
            `node '${node.name}': ONNX places an LRN window of even size ${size} differently, only odd sizes can be written`,
          );
        }
        if (groups !== 1) {
          throw new GraphError(`node '${node.name}': ONNX's LRN has no groups, got ${groups}`);
        }
        this.add('LRN', node.name, inputs, output, {
          size: int(size),
          alpha: float(alphaPer === 'element' ? alpha * size : alpha),
          beta: float(beta),
          bias: float(k),
        });
        break;
      }
      case 'maxPool': {
        const { kernel, stride, padding, rounding } = node.attributes as MaxPoolAttributes;
        this.add('MaxPool', node.name, inputs, output, {
          kernel_shape: ints(kernel),
          strides: ints(stride),
          pads: ints(
            rounding === 'floor' ? padding : reachingPadding(node.attributes as MaxPoolAttributes, x.shape, y.shape),
          ),
        });
        break;
      }
      case 'adaptiveAvgPool': {
        const window = [2, 3].map((axis) => x.shape[axis] / y.shape[axis]);
        if (!window.every(Number.isInteger)) {
          throw new GraphError(
            `node '${node.name}': adaptiveAvgPool of ${formatShape(x.shape)} to ${formatShape(y.shape)} has windows of several sizes, which ONNX has not`,
          );
        }
        this.add('AveragePool', node.name, inputs, output, { kernel_shape: ints(window), strides: ints(window) });
        break;
      }
      case 'reshape':
        this.add('Reshape', node.name, [inputs[0], this.addShape(node.name, x.shape, y.shape)], output);
        break;
      case 'softmax':
        this.add('Softmax', node.name, inputs, output, { axis: int(-1) });
        break;
      case 'add':
        this.add('Add', node.name, inputs, output);
        break;
      default:
        throw new GraphError(
          `node '${node.name}': op '${node.op.name}' cannot be written to ONNX, only the ops of inference graphs can`,
        );
    }
  }

  private add(
    opType: string,
    name: string,
    input: readonly string[],
    output: string,
    attributes: Readonly<Record<string, object>> = {},
  ): void {
    const attribute = Object.entries(attributes).map(([key, value]) => ({ name: key, ...value }));
    this.node.push({ opType, name, input, output: [output], attribute });
  }

  private addActivated(
    opType: string,
    name: string,
    input: readonly string[],
    output: string,
    activation: 'none' | 'relu',
    attributes: Readonly<Record<string, object>>,
  ): void {
    const sum = activation === 'relu' ? this.unique(`${output}/sum`) : output;
    this.add(opType, name, input, sum, attributes);
    if (activation === 'relu') this.add('Relu', `${name}/relu`, [sum], output);
  }

  private addVariable(value: Value): void {
    const { name, shape } = value;
    const read = async () => {
      const data = await this.weights(name);
      if (data.length === elements(shape)) return data;
      throw new ArgumentError(
        `weight '${name}' of shape ${formatShape(shape)} needs ${elements(shape)} values, got ${data.length}`,
      );
    };
    this.initializers.push({
      name: this.nameOf(value.id),
      dims: shape,
      dataType: onnxDataType.f32,
      bytes: bytesOf(value),
      read,
    });
  }

  /** The second input of Reshape; 0 keeps a dimension as it is, which leaves the batch open. */
  private addShape(node: string, from: readonly number[], to: readonly number[]): string {
    const open = this.anyBatch && from[0] === this.batch && to[0] === this.batch;
    const shape = BigInt64Array.from(to, (extent, i) => BigInt(open && i === 0 ? 0 : extent));
    const name = this.unique(`${node}/shape`);
    const read = async () => shape;
    this.initializers.push({ name, dims: [shape.length], dataType: onnxDataType.i64, bytes: shape.byteLength, read });
    return name;
  }

  private valueInfo(name: string, { dtype, shape }: Value): object {
    const dim = shape.map((extent, i) =>
      this.anyBatch && i === 0 && extent === this.batch ? { dimParam: 'N' } : { dimValue: extent },
    );
    return { name, type: { tensorType: { elemType: onnxDataType[dtype], shape: { dim } } } };
  }

  private nameOf(id: number): string {
    return this.names.get(id) ?? this.graph.values[id].name;
  }

  private unique(wanted: string): string {
    let name = wanted;
    for (let i = 2; this.taken.has(name); i++) name = `${wanted}_${i}`;
    this.taken.add(name);
    return name;
  }
}

/**
 * Padding with which rounding down gives as many windows as Caffe's rounding up: the last one ends in it. ONNX has a ceil_mode
 * too, but its readers differ on whether a window may start beyond the image.
 */
function reachingPadding(attributes: MaxPoolAttributes, x: readonly number[], y: readonly number[]): readonly number[] {
  const [top, left] = attributes.padding as readonly number[];
  const [kernel, stride] = [attributes.kernel, attributes.stride] as readonly (readonly number[])[];
  const [bottom, right] = [top, left].map((before, axis) =>
    Math.max(0, (y[2 + axis] - 1) * stride[axis] + kernel[axis] - x[2 + axis] - before),
  );
  return [top, left, bottom, right];
}

const int = (value: number) => ({ i: value, type: onnxAttributeType.int });
const float = (value: number) => ({ f: value, type: onnxAttributeType.float });
const ints = (value: number | readonly number[]) => ({
  ints: [value].flat(),
  type: onnxAttributeType.ints,
});
