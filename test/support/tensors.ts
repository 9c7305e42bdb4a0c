import {
  type Attributes,
  type DType,
  elements,
  exactAccuracy,
  type Judged,
  type Op,
  type Tensor64,
  type TensorType,
} from '../../src/ops/define.js';

export function tensor(shape: readonly number[], data: Iterable<number>, dtype: DType = 'f32'): Tensor64 {
  return { dtype, shape, data: Float64Array.from(data) };
}

export function type(dtype: DType, ...shape: number[]): TensorType {
  return { dtype, shape };
}

/** Numbers in [0, 1), the same for the same seed (mulberry32). */
export function uniform(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let word = Math.imul(state ^ (state >>> 15), 1 | state);
    word = (word + Math.imul(word ^ (word >>> 7), 61 | word)) ^ word;
    return ((word ^ (word >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Float32 numbers between −1 and 1, or of magnitude from `least` to `most` with either sign. */
export function random(shape: readonly number[], seed: number, least = 0, most = 1): Tensor64 {
  const next = uniform(seed);
  const draw = (): number => Math.fround((next() < 0.5 ? -1 : 1) * (least + (most - least) * next()));
  return tensor(shape, Array.from({ length: elements(shape) }, draw));
}

/** Evaluates an op as a graph would: attributes, shape rule, reference. */
export function evaluate<A extends Attributes>(
  op: Op<A>,
  inputs: readonly Tensor64[],
  given: Partial<A>,
): (Tensor64 & Judged)[] {
  const attributes = op.attributes(given);
  const types = op.infer(attributes, inputs);
  return op.reference(attributes, inputs, exactAccuracy).map((judged, i) => ({ ...types[i], ...judged }));
}

/** The values of an op's only output. */
export function values<A extends Attributes>(op: Op<A>, inputs: readonly Tensor64[], given: Partial<A> = {}): number[] {
  return [...evaluate(op, inputs, given)[0].data];
}
