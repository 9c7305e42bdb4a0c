/** Weights as others keep them, made index by index, by the words of the layouts and by none of the code that reads them. */
import { parseSafetensors, safetensorsChunks } from '../../src/formats/safetensors.js';
import type { TensorFile } from '../../src/formats/tensorFile.js';
import { inferenceGraph, type Model } from '../../src/index.js';
import { elements } from '../../src/ops/define.js';

export interface Tensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** All parameters of a model, no two numbers alike; the first is a NaN with bits of its own. */
export function ownWeights(model: Model): readonly Tensor[] {
  let next = 0;
  const tensors = inferenceGraph(model, 1).values.flatMap(({ kind, name, shape }): readonly Tensor[] => {
    if (kind !== 'variable') return [];
    return [
      { name, shape, data: Float32Array.from({ length: elements(shape) }, () => Math.fround(1 + next++ * 2 ** -20)) },
    ];
  });
  new Uint32Array(tensors[0].data.buffer)[0] = 0x7fa12345;
  return tensors;
}

/** Calls `visit` with each index of a shape, the last axis fastest. */
export function eachIndex(shape: readonly number[], visit: (index: readonly number[], at: number) => void): void {
  for (let at = 0; at < elements(shape); at++) {
    const index: number[] = [];
    let rest = at;
    for (const extent of [...shape].reverse()) {
      index.unshift(rest % extent);
      rest = Math.floor(rest / extent);
    }
    visit(index, at);
  }
}

/** A tensor whose element at an index is that of `from` at `place(index)`. */
export function gathered(
  name: string,
  shape: readonly number[],
  from: Tensor,
  place: (index: readonly number[]) => number,
): Tensor {
  const bits = new Uint32Array(elements(shape));
  const source = new Uint32Array(from.data.buffer, from.data.byteOffset, from.data.length);
  eachIndex(shape, (index, at) => {
    bits[at] = source[place(index)];
  });
  return { name, shape, data: new Float32Array(bits.buffer) };
}

/** The place of an index in a row-major tensor. */
export function place(shape: readonly number[], index: readonly number[]): number {
  return index.reduce((at, i, axis) => at * shape[axis] + i, 0);
}

/** As an open file in memory. */
export async function fileOf(
  tensors: readonly Tensor[],
  metadata: Readonly<Record<string, string>> = {},
): Promise<TensorFile> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  for await (const chunk of safetensorsChunks(tensors, metadata)) chunks.push(chunk.slice());
  return parseSafetensors(new Uint8Array(await new Blob(chunks).arrayBuffer()), 'some.weights');
}

/** Whether two arrays have the same bits, NaNs included. */
export function sameBits(one: Float32Array, other: Float32Array): boolean {
  const [a, b] = [one, other].map((values) => new Uint32Array(values.buffer, values.byteOffset, values.length));
  return a.length === b.length && a.every((word, i) => word === b[i]);
}
