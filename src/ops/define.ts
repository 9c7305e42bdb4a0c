/**
 * What an op is: attributes, shape rule, gradient rule, cost and a plain float64 reference with an error bound.
 *
 * One file of this folder defines one op together with the ops that its gradient is made of (`conv2d.ts` defines `conv2d`,
 * `conv2dDataGradient`, `conv2dWeightGradient` and `conv2dBiasGradient`). Backends implement ops by name; nothing here
 * knows of any backend.
 */
import { GraphError } from '../errors.js';

export type DType = 'f32' | 'i32' | 'i16' | 'u8';

const elementBytes: Readonly<Record<DType, number>> = { f32: 4, i32: 4, i16: 2, u8: 1 };

/** Element type and static shape of a tensor; layout is row-major (NCHW for images, OIHW for kernels). */
export interface TensorType {
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/** A tensor of the float64 reference. Integers (labels, random keys) are held exactly. */
export interface Tensor64 extends TensorType {
  readonly data: Float64Array;
}

export type AttributeValue = number | boolean | string | readonly number[];
export type Attributes = { readonly [name: string]: AttributeValue };

/** Multiply-adds (without bias adds), all floating-point operations, and bytes read and written at least once, for the whole batch. */
export interface Cost {
  readonly macs: number;
  readonly flops: number;
  readonly bytes: number;
}

/**
 * Relative error of the elementary functions of a backend, in units of 2⁻²⁴ (half an ulp of float32).
 * 1 is a correctly rounded result.
 */
export interface Accuracy {
  readonly divide: number;
  readonly sqrt: number;
  readonly exp: number;
  readonly log: number;
  readonly pow: number;
  readonly tanh: number;
}

/** Every elementary function correctly rounded: the accuracy of the float64 reference itself. */
export const exactAccuracy: Accuracy = { divide: 1, sqrt: 1, exp: 1, log: 1, pow: 1, tanh: 1 };

/** What the reference returns for one output: values in float64 and, element by element, the largest error a float32 kernel may show. */
export interface Judged {
  readonly data: Float64Array;
  /**
   * Absolute error allowed per element; zero means that the result must be exact, and so does a bound that is not finite
   * (an infinity took part on the way to a finite value, as in x ÷ ∞).
   */
  readonly bound: Float64Array;
  /**
   * The algorithm judged spreads a NaN or an infinity over neighbouring elements, those whose bound is not finite: they may
   * hold anything, but nothing finite where `data` is not.
   */
  readonly spreads?: boolean;
}

/** A value of a graph as a gradient rule sees it. */
export interface Ref extends TensorType {
  readonly id: number;
}

/** What a gradient rule is given, and the one thing it can do: emit nodes of ordinary ops. */
export interface GradientScope<A extends Attributes> {
  readonly attributes: A;
  readonly inputs: readonly Ref[];
  readonly outputs: readonly Ref[];
  /** ∂loss/∂output, undefined where the loss does not depend on that output. */
  readonly outputGradients: readonly (Ref | undefined)[];
  /** Which inputs' gradients are asked for; a rule emits nothing for the others. */
  readonly wanted: readonly boolean[];
  emit<B extends Attributes>(op: Op<B>, inputs: readonly Ref[], attributes: Partial<B>): readonly Ref[];
}

export interface Op<A extends Attributes = Attributes> {
  readonly name: string;
  /** File name of the op in each room (`src/ops`, `assembly`, `kernels`, `src/verify/cases`). */
  readonly family: string;
  /** Fills in defaults and checks ranges; throws a GraphError that names the attribute. */
  attributes(given: Partial<A>): A;
  /** Output types; throws a GraphError that names the shapes and what was expected. */
  infer(attributes: A, inputs: readonly TensorType[]): readonly TensorType[];
  cost(attributes: A, inputs: readonly TensorType[], outputs: readonly TensorType[]): Cost;
  /** Plain float64 evaluation. `accuracy` enters the bound only. */
  reference(attributes: A, inputs: readonly Tensor64[], accuracy: Accuracy): readonly Judged[];
  /**
   * Bounds of the outputs for an algorithm that reaches them by another formula than the plain one, with rounding errors of its
   * own: it is not exact on integers, and it spreads what is not finite (see `Judged`). Undefined for any other algorithm.
   */
  bounds?(algorithm: string, attributes: A, inputs: readonly Tensor64[]): readonly Float64Array[] | undefined;
  /** Gradient with respect to each input (undefined where there is none or it is not wanted). Ops without it are not differentiable. */
  gradient?(scope: GradientScope<A>): readonly (Ref | undefined)[];
  /** Pairs [output, input]: the output may be written over the input. */
  readonly inPlace?: readonly (readonly [number, number])[];
  /** The output has the bytes of the input: no kernel runs (reshape). */
  readonly alias?: boolean;
}

/** Defines an op; exists to infer the attribute type and to keep definitions uniform. */
export function defineOp<A extends Attributes>(op: Op<A>): Op<A> {
  return op;
}

/** Half an ulp of float32: the relative error of one correctly rounded operation. */
export const unitRoundoff = 2 ** -24;

/**
 * The constant c of the bound c·2⁻²⁴·√(Σ sₖ² + Σ pₖ²) for a sum of products with partial sums sₖ and products pₖ. Each of
 * the roundings is at most 2⁻²⁴ of its result; taken as independent they add in quadrature (Higham, Accuracy and Stability
 * of Numerical Algorithms, §2.8), and c covers the spread over millions of elements and other orders of summation.
 */
export const sumConstant = 8;

export function elements(shape: readonly number[]): number {
  let product = 1;
  for (const extent of shape) product *= extent;
  return product;
}

export function bytesOf(type: TensorType): number {
  return elements(type.shape) * elementBytes[type.dtype];
}

/** Bytes of all inputs and outputs, each counted once. */
export function bytesTouched(inputs: readonly TensorType[], outputs: readonly TensorType[]): number {
  let bytes = 0;
  for (const type of inputs) bytes += bytesOf(type);
  for (const type of outputs) bytes += bytesOf(type);
  return bytes;
}

export function formatShape(shape: readonly number[]): string {
  return `[${shape.join(', ')}]`;
}

export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((extent, i) => extent === b[i]);
}

