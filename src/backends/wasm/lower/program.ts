/** What lowering makes of a graph: kernel steps over buffers, before any address is known. */
import type { Node } from '../../../graph/graph.js';
import { type DType, elements } from '../../../ops/define.js';

/** A piece of linear memory that steps read and write. */
export interface Buffer {
  readonly name: string;
  readonly bytes: number;
  /** 'arena': lives within a run. 'variable': the storage of a variable. 'packed': made from variables, kept between runs. */
  readonly home: 'arena' | 'variable' | 'packed';
  /** For 'variable' and 'packed': value id of the variable. */
  readonly variable?: number;
}

/** An argument word: the address of a buffer (plus bytes), a float, or an integer. */
export type Word = { readonly buffer: number; readonly offset?: number } | { readonly float: number } | number;

export interface Step {
  readonly kernel: string;
  readonly words: readonly Word[];
  readonly node: Node;
  readonly algorithm: string;
  /** The step that does the node's arithmetic; the others pack for it. */
  readonly main: boolean;
}

export interface Lowered {
  readonly buffers: readonly Buffer[];
  readonly steps: readonly Step[];
  /** Steps that fill the packed buffers; run again only when a variable has changed. */
  readonly preparation: readonly Step[];
  /** Buffer of each value that a step touches or a caller gives or reads. */
  readonly bufferOf: ReadonlyMap<number, number>;
}

/** Bytes that a kernel may read past the end of a tensor, rounded up: every buffer has them. */
export const slack = 64;

/** What the lowering of one node can do. Values are given by their position among the node's inputs or outputs. */
export interface LowerContext {
  readonly node: Node;
  /** Threads only size scratch; they never decide an algorithm or an order of summation. */
  readonly threads: number;
  shape(value: number): readonly number[];
  dtype(value: number): DType;
  input(index: number): Word;
  output(index: number): Word;
  /** The bias or 0 when the node has none. */
  optionalInput(index: number): Word;
  /** Memory for this node alone: [address, bytes per thread] as argument words. */
  scratch(bytesPerThread: number): readonly [Word, number];
  /** An intermediate that lives from one step of this node to a later one. */
  temporary(name: string, bytes: number): Word;
  /**
   * A form of input `index` that kernels read instead of it. Of a variable that this graph does not change it is kept
   * between runs and shared under `key`; otherwise it is made anew in each run.
   */
  packed(
    index: number,
    key: string,
    bytes: number,
    kernel: string,
    words: (from: Word, to: Word) => readonly Word[],
  ): Word;
  /** The step that does the arithmetic of the node. */
  step(kernel: string, words: readonly Word[]): void;
  /** A step that prepares for it. */
  preparation(kernel: string, words: readonly Word[]): void;
}

export type LowerRule = (context: LowerContext) => void;

export function float(value: number): Word {
  return { float: value };
}

/** A float64 as two words, the low one first. */
export function double(value: number): readonly number[] {
  return [...new Uint32Array(Float64Array.of(value).buffer)];
}

/** Number of elements of an input. */
export function countOf(context: LowerContext, index: number): number {
  return elements(context.shape(context.node.inputs[index]));
}
