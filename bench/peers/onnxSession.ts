import type { InferenceSession, Tensor } from 'onnxruntime-common';
import type { Implementation, Mode } from '../implementation.js';

export type Description = Pick<Implementation, 'name' | 'version' | 'backend' | 'onAdapter' | 'threads'>;

/** What the two onnxruntimes have in common: both offer inference only. */
export class OnnxSession implements Implementation {
  readonly name: string;
  readonly version: string | undefined;
  readonly backend: string;
  readonly onAdapter: boolean | undefined;
  readonly threads: number;
  readonly modes = ['forward'] as const;

  constructor(
    { name, version, backend, onAdapter, threads }: Description,
    private readonly session: InferenceSession,
    private readonly inputs: readonly Tensor[],
  ) {
    this.name = name;
    this.version = version;
    this.backend = backend;
    this.onAdapter = onAdapter;
    this.threads = threads;
  }

  async run(_: Mode, index: number): Promise<undefined> {
    await this.session.run({ images: this.inputs[index] });
  }

  /** Runs of one session follow one another: this is as near as it comes. */
  async inFlight(mode: Mode, count: number): Promise<number> {
    const start = performance.now();
    for (let i = 0; i < count; i++) await this.run(mode, i % this.inputs.length);
    return (performance.now() - start) / count;
  }

  async logits(index: number): Promise<Float32Array> {
    const { logits } = await this.session.run({ images: this.inputs[index] });
    return logits.data as Float32Array;
  }

  async close(): Promise<void> {
    await this.session.release();
  }
}