export function f32(...shape: number[]): TensorType {
  return { dtype: 'f32', shape };
}

/** Throws unless the number of inputs is in range. */
export function expectInputs(op: string, inputs: readonly TensorType[], least: number, most = least): void {
  if (inputs.length < least || inputs.length > most) {
    const expected = least === most ? `${least}` : `${least} to ${most}`;
    throw new GraphError(`${op}: expected ${expected} inputs, got ${inputs.length}`);
  }
}

/** Throws unless the input has the given element type and rank. */
export function expectRank(op: string, what: string, type: TensorType, rank: number, dtype: DType = 'f32'): void {
  if (type.dtype !== dtype || type.shape.length !== rank) {
    throw new GraphError(
      `${op}: ${what} must be a ${dtype} tensor of ${rank} dimensions, got ${type.dtype} ${formatShape(type.shape)}`,
    );
  }
}

export function expectShape(op: string, what: string, type: TensorType, shape: readonly number[]): void {
  if (type.dtype !== 'f32' || !sameShape(type.shape, shape)) {
    throw new GraphError(
      `${op}: ${what} must be f32 ${formatShape(shape)}, got ${type.dtype} ${formatShape(type.shape)}`,
    );
  }
}

/** An integer attribute within [least, most], or a GraphError. */
export function integerAttribute(op: string, name: string, value: number, least: number, most = 2 ** 31 - 1): number {
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new GraphError(`${op}: ${name} must be an integer from ${least} to ${most}, got ${value}`);
  }
  return value;
}

/** A finite number within [least, most], or a GraphError. */
export function numberAttribute(
  op: string,
  name: string,
  value: number,
  least = Number.NEGATIVE_INFINITY,
  most = Number.POSITIVE_INFINITY,
): number {
  if (!Number.isFinite(value) || value < least || value > most) {
    throw new GraphError(`${op}: ${name} must be a finite number from ${least} to ${most}, got ${value}`);
  }
  return value;
}

/** One of a few words, or a GraphError. */
export function wordAttribute<T extends string>(op: string, name: string, value: T, allowed: readonly T[]): T {
  if (!allowed.includes(value)) {
    throw new GraphError(`${op}: ${name} must be one of ${allowed.join(', ')}, got ${value}`);
  }
  return value;
}

/** A pair [vertical, horizontal]; a single number stands for both. */
export function pairAttribute(
  op: string,
  name: string,
  value: number | readonly number[],
  least: number,
): readonly [number, number] {
  const pair = typeof value === 'number' ? [value, value] : value;
  if (pair.length !== 2)
    throw new GraphError(`${op}: ${name} must be a number or [vertical, horizontal], got [${pair.join(', ')}]`);
  return [integerAttribute(op, name, pair[0], least), integerAttribute(op, name, pair[1], least)];
}

/** Padding [top, left, bottom, right]; a single number stands for all four, a pair for [vertical, horizontal]. */
export function paddingAttribute(
  op: string,
  value: number | readonly number[],
): readonly [number, number, number, number] {
  const all =
    typeof value === 'number' ? [value, value, value, value] : value.length === 2 ? [...value, ...value] : value;
  if (all.length !== 4) {
    throw new GraphError(
      `${op}: padding must be a number, [vertical, horizontal] or [top, left, bottom, right], got [${all.join(', ')}]`,
    );
  }
  for (const side of all) integerAttribute(op, 'padding', side, 0);
  return [all[0], all[1], all[2], all[3]];
}
