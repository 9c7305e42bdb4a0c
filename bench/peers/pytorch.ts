/** PyTorch on the CPU or through CUDA, in a Python process of its own that times its own calls (see pytorch.py). */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { type Implementation, MissingPeer, type Mode, modes, type PeerSetting } from '../implementation.js';
import { describeGraph } from './graph.js';

const pythons = ['python3', '/usr/bin/python3'];

export function openPytorch(setting: PeerSetting): Promise<Implementation> {
  return open(setting, 'cpu');
}

/** On an NVIDIA GPU, in float32 throughout: TF32 is off. */
export function openPytorchCuda(setting: PeerSetting): Promise<Implementation> {
  return open(setting, 'cuda');
}

type Device = 'cpu' | 'cuda';

async function open({ model, batch, threads, workload, files }: PeerSetting, device: Device): Promise<Implementation> {
  const { optimizer } = model.recipe;
  if (optimizer.kind === 'adam')
    throw new MissingPeer(`pytorch: ${model.name} is trained by Adam, which is not measured`);
  const { child, version, cuda, ops } = await Python.start(threads);
  try {
    if (device === 'cuda' && !cuda) throw new MissingPeer('pytorch: its torch finds no CUDA device');
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
      device,
    });
    return new Pytorch(child, version, loaded.threads, device);
  } catch (error) {
    await child.close();
    throw error;
  }
}

class Pytorch implements Implementation {
  readonly name = 'pytorch';
  readonly modes = modes;
  readonly onAdapter: boolean;

  constructor(
    private readonly child: Python,
    readonly version: string,
    readonly threads: number,
    readonly backend: Device,
  ) {
    this.onAdapter = backend === 'cuda';
  }

  async deviceMs(mode: Mode): Promise<number> {
    return (await this.child.ask<{ ms: number }>({ command: 'device', mode })).ms;
  }

  async inFlight(mode: Mode, count: number): Promise<number> {
    return (await this.child.ask<{ ms: number }>({ command: 'flight', mode, count })).ms;
  }

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

interface Greeting {
  readonly version: string;
  /** Whether torch has a CUDA device. */
  readonly cuda: boolean;
  readonly ops: readonly string[];
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
  static async start(threads: number): Promise<{ child: Python } & Greeting> {
    const count = String(threads);
    const env = { ...process.env, OMP_NUM_THREADS: count, OPENBLAS_NUM_THREADS: count, MKL_NUM_THREADS: count };
    for (const python of pythons) {
      const child = new Python(spawn(python, [scriptPath()], { env, stdio: ['pipe', 'pipe', 'pipe'] }));
      try {
        return { child, ...(await child.answer<Greeting>()) };
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
