/** The structure of an ONNX file (onnx.proto of github.com/onnx/onnx): its graph, with tensors located but not read. */
import { FileError } from '../errors.js';
import { type ByteSource, openWith } from './byteSource.js';
import { onnxAttributeType, onnxMessages } from './onnxSchema.js';
import { type OnnxTensor, onnxTensor, onnxTypeName } from './onnxTensor.js';
import { type Message, readMessage } from './protobufMessage.js';
import { type StoredTensor, type TensorFile, tensorFile } from './tensorFile.js';

export type { OnnxTensor } from './onnxTensor.js';

/** Integers that are not safe are rounded. */
export type OnnxAttribute =
  | { readonly kind: 'float' | 'int'; readonly value: number }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'floats' | 'ints'; readonly value: readonly number[] }
  | { readonly kind: 'strings'; readonly value: readonly string[] }
  | { readonly kind: 'tensor'; readonly value: OnnxTensor }
  /** Graphs and the like. */
  | { readonly kind: 'other' };

export interface OnnxNode {
  readonly name: string;
  readonly opType: string;
  /** '' and 'ai.onnx' are ONNX's own operators. */
  readonly domain: string;
  /** Names of values; '' is an optional one that is left out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: ReadonlyMap<string, OnnxAttribute>;
}

export interface OnnxValueInfo {
  readonly name: string;
  /** Of a tensor: the name of its type, as `OnnxTensor` has it. */
  readonly dtype?: string;
  /** Of a tensor whose rank is known: an extent is a number, a name, or not told. */
  readonly shape?: readonly (number | string | undefined)[];
}

export interface OnnxModel {
  /** The file's name in errors. */
  readonly label: string;
  readonly irVersion: number;
  /** The version of ONNX's own operators that the nodes are of. */
  readonly opset: number;
  readonly metadata: Readonly<Record<string, string>>;
  readonly graphName: string;
  readonly nodes: readonly OnnxNode[];
  /** Without those that an initializer gives a value. */
  readonly inputs: readonly OnnxValueInfo[];
  readonly outputs: readonly OnnxValueInfo[];
  readonly initializers: ReadonlyMap<string, OnnxTensor>;
  /** The initializers as tensors. */
  readonly file: TensorFile;
  close(): Promise<void>;
}

type Proto<N extends keyof typeof onnxMessages> = Message<typeof onnxMessages, N>;

/** Protocol buffers have lengths of 31 bits; larger models have their tensors in files beside them. */
const longestModel = 2 ** 31 - 1;

/**
 * Opens an ONNX model, checks its structure and finds its tensors; they are read when asked for, until the model is closed.
 *
 * @param file a path; in a page a Blob, which cannot have tensors in files beside it
 * @throws FileError naming the file and the byte or the field that is wrong
 */
export function openOnnx(file: string | Blob): Promise<OnnxModel> {
  return openWith(file, readOnnx);
}

/**
 * The same for a source, which the model then closes; a source that is no model stays open. Functions of the model are left out: a
 * node that calls one is of a domain that is not ONNX's. So is what the model has for its training.
 */
