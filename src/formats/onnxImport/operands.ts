/** What the nodes of a structure are given: values of our graph, tensors that can become parameters, numbers that are known. */
import { GraphError } from '../../errors.js';
import type { GraphBuilder, NodeOptions } from '../../graph/builder.js';
import type { Value } from '../../graph/graph.js';
import { elements, formatShape } from '../../ops/define.js';
import type { ParameterRole } from './parameters.js';
import type { Constant, StructureAttribute, StructureNode } from './structure.js';

export type Operand =
  | { readonly kind: 'value'; readonly value: Value }
  /** Of the file; a parameter as soon as something is computed with it. */
  | { readonly kind: 'tensor'; readonly name: string; readonly shape: readonly number[] }
  | { readonly kind: 'constant'; readonly constant: Constant }
  /** An output that is not computed; `reason` says whose it is. */
  | { readonly kind: 'missing'; readonly reason: string };

/** The graph that a node is added to, and what it needs to know of it. */
export interface Surroundings {
  readonly g: GraphBuilder;
  readonly opset: number;
  /** Whether two extents are the batch size that the file was written with, and the one that the graph is built for. */
  readonly batch: { readonly declared: number | null; readonly actual: number };
  /** The key of dropout, in training graphs. */
  readonly random: Value | undefined;
  /** Number of dropout layers so far. */
  streams: number;
  constantOf(tensor: string): Constant | undefined;
  parameter(tensor: string, shape: readonly number[], role: ParameterRole): Value;
}

/** One node on its way into a graph. */
export class NodeScope {
  private readonly seen = new Set<string>();

  constructor(
    readonly node: StructureNode,
    readonly into: Surroundings,
    private readonly operands: readonly (Operand | undefined)[],
  ) {}

  get g(): GraphBuilder {
    return this.into.g;
  }

  get opset(): number {
    return this.into.opset;
  }

  /** For the node itself; with a suffix for what stands before or behind it. */
  options(suffix?: string): NodeOptions {
    const { name } = this.node;
    return { name: suffix === undefined ? name : `${name}/${suffix}`, layer: name };
  }

  fail(what: string): GraphError {
    return new GraphError(`node '${this.node.name}' (${this.node.op}): ${what}`);
  }

  get inputs(): number {
    return this.operands.length;
  }

  has(index: number): boolean {
    return this.operands[index] !== undefined;
  }

  operand(index: number): Operand {
    const operand = this.operands[index];
    if (!operand) throw this.fail(`input ${index + 1} is missing`);
    if (operand.kind === 'missing') throw this.fail(`input ${index + 1} is ${operand.reason}, which is not computed`);
    return operand;
  }

  /** Shape of an input that is a value or a tensor. */
  shape(index: number): readonly number[] {
    const operand = this.operand(index);
    if (operand.kind === 'value') return operand.value.shape;
    return operand.kind === 'tensor' ? operand.shape : this.value(index).shape;
  }

  /** An input to compute with; a tensor becomes a parameter. */
  value(index: number, role: ParameterRole = 'weight'): Value {
    const operand = this.operand(index);
    if (operand.kind === 'value') return operand.value;
    if (operand.kind === 'tensor') return this.into.parameter(operand.name, operand.shape, role);
    throw this.fail(`input ${index + 1} holds integers, expected floats`);
  }

  /** An input with one number for each of `count` outputs, whatever extents of 1 it has beside. */
  vector(index: number, count: number, role: ParameterRole): Value {
    const value = this.value(index, role);
    const isVector = elements(value.shape) === count && value.shape.some((extent) => extent === count);
    if (!isVector) throw this.fail(`input ${index + 1} must have ${count} elements, got ${formatShape(value.shape)}`);
    return value.shape.length === 1 ? value : this.g.reshape(value, [count], this.options(`input${index + 1}`));
  }

  /** An input whose numbers are known, as a list. */
  constant(index: number): readonly number[] {
    const operand = this.operand(index);
    const constant = operand.kind === 'tensor' ? this.into.constantOf(operand.name) : undefined;
    if (operand.kind === 'constant') return operand.constant.values;
    if (constant) return constant.values;
    throw this.fail(`input ${index + 1} must be known before the network runs, it is computed or has too many numbers`);
  }

  /** Refuses attributes that nobody has asked for: they might change what is computed. */
  finish(): void {
    for (const name of this.node.attributes.keys()) {
      if (!this.seen.has(name)) throw this.fail(`attribute '${name}' is not known in opset ${this.opset}`);
    }
  }

  /** An attribute that changes nothing here. */
  ignore(...names: readonly string[]): void {
    for (const name of names) this.seen.add(name);
  }

  number(name: string, byDefault?: number): number {
    const value = this.attribute(name) ?? byDefault;
    if (typeof value === 'number') return value;
    throw this.fail(`attribute '${name}' must be a number, got ${shown(value)}`);
  }

  integer(name: string, byDefault?: number): number {
    const value = this.number(name, byDefault);
    if (!Number.isSafeInteger(value)) throw this.fail(`attribute '${name}' must be an integer, got ${value}`);
    return value;
  }

  /** An attribute that is 0 or 1. */
  flag(name: string): boolean {
    const value = this.integer(name, 0);
    if (value !== 0 && value !== 1) throw this.fail(`attribute '${name}' must be 0 or 1, got ${value}`);
    return value === 1;
  }

  word<T extends string>(name: string, allowed: readonly [T, ...T[]]): T {
    const value = this.attribute(name) ?? allowed[0];
    const found = allowed.find((candidate) => candidate === value);
    if (found !== undefined) return found;
    throw this.fail(`attribute '${name}' must be one of ${allowed.join(', ')}, got ${shown(value)}`);
  }

  integers(name: string): readonly number[] | undefined {
    const value = this.attribute(name);
    if (value === undefined) return undefined;
    if (Array.isArray(value) && value.every(Number.isSafeInteger)) return value;
    throw this.fail(`attribute '${name}' must be a list of integers, got ${shown(value)}`);
  }

  /** A list of as many integers as `byDefault` has. */
  fixedIntegers(name: string, byDefault: readonly number[]): readonly number[] {
    const value = this.integers(name) ?? byDefault;
    if (value.length === byDefault.length) return value;
    throw this.fail(`attribute '${name}' must have ${byDefault.length} integers, got ${formatShape(value)}`);
  }

  /** An axis of `rank`, counted from the end where it is negative. */
  axis(value: number, rank: number): number {
    const axis = value < 0 ? value + rank : value;
    if (axis >= 0 && axis < rank) return axis;
    throw this.fail(`axis ${value} is not one of ${rank} dimensions`);
  }

  private attribute(name: string): StructureAttribute | undefined {
    this.seen.add(name);
    return this.node.attributes.get(name);
  }
}

function shown(value: unknown): string {
  return value === undefined ? 'none' : value === null ? 'a graph or a tensor' : JSON.stringify(value);
}

export function computed(value: Value): Operand {
  return { kind: 'value', value };
}

/** Adds what a node computes to the graph: its outputs, or the first ones of them. */
export type Importer = (scope: NodeScope) => readonly Operand[];
