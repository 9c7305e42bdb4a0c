/** Structures as JSON, and back: what stands in a file of weights is checked before it is believed. */
import { FileError } from '../../errors.js';
import {
  type Constant,
  longestConstant,
  mostNodes,
  type Structure,
  type StructureAttribute,
  type StructureNode,
} from './structure.js';

/** How a network reads a structure. */
export interface Reading {
  /** [C, H, W] of one input image. */
  readonly inputShape: readonly number[];
  /** The value that has the logits. */
  readonly logits: string;
}

export function structureText({ tensors, constants, nodes, ...rest }: Structure, reading: Reading): string {
  return JSON.stringify({
    ...rest,
    nodes: nodes.map(({ attributes, ...node }) => ({ ...node, attributes: [...attributes] })),
    tensors: [...tensors],
    constants: [...constants],
    ...reading,
  });
}

/** @throws FileError naming the field that is missing or wrong */
export function parseStructure(
  text: string,
  where: string,
): { readonly structure: Structure; readonly reading: Reading } {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new FileError(`${where}: 'structure' in the metadata is not JSON`, { cause: error });
  }
  const all = (isObject(json) ? json : {}) as Readonly<Record<string, unknown>>;
  const field = <T>(name: string, is: (value: unknown) => value is T): T => {
    const value = Object.hasOwn(all, name) ? all[name] : undefined;
    if (is(value)) return value;
    throw new FileError(`${where}: 'structure' in the metadata lacks '${name}' or has a wrong one`);
  };
  const nodes = field('nodes', isNodes);
  const structure: Structure = {
    name: field('name', isString),
    opset: field('opset', isCount),
    inputs: field('inputs', isListOf(isInput)),
    outputs: field('outputs', isListOf(isString)),
    nodes: nodes.map((node) => ({ ...node, attributes: new Map(node.attributes) })),
    tensors: new Map(field('tensors', isListOf(isPairOf(isListOf(isCount))))),
    constants: new Map(field('constants', isListOf(isPairOf(isConstant)))),
  };
  const reading = { inputShape: field('inputShape', isListOf(isCount)), logits: field('logits', isString) };
  return { structure, reading };
}

type Is<T> = (value: unknown) => value is T;
type StoredNode = Omit<StructureNode, 'attributes'> & { readonly attributes: readonly [string, StructureAttribute][] };

const isString: Is<string> = (value) => typeof value === 'string';
const isNumber: Is<number> = (value): value is number => Number.isFinite(value);
const isCount: Is<number> = (value): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const isExtent: Is<number | null> = (value): value is number | null => value === null || isCount(value);

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function isListOf<T>(is: Is<T>): Is<T[]> {
  return (value): value is T[] => Array.isArray(value) && value.every(is);
}

function isPairOf<T>(is: Is<T>): Is<[string, T]> {
  return (value): value is [string, T] =>
    Array.isArray(value) && value.length === 2 && isString(value[0]) && is(value[1]);
}

const isAttribute: Is<StructureAttribute> = (value): value is StructureAttribute =>
  value === null || isString(value) || isNumber(value) || isListOf(isNumber)(value);

function isNode(value: unknown): value is StoredNode {
  if (!isObject(value)) return false;
  const { op, name, inputs, outputs, attributes } = value as Partial<StoredNode>;
  return (
    [op, name].every(isString) &&
    [inputs, outputs].every(isListOf(isString)) &&
    isListOf(isPairOf(isAttribute))(attributes)
  );
}

const isNodes: Is<StoredNode[]> = (value): value is StoredNode[] =>
  isListOf(isNode)(value) && value.length <= mostNodes;

function isInput(value: unknown): value is Structure['inputs'][number] {
  if (!isObject(value)) return false;
  const { name, shape } = value as Partial<Structure['inputs'][number]>;
  return isString(name) && (shape === null || isListOf(isExtent)(shape));
}

function isConstant(value: unknown): value is Constant {
  if (!isObject(value)) return false;
  const { shape, values } = value as Partial<Constant>;
  if (!isListOf(isCount)(shape) || !isListOf(isNumber)(values)) return false;
  return shape.length <= 1 && values.length === (shape[0] ?? 1) && values.length <= longestConstant;
}