export async function readOnnx(source: ByteSource): Promise<OnnxModel> {
  const { label, size } = source;
  if (size > longestModel) throw new FileError(`${label} has ${size} bytes, an ONNX file has at most ${longestModel}`);
  const model = await readMessage(source, onnxMessages, 'ModelProto');
  const { irVersion = 0, graph } = model;
  if (!graph) throw new FileError(`${label} is no ONNX model, or is cut short: it has no graph`);
  if (irVersion < 3) throw new FileError(`${label} has ir_version ${irVersion}, expected 3 or newer`);
  const opset = opsetOf(model, label);
  if (graph.sparseInitializer.length > 0) throw new FileError(`${label} has sparse_initializer, which is not read`);
  const initializers = new Map<string, OnnxTensor & StoredTensor>();
  for (const [i, proto] of graph.initializer.entries()) {
    const { name } = proto;
    if (!name) throw new FileError(`${label}: graph.initializer[${i}] at byte ${proto.offset} has no name`);
    if (initializers.has(name)) throw new FileError(`${label} has two initializers '${name}'`);
    initializers.set(name, await onnxTensor(source, proto, name));
  }
  const nodes: OnnxNode[] = [];
  for (const [i, proto] of graph.node.entries()) nodes.push(await nodeOf(source, proto, i));
  const metadata = Object.fromEntries(model.metadataProps.map(({ key = '', value = '' }) => [key, value]));
  const file = tensorFile(source, initializers, metadata);
  return {
    label,
    irVersion,
    opset,
    metadata,
    graphName: graph.name ?? '',
    nodes,
    inputs: graph.input.map(valueInfo).filter(({ name }) => !initializers.has(name)),
    outputs: graph.output.map(valueInfo),
    initializers,
    file,
    close: () => file.close(),
  };
}

function opsetOf({ opsetImport }: Proto<'ModelProto'>, label: string): number {
  const own = opsetImport.filter(({ domain = '' }) => domain === '' || domain === 'ai.onnx');
  const versions = [...new Set(own.map(({ version = 0 }) => version))];
  if (versions.length === 1 && versions[0] >= 1) return versions[0];
  throw new FileError(`${label} imports ONNX's operators of versions [${versions.join(', ')}], expected one version`);
}

async function nodeOf(source: ByteSource, proto: Proto<'NodeProto'>, i: number): Promise<OnnxNode> {
  const { name = '', opType = '', domain = '', input, output } = proto;
  const where = `node ${i}${name && ` '${name}'`}${opType && ` (${opType})`}`;
  const attributes = new Map<string, OnnxAttribute>();
  for (const attribute of proto.attribute) {
    const { name: key = '' } = attribute;
    if (attributes.has(key)) {
      throw new FileError(`${source.label}: ${where} at byte ${proto.offset} has two attributes '${key}'`);
    }
    attributes.set(key, await attributeOf(source, attribute, `attribute '${key}' of ${where}`));
  }
  return { name, opType, domain, inputs: input, outputs: output, attributes };
}

async function attributeOf(source: ByteSource, proto: Proto<'AttributeProto'>, where: string): Promise<OnnxAttribute> {
  const { f = 0, i = 0, s, t, floats, ints, strings } = proto;
  switch (proto.type) {
    case onnxAttributeType.float:
      return { kind: 'float', value: f };
    case onnxAttributeType.int:
      return { kind: 'int', value: i };
    case onnxAttributeType.string:
      return { kind: 'string', value: textOf(s) };
    case onnxAttributeType.floats:
      return { kind: 'floats', value: floats };
    case onnxAttributeType.ints:
      return { kind: 'ints', value: ints };
    case onnxAttributeType.strings:
      return { kind: 'strings', value: strings.map(textOf) };
    case onnxAttributeType.tensor:
      if (!t) throw new FileError(`${source.label}: ${where} at byte ${proto.offset} has no tensor`);
      return { kind: 'tensor', value: await onnxTensor(source, t, where) };
    default:
      return { kind: 'other' };
  }
}

/** Strings of attributes are bytes to the format; what is no UTF-8 in them is replaced. */
function textOf(bytes: Uint8Array | undefined): string {
  return new TextDecoder().decode(bytes);
}

function valueInfo({ name = '', type }: Proto<'ValueInfoProto'>): OnnxValueInfo {
  const { elemType, shape } = type?.tensorType ?? {};
  return {
    name,
    ...(elemType ? { dtype: onnxTypeName(elemType) } : {}),
    ...(shape ? { shape: shape.dim.map(extentOf) } : {}),
  };
}

function extentOf({ dimValue, dimParam }: Proto<'DimensionProto'>): number | string | undefined {
  if (dimValue !== undefined && dimValue >= 0) return dimValue;
  return dimParam || undefined;
}
