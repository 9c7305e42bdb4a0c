/** Imported models beside onnxruntime. */
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { openOnnxProgram } from '../../src/formats/onnxImport/import.js';
import { type Engine, openEngine } from '../../src/index.js';
import { elements } from '../../src/ops/define.js';
import { maxRelative } from '../golden.js';
import type { OnnxBuilder } from './onnxBuilder.js';
import { random } from './tensors.js';

type Outputs = Readonly<Record<string, { readonly dims: readonly number[]; readonly data: Float32Array }>>;

export interface Feed {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

export async function runOnnxruntime(bytes: Uint8Array, feeds: Readonly<Record<string, Feed>>): Promise<Outputs> {
  const session = await InferenceSession.create(bytes, {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
  });
  const inputs = Object.entries(feeds).map(([name, { data, shape }]) => [name, new Tensor('float32', data, shape)]);
  const results = await session.run(Object.fromEntries(inputs));
  await session.release();
  return results as unknown as Outputs;
}

export async function runImported(
  engine: Engine,
  bytes: Uint8Array<ArrayBuffer>,
  feeds: Readonly<Record<string, Feed>>,
): Promise<Outputs> {
  const onnx = await openOnnxProgram(new Blob([bytes]));
  try {
    const { graph, weights } = onnx.graph(new Map(Object.entries(feeds).map(([name, { shape }]) => [name, shape])));
    await using program = await engine.compile(graph, { weights });
    const inputs = Object.fromEntries(Object.entries(feeds).map(([name, { data }]) => [name, data]));
    const { outputs } = await program.run(inputs);
    return Object.fromEntries(
      [...graph.outputs].map(([name, id]) => [name, { dims: graph.values[id].shape, data: outputs[name] }]),
    );
  } finally {
    await onnx.close();
  }
}

/** Random numbers for all inputs of a model; 2 stands for an extent that is open. */
export function feedsFor(model: OnnxBuilder, limit = 2): Record<string, Feed> {
  const entries = [...model.inputs].map(([name, extents], i): [string, Feed] => {
    const shape = extents.map((extent) => (typeof extent === 'number' ? extent : 2));
    return [name, { shape, data: Float32Array.from(random(shape, 77 + i, 0, limit).data) }];
  });
  return Object.fromEntries(entries);
}

export interface Compared {
  /** What is wrong with the worst output, if anything is. */
  readonly wrong: string | undefined;
  readonly outputs: Outputs;
}

/** Runs a model here on each engine, and there; shapes must be the same, values within 1e-5 of the largest. */
export async function compare(engines: readonly Engine[], model: OnnxBuilder, limit?: number): Promise<Compared> {
  const bytes = await model.bytes();
  const feeds = feedsFor(model, limit);
  const theirs = await runOnnxruntime(bytes, feeds);
  for (const engine of engines) {
    const ours = await runImported(engine, bytes, feeds);
    for (const [name, { dims, data }] of Object.entries(theirs)) {
      const got = ours[name];
      if (got?.dims.join() !== dims.join()) return { wrong: `${name} is [${got?.dims}], not [${dims}]`, outputs: ours };
      const worst = elements(dims) === 0 ? 0 : maxRelative(got.data, Float64Array.from(data));
      if (!(worst <= 1e-5)) return { wrong: `${name} is off by ${worst} (${engine.info.name})`, outputs: ours };
    }
  }
  return { wrong: undefined, outputs: theirs };
}

/** The backend that is fast and the one that judges. */
export async function bothEngines(t: { teardown(done: () => Promise<void>): void }): Promise<readonly Engine[]> {
  const engines = [await openEngine({ backend: 'wasm', threads: 1 }), await openEngine({ backend: 'reference' })];
  t.teardown(async () => {
    for (const engine of engines) await engine.close();
  });
  return engines;
}
