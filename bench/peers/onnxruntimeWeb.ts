/**
 * onnxruntime's WebAssembly kernels, in a process of their own: the package keeps to the number of threads that its first
 * session had, and its memory is not to be taken for ours.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { type Implementation, MissingPeer, type Mode, type PeerSetting } from '../implementation.js';
import type { Reply, Request } from './onnxruntimeWebChild.js';

export async function openOnnxruntimeWeb(setting: PeerSetting): Promise<Implementation> {
  const { batch, threads, workload, files, model } = setting;
  const paths = { onnx: await files.onnx(batch), images: await files.images(workload) };
  const child = fork(new URL('./onnxruntimeWebChild.js', import.meta.url), {
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  try {
    const request = { kind: 'open', paths, imagesShape: [batch, ...model.inputShape], threads } as const;
    const { version, threads: used } = (await ask<{ opened: { version?: string; threads: number } }>(child, request))
      .opened;
    return new OnnxruntimeWeb(child, version, used);
  } catch (error) {
    child.kill();
    throw error;
  }
}

class OnnxruntimeWeb implements Implementation {
  readonly name = 'onnxruntime-web';
  readonly backend = 'wasm';
  readonly modes = ['forward'] as const;

  constructor(
    private readonly child: ChildProcess,
    readonly version: string | undefined,
    readonly threads: number,
  ) {}

  async run(_: Mode, index: number): Promise<number> {
    return (await ask<{ ms: number }>(this.child, { kind: 'run', index })).ms;
  }

  async logits(index: number): Promise<Float32Array> {
    return (await ask<{ logits: Float32Array }>(this.child, { kind: 'logits', index })).logits;
  }

  async peakRss(): Promise<number> {
    return (await ask<{ peakRss: number }>(this.child, { kind: 'memory' })).peakRss;
  }

  async close(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.child.once('close', resolve));
    this.child.kill();
    await ended;
  }
}

/** One question at a time. */
function ask<R extends Reply>(child: ChildProcess, request: Request): Promise<R> {
  return new Promise((resolve, reject) => {
    const ended = () => reject(new Error('onnxruntime-web: the process has ended'));
    child.once('close', ended);
    child.once('message', (reply: Reply) => {
      child.off('close', ended);
      if ('error' in reply) reject(new (reply.missing ? MissingPeer : Error)(reply.error));
      else resolve(reply as R);
    });
    child.send(request);
  });
}
