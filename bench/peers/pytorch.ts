/** PyTorch on the CPU, in a Python process of its own that times its own calls (see pytorch.py). */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { lossGraph } from '../../src/engine/graphs.js';
import type { Graph } from '../../src/graph/graph.js';
import type { Model } from '../../src/models/model.js';
import { type Implementation, MissingPeer, type Mode, modes, type PeerSetting } from '../implementation.js';

const pythons = ['python3', '/usr/bin/python3'];

export async function openPytorch({ model, batch, threads, workload, files }: PeerSetting): Promise<Implementation> {
  const { optimizer } = model.recipe;
  if (optimizer.kind === 'adam')
    throw new MissingPeer(`pytorch: ${model.name} is trained by Adam, which is not measured`);
  const { child, version, ops } = await Python.start(threads);
  try {
    const graph = describeGraph(model, batch);
    const unknown = graph.nodes.find(({ op }) => !ops.includes(op));
    if (unknown) throw new MissingPeer(`pytorch: our script for it has no op ${unknown.op}, which ${model.name} needs`);
    const paths = await files.images(workload);
    const loaded = await child.ask<{ threads: number }>({
      command: 'load',
      graph,
      weights: await files.safetensors(),
      inputs: workload.inputs.map(({ labels }, i) => ({ images: paths[i], labels: [...labels] })),
      optimizer: { momentum: 0, weightDecay: 0, ...optimizer },
      threads,
    });
    return new Pytorch(child, version, loaded.threads);
  } catch (error) {
    await child.close();
    throw error;
  }
}

class Pytorch implements Implementation {
  readonly name = 'pytorch';
  readonly backend = 'cpu';
  readonly modes = modes;

  constructor(
    private readonly child: Python,
    readonly version: string,
    readonly threads: number,
  ) {}

  async run(mode: Mode, index: number): Promise<number> {
    return (await this.child.ask<{ ms: number }>({ command: 'run', mode, input: index })).ms;
  }

  async logits(index: number): Promise<Float32Array> {
    return Float32Array.from((await this.child.ask<{ logits: number[] }>({ command: 'logits', input: index })).logits);
  }

  async peakRss(): Promise<number> {
    return (await this.child.ask<{ peakRssBytes: number }>({ command: 'memory' })).peakRssBytes;
  }

  close(): Promise<void> {
    return this.child.close();
  }
}

/** A Python process that answers each line of JSON with one. */
class Python {
  private readonly lines: AsyncIterator<string>;
  private readonly ended: Promise<unknown>;
  private complaint = '';

  private constructor(private readonly process: ChildProcessByStdio<Writable, Readable, Readable>) {
    this.lines = createInterface({ input: process.stdout })[Symbol.asyncIterator]();
    this.ended = new Promise((resolve) => process.once('close', resolve));
    // A process that could not be started or has died shows in the answer that does not come.
    process.once('error', (error) => (this.complaint = error.message));
    process.stdin.on('error', () => {});
    process.stderr.setEncoding('utf8').on('data', (text: string) => (this.complaint += text));
  }

  /** The first Python that has torch. */
  static async start(threads: number): Promise<{ child: Python; version: string; ops: string[] }> {
    const count = String(threads);
    const env = { ...process.env, OMP_NUM_THREADS: count, OPENBLAS_NUM_THREADS: count, MKL_NUM_THREADS: count };
    for (const python of pythons) {
      const child = new Python(spawn(python, [scriptPath()], { env, stdio: ['pipe', 'pipe', 'pipe'] }));
      try {
        return { child, ...(await child.answer<{ version: string; ops: string[] }>()) };
      } catch {
        await child.close();
      }
    }
    throw new MissingPeer(`pytorch: none of ${pythons.join(', ')} can import torch`);
  }

  ask<T>(request: object): Promise<T> {
    this.process.stdin.write(`${JSON.stringify(request)}\n`);
    return this.answer<T>();
  }

  async close(): Promise<void> {
    this.process.stdin.end();
    await this.ended;
  }

  private async answer<T>(): Promise<T> {
    const { value, done } = await this.lines.next();
    const reply: { error?: string } = done ? { error: this.complaint.trim().split('\n').at(-1) } : JSON.parse(value);
    if (done || reply.error !== undefined) throw new Error(`pytorch: ${reply.error ?? 'the process has ended'}`);
    return reply as T;
  }
}

/** The script is not compiled: from `dist/bench/peers` it is found in the folder that the source of this file is in. */
function scriptPath(): string {
  const candidates = ['./pytorch.py', '../../../bench/peers/pytorch.py'];
  const paths = candidates.map((candidate) => fileURLToPath(new URL(candidate, import.meta.url)));
  return paths.find((path) => existsSync(path)) ?? paths[0];
}

/** The graph with dropout and loss, before any of our rewrites, as plain data. */
function describeGraph(model: Model, batch: number) {
  const graph: Graph = lossGraph(model, batch);
  const images = graph.inputs.get('images') as number;
  return {
    images,
    imagesShape: graph.values[images].shape,
    labels: graph.inputs.get('labels'),
    logits: graph.outputs.get('logits'),
    loss: graph.outputs.get('loss'),
    variables: graph.values
      .filter(({ kind }) => kind === 'variable')
      .map(({ id, name, variable }) => ({ id, name, decayMultiplier: variable?.decayMultiplier ?? 1 })),
    nodes: graph.nodes.map(({ op, attributes, inputs, outputs }) => ({
      op: op.name,
      attributes,
      inputs,
      output: outputs[0],
    })),
  };
}
