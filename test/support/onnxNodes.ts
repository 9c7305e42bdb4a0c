/** Models of one node, for tests of the import. */
import type { OnnxBuilder } from './onnxBuilder.js';

export type Make = (m: OnnxBuilder) => void;

/** A model of one node with one output. */
export function one(op: string, shape: readonly number[], attributes: Parameters<OnnxBuilder['node']>[3] = {}): Make {
  return (m) => m.output(m.node(op, [m.input('x', ...shape)], 'y', attributes));
}

export function conv(
  shape: readonly number[],
  weight: readonly number[],
  attributes: Parameters<OnnxBuilder['node']>[3],
  { op = 'Conv', bias = true } = {},
): Make {
  return (m) => {
    const outputs = op === 'Conv' ? weight[0] : weight[1] * Number(attributes?.group ?? 1);
    const inputs = [m.input('x', ...shape), m.weight('w', weight), ...(bias ? [m.weight('b', [outputs])] : [])];
    m.output(m.node(op, inputs, 'y', attributes));
  };
}

/** A fully connected layer of an input [2, 3] or [3, 2], with C of a shape. */
export function gemm(attributes: Parameters<OnnxBuilder['node']>[3], c?: readonly number[]): Make {
  return (m) => {
    const x = m.input('x', ...(attributes?.transA ? [3, 2] : [2, 3]));
    const w = m.weight('w', attributes?.transB ? [4, 3] : [3, 4]);
    m.output(m.node('Gemm', [x, w, ...(c ? [m.weight('c', c)] : [])], 'y', attributes));
  };
}
