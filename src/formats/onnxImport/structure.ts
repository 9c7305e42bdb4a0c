/** What an ONNX model computes, without its weights: data that is kept as JSON beside the weights of a network made of it. */
import { FileError } from '../../errors.js';
import { elements } from '../../ops/define.js';
import type { OnnxAttribute, OnnxModel, OnnxNode, OnnxTensor } from '../onnxModel.js';
import { isFloatType } from '../tensorFile.js';
import { withFusedBiases } from './fuseBiases.js';

/** A number, a word or a list of numbers; null is what no op that is imported has (a graph, a tensor). */
export type StructureAttribute = number | string | readonly number[] | null;

export interface StructureNode {
  readonly op: string;
  /** Unlike that of any other node. */
  readonly name: string;
  /** Names of values; '' where an optional one is left out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: ReadonlyMap<string, StructureAttribute>;
}

/** A few numbers that are known before the network runs: a shape, a limit, a ratio. */
export interface Constant {
  /** [] or [count]. */
  readonly shape: readonly number[];
  readonly values: readonly number[];
}

export interface StructureInput {
  readonly name: string;
  /** null where the file leaves an extent open, or says nothing of the shape. */
  readonly shape: readonly (number | null)[] | null;
}

export interface Structure {
  readonly name: string;
  /** Of ONNX's own domain. */
  readonly opset: number;
  readonly inputs: readonly StructureInput[];
  readonly outputs: readonly string[];
  /** In an order in which they can be computed. */
  readonly nodes: readonly StructureNode[];
  /** Shapes of the tensors of floats, which become parameters where a node computes with them. */
  readonly tensors: ReadonlyMap<string, readonly number[]>;
  /** Integers and booleans of the file, and its tensors of one float. */
  readonly constants: ReadonlyMap<string, Constant>;
}

/** The oldest opset whose ops are read: Caffe's AlexNet in the ONNX zoo begins there. */
const oldestOpset = 7;
/** More than any network of layers has. */
export const mostNodes = 2 ** 14;
/** The most integers that are taken for a shape and the like. */
export const longestConstant = 1024;
const largestFloat32 = (2 - 2 ** -23) * 2 ** 127;

/**
 * The structure of an open model, and the tensors that it names: initializers, and what `Constant` nodes hold.
 *
 * @throws FileError for an opset or a node of another domain that Tandem does not know, or an input that is not F32
 */
export async function structureOf(
  model: OnnxModel,
): Promise<{ readonly structure: Structure; readonly tensors: ReadonlyMap<string, OnnxTensor> }> {
  const { label, opset } = model;
  if (opset < oldestOpset) {
    throw new FileError(`${label} is of opset ${opset}, expected ${oldestOpset} or newer`);
  }
  if (model.nodes.length > mostNodes) {
    throw new FileError(`${label} has ${model.nodes.length} nodes, at most ${mostNodes} are imported`);
  }
  const tensors = new Map<string, OnnxTensor>();
  const constants = new Map<string, Constant>();
  const nodes: StructureNode[] = [];
  const add = async (name: string, tensor: OnnxTensor) => {
    if (isFloatType(tensor.dtype)) tensors.set(name, tensor);
    const constant = await constantOf(tensor);
    if (constant) constants.set(name, constant);
  };
  for (const [name, tensor] of model.initializers) await add(name, tensor);
  const names = new Set<string>();
  for (const [i, node] of model.nodes.entries()) {
    const name = nodeName(node, i, names);
    const where = `${label}: node '${name}' (${node.opType})`;
    if (node.domain !== '' && node.domain !== 'ai.onnx') {
      throw new FileError(`${where} is of domain '${node.domain}'; only ONNX's own ops can be imported`);
    }
    if (node.opType === 'Constant') await addConstantNode(node, where, add, constants);
    else nodes.push({ ...namesOf(node), op: node.opType, name, attributes: attributesOf(node, where) });
  }
  const structure: Structure = {
    name: model.graphName || 'onnx',
    opset,
    inputs: model.inputs.map(({ name, dtype, shape }) => {
      if (dtype !== undefined && dtype !== 'F32') {
        throw new FileError(`${label}: input '${name}' is of type ${dtype}, only F32 inputs can be imported`);
      }
      const extents = shape?.map((extent) => (typeof extent === 'number' && extent > 0 ? extent : null));
      return { name, shape: extents ?? null };
    }),
    outputs: model.outputs.map(({ name }) => name),
    nodes,
    tensors: new Map([...tensors].map(([name, { shape }]) => [name, shape])),
    constants,
  };
  return { structure: withFusedBiases(structure), tensors };
}

function namesOf({ inputs, outputs }: OnnxNode): Pick<StructureNode, 'inputs' | 'outputs'> {
  return { inputs, outputs };
}

/** Exporters may leave nodes without names, or give one name to several. */
function nodeName({ name, opType, outputs }: OnnxNode, index: number, taken: Set<string>): string {
  const wanted = name || outputs.find((output) => output !== '') || opType;
  const unique = taken.has(wanted) ? `${wanted} ${index}` : wanted;
  taken.add(unique);
  return unique;
}

async function constantOf(tensor: OnnxTensor): Promise<Constant | undefined> {
  const { shape, dtype } = tensor;
  const count = elements(shape);
  if (dtype === 'I64' || dtype === 'I32' || dtype === 'BOOL') {
    if (shape.length > 1 || count > longestConstant) return undefined;
    return { shape, values: await tensor.integers() };
  }
  if (!isFloatType(dtype) || count !== 1) return undefined;
  const [value] = await tensor.floats();
  return Number.isNaN(value) ? undefined : { shape: shape.length === 0 ? [] : [1], values: [finite(value)] };
}

/** JSON has no infinities; as limits, which is all they can be here, the largest float32 says the same. */
function finite(value: number): number {
  return Math.min(Math.max(value, -largestFloat32), largestFloat32);
}

async function addConstantNode(
  node: OnnxNode,
  where: string,
  add: (name: string, tensor: OnnxTensor) => Promise<void>,
  constants: Map<string, Constant>,
): Promise<void> {
  const [output] = node.outputs;
  const [[form, attribute] = ['', undefined], ...more] = node.attributes;
  if (node.outputs.length !== 1 || !attribute || more.length > 0) {
    throw new FileError(`${where} must have one attribute and one output`);
  }
  if (attribute.kind === 'tensor') return add(output, attribute.value);
  if (attribute.kind === 'int' || attribute.kind === 'ints') {
    const values = [attribute.value].flat();
    if (values.length > longestConstant) throw new FileError(`${where}: ${form} has ${values.length} integers`);
    constants.set(output, { shape: attribute.kind === 'int' ? [] : [values.length], values });
    return undefined;
  }
  if (attribute.kind === 'float' || attribute.kind === 'floats') {
    const values = Float32Array.from([attribute.value].flat());
    return add(output, {
      name: output,
      shape: attribute.kind === 'float' ? [] : [values.length],
      dtype: 'F32',
      floats: async () => values,
      integers: async () => [...values],
    });
  }
  throw new FileError(`${where}: ${form || 'its attribute'} is no tensor and no numbers`);
}

function attributesOf(node: OnnxNode, where: string): ReadonlyMap<string, StructureAttribute> {
  return new Map([...node.attributes].map(([name, attribute]) => [name, plain(attribute, `${where}: ${name}`)]));
}

function plain(attribute: OnnxAttribute, where: string): StructureAttribute {
  switch (attribute.kind) {
    case 'int':
    case 'string':
      return attribute.value;
    case 'ints':
      return [...attribute.value];
    case 'float':
    case 'floats': {
      const values = [attribute.value].flat();
      if (values.some(Number.isNaN)) throw new FileError(`${where} is not a number`);
      return attribute.kind === 'float' ? finite(values[0]) : values.map(finite);
    }
    default:
      return null;
  }
}
