/**
 * What a verification case is: an op with attributes, the types of its inputs and the kind of numbers they hold. The numbers
 * themselves are drawn from the case's name, so that every backend, run and machine sees the same ones.
 */
import { type Attributes, type DType, elements, type Op, type TensorType } from '../ops/define.js';

/**
 * What the floating-point inputs of a case hold, and its incoming gradients:
 * - 'normal': N(0, 1), drawn in float64 and rounded to float32
 * - 'integers': ±1 to ±4, never 0, so that a sum of up to 2²⁰ products is exact in float32 and the error must be 0; one
 *   product lost or counted twice shows (an algorithm with bounds of its own keeps to those)
 * - 'large': 1 to 10 in magnitude, either sign: with a ≈ 0.1 both terms of LRN's gradient count
 * - 'ties': −1, 0 or 1, so that a pooling window has several maxima
 * - 'nonFinite': normal, with a NaN, a +∞ and a −∞ planted in each tensor that is not a variable
 */
export type DataKind = 'normal' | 'integers' | 'large' | 'ties' | 'nonFinite';

/** What one input of a case holds. */
export type Fill =
  /** Numbers of the case's kind, times `scale`, plus `offset`. */
  | { readonly kind: 'data'; readonly scale: number; readonly offset: number }
  /** Class indices from 0 to classes − 1. */
  | { readonly kind: 'labels'; readonly classes: number }
  /** Integers from −32767 to 32767, or those of the case's kind. */
  | { readonly kind: 'int16' }
  /** Bytes of an image, 0 to 255. */
  | { readonly kind: 'pixels' }
  /** Positive numbers whose rows, along the last dimension, add up to 1 (but for the rounding to float32). */
  | { readonly kind: 'probabilities' }
  /** Four random words: seed and step. */
  | { readonly kind: 'key' }
  | { readonly kind: 'constant'; readonly value: number };

export interface CaseInput extends TensorType {
  readonly fill: Fill;
  /** Given to the backend as a variable, as a network gives its parameters; else as an input of the run. */
  readonly variable: boolean;
}

export interface Case {
  readonly op: Op;
  /** Unique among the cases of the op; says shapes, attributes and kind of data. */
  readonly name: string;
  readonly attributes: Attributes;
  readonly inputs: readonly CaseInput[];
  readonly data: DataKind;
  /** Small enough for `verify --quick`. */
  readonly quick: boolean;
}

/** Largest multiply-adds and largest number of elements of a tensor in a quick case. */
const quickMacs = 1e6;
const quickElements = 8e5;

/** An input that holds the case's data. */
export function tensor(...shape: number[]): CaseInput {
  return { dtype: 'f32', shape, fill: { kind: 'data', scale: 1, offset: 0 }, variable: false };
}

/** A parameter, kept by the backend between runs. */
export function variable(...shape: number[]): CaseInput {
  return { ...tensor(...shape), variable: true };
}

/** A quantised parameter. */
export function int16Variable(...shape: number[]): CaseInput {
  return { dtype: 'i16', shape, fill: { kind: 'int16' }, variable: true };
}

/** The same input with its data multiplied and shifted. */
export function scaled(scale: number, input: CaseInput, offset = 0): CaseInput {
  return { ...input, fill: { kind: 'data', scale, offset } };
}

export function labels(count: number, classes: number): CaseInput {
  return { dtype: 'i32', shape: [count], fill: { kind: 'labels', classes }, variable: false };
}

/** Images as they are stored. */
export function pixels(...shape: number[]): CaseInput {
  return { dtype: 'u8', shape, fill: { kind: 'pixels' }, variable: false };
}

export function probabilities(...shape: number[]): CaseInput {
  return { dtype: 'f32', shape, fill: { kind: 'probabilities' }, variable: false };
}

export function key(): CaseInput {
  return { dtype: 'i32', shape: [4], fill: { kind: 'key' }, variable: false };
}

export function constant(value: number): CaseInput {
  return { dtype: 'f32', shape: [1], fill: { kind: 'constant', value }, variable: false };
}

/**
 * A case; its name is the label, if there is one, and what tells the case from others: shapes, the attributes given, the kind of data.
 *
 * @throws GraphError when the op rejects attributes or shapes
 */
export function makeCase<A extends Attributes>(
  op: Op<A>,
  inputs: readonly CaseInput[],
  given: Partial<A> = {},
  options: { readonly data?: DataKind; readonly label?: string } = {},
): Case {
  const data = options.data ?? 'normal';
  const attributes = op.attributes(given);
  const outputs = op.infer(attributes, inputs);
  const largest = Math.max(...[...inputs, ...outputs].map((type) => elements(type.shape)));
  return {
    op: op as unknown as Op,
    name: caseName(inputs, given, data, options.label),
    attributes,
    inputs,
    data,
    quick: largest <= quickElements && op.cost(attributes, inputs, outputs).macs <= quickMacs,
  };
}

function caseName(inputs: readonly CaseInput[], given: object, data: DataKind, label: string | undefined): string {
  const shapes = inputs
    .filter((input) => input.fill.kind !== 'key' && input.fill.kind !== 'constant')
    .map(describeInput);
  const attributes = Object.entries(given).map(([name, value]) => `${name}=${String(value)}`);
  const kind = data === 'normal' ? [] : [`(${data})`];
  return [...(label ? [`${label}:`] : []), shapes.join(' '), ...attributes, ...kind].join(' ');
}

function describeInput({ shape, fill }: CaseInput): string {
  const scale = fill.kind === 'data' && fill.scale !== 1 ? `·${fill.scale}` : '';
  const offset =
    fill.kind === 'data' && fill.offset !== 0 ? `${fill.offset < 0 ? '−' : '+'}${Math.abs(fill.offset)}` : '';
  return `${shape.join('×')}${scale}${offset}`;
}

/** Each case on normal data and on integers: for ops that are sums of products, where integers must come out exact. */
export function withIntegers(cases: readonly Case[]): readonly Case[] {
  return cases.flatMap((one) => [one, { ...one, name: `${one.name} (integers)`, data: 'integers' as const }]);
}

/** What makes two cases the same one but for their data: op, types of inputs, attributes. */
export function caseKey(one: Case): string {
  return JSON.stringify([one.op.name, one.inputs.map(({ dtype, shape }) => [dtype, shape]), one.attributes]);
}

export type CaseArray = Float32Array | Int32Array | Int16Array | Uint8Array;

/** An array for a tensor of this element type. */
export function emptyArray(dtype: DType, length: number): CaseArray {
  if (dtype === 'i16') return new Int16Array(length);
  if (dtype === 'u8') return new Uint8Array(length);
  return dtype === 'f32' ? new Float32Array(length) : new Int32Array(length);
}
