/** Exported graphs, as onnxruntime runs them and as they lie in the file. */
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { graphToOnnx, type OnnxOptions } from '../../src/formats/onnx.js';
import { onnxSchema } from '../../src/formats/onnxSchema.js';
import type { Graph } from '../../src/graph/graph.js';
import { elements } from '../../src/ops/define.js';
import { uniform } from '../golden.js';

/** Reproducible numbers for all variables of a graph, within `limit`, larger for larger fan-in by He's rule. */
export function weightsOf(graph: Graph): Map<string, Float32Array> {
  const weights = new Map<string, Float32Array>();
  for (const { name, kind, shape } of graph.values) {
    if (kind !== 'variable') continue;
    // A weight of local kernels has six dimensions, its sums run over the last three.
    const fanIn = elements(shape.slice(shape.length === 6 ? 3 : 1));
    const limit = name.endsWith('bias') || shape.length === 1 ? 0.1 : Math.sqrt(6 / fanIn);
    weights.set(name, uniform(elements(shape), weights.size, limit));
  }
  return weights;
}

export function weightIn(weights: ReadonlyMap<string, Float32Array>): (name: string) => Float32Array {
  return (name) => weights.get(name) ?? new Float32Array(0);
}

export interface Feed {
  readonly data: Float32Array;
  readonly shape: readonly number[];
}

export async function runOnnx(bytes: Uint8Array, feeds: Readonly<Record<string, Feed>>) {
  const session = await InferenceSession.create(bytes, { intraOpNumThreads: 1, interOpNumThreads: 1 });
  const tensors = Object.entries(feeds).map(
    ([name, { data, shape }]) => [name, new Tensor('float32', data, shape)] as const,
  );
  const results = await session.run(Object.fromEntries(tensors));
  await session.release();
  return { results, inputNames: session.inputNames, outputNames: session.outputNames };
}

export async function exportAndRun(
  graph: Graph,
  weights: ReadonlyMap<string, Float32Array>,
  feeds: Readonly<Record<string, Feed>>,
  options?: OnnxOptions,
) {
  return (await runOnnx(await graphToOnnx(graph, weightIn(weights), options), feeds)).results;
}

export interface StoredModel {
  readonly opTypes: readonly string[];
  readonly nodeNames: readonly string[];
  readonly initializers: ReadonlyMap<string, { readonly dims: readonly number[]; readonly bytes: Uint8Array }>;
}

export async function decodeOnnx(file: Uint8Array): Promise<StoredModel> {
  const schema = await onnxSchema();
  const type = schema.lookupType('ModelProto');
  const { graph } = type.toObject(type.decode(file), { longs: Number }) as {
    graph: {
      node: { opType: string; name: string }[];
      initializer?: { name: string; dims?: number[]; rawData: Uint8Array }[];
    };
  };
  return {
    opTypes: graph.node.map(({ opType }) => opType),
    nodeNames: graph.node.map(({ name }) => name),
    initializers: new Map(
      (graph.initializer ?? []).map(({ name, dims = [], rawData }) => [name, { dims, bytes: rawData }]),
    ),
  };
}
