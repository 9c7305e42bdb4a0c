/** How one op is written in ONNX's words. */
import type { Node } from '../../graph/graph.js';
import type { Attributes, Op, TensorType } from '../../ops/define.js';
import { onnxAttributeType } from '../onnxSchema.js';

/** An AttributeProto without its name. */
export type OnnxAttributes = Readonly<Record<string, object>>;

/** What a rule is given: a node of the graph, and means to add the ONNX nodes that compute its outputs. */
export interface RuleScope {
  readonly node: Node;
  readonly inputTypes: readonly TensorType[];
  /** Names of the node's inputs and outputs in the ONNX graph. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Adds an ONNX node of one output, called `into` or by a new name, and returns that name. */
  emit(opType: string, inputs: readonly string[], attributes?: OnnxAttributes, into?: string): string;
  /** A new name of a value, 'NODE/what'. */
  name(what: string): string;
  /** Adds an ONNX node of several outputs. */
  emitAll(opType: string, inputs: readonly string[], attributes: OnnxAttributes, outputs: readonly string[]): void;
  /** Adds a float32 constant and returns its name. */
  floats(what: string, shape: readonly number[], values: readonly number[]): string;
  /** Adds an int64 constant, of one dimension unless a shape is given, and returns its name. */
  integers(what: string, values: readonly number[], shape?: readonly number[]): string;
}

/** Writes a node, or throws a GraphError that says why it has no counterpart. */
export type Rule = (scope: RuleScope) => void;

/** A rule of an op, which is given the node's attributes with their type. */
export function on<A extends Attributes>(op: Op<A>, rule: (scope: RuleScope, attributes: A) => void): [string, Rule] {
  return [op.name, (scope) => rule(scope, scope.node.attributes as A)];
}

export const int = (value: number) => ({ i: value, type: onnxAttributeType.int });
export const float = (value: number) => ({ f: value, type: onnxAttributeType.float });
export const ints = (value: number | readonly number[]) => ({ ints: [value].flat(), type: onnxAttributeType.ints });
