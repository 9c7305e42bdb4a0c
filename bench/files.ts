import { existsSync, rmSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inferenceGraph } from '../src/engine/graphs.js';
import { GraphError } from '../src/errors.js';
import { writeOnnx } from '../src/formats/onnx.js';
import { writeSafetensors } from '../src/formats/safetensors.js';
import type { Model } from '../src/models/model.js';
import { MissingPeer } from './implementation.js';
import type { Workload } from './workload.js';

/** The content of a parameter by name. */
export type ReadParameter = (name: string) => Promise<Float32Array>;

/** The network as files that peers can read, in a temporary folder; each is written when it is first asked for. */
export class ModelFiles {
  /** Paths by file name, as soon as they are written. */
  private readonly written = new Map<string, Promise<string>>();
  private readonly cleanUp = () => rmSync(this.folder, { recursive: true, force: true });
  /** Node ends without an 'exit' event when nobody listens to the interrupt. */
  private readonly interrupt = () => process.exit(130);

  private constructor(
    readonly model: Model,
    readonly folder: string,
    private readonly read: ReadParameter,
  ) {}

  /** A new folder, which `remove` deletes, and so does the end of the process, interrupted or not. */
  static async create(model: Model, read: ReadParameter): Promise<ModelFiles> {
    const files = new ModelFiles(model, await mkdtemp(join(tmpdir(), 'tandem-bench-')), read);
    process.once('exit', files.cleanUp);
    process.once('SIGINT', files.interrupt);
    return files;
  }

  /** The files that another process has written. */
  static existing(model: Model, folder: string): ModelFiles {
    return new ModelFiles(model, folder, (name) => Promise.reject(new Error(`'${name}' was not written to ${folder}`)));
  }

  /** The inference graph at this batch size: its shapes are fixed, so that a peer can plan as well as we can. */
  onnx(batch: number): Promise<string> {
    return this.once(`batch-${batch}.onnx`, async (path) => {
      try {
        await writeOnnx(path, inferenceGraph(this.model, batch), this.read);
      } catch (error) {
        if (!(error instanceof GraphError)) throw error;
        throw new MissingPeer(`${this.model.name} cannot be written as ONNX: ${error.message}`, { cause: error });
      }
    });
  }

  safetensors(): Promise<string> {
    return this.once('weights.safetensors', (path) => {
      const { values } = inferenceGraph(this.model, 1);
      const parameters = values.filter(({ kind }) => kind === 'variable');
      return writeSafetensors(
        path,
        parameters.map(({ name, shape }) => ({ name, shape, data: () => this.read(name) })),
      );
    });
  }

  /** Raw float32 images, one file for each input of the workload. */
  images({ batch, inputs }: Workload): Promise<string[]> {
    return Promise.all(
      inputs.map(({ images }, i) => this.once(`images-${batch}-${i}.f32`, (path) => writeFile(path, images))),
    );
  }

  async remove(): Promise<void> {
    process.off('SIGINT', this.interrupt);
    process.off('exit', this.cleanUp);
    await rm(this.folder, { recursive: true, force: true });
  }

  private once(name: string, write: (path: string) => Promise<void>): Promise<string> {
    const path = join(this.folder, name);
    let written = this.written.get(name);
    if (!written) {
      written = existsSync(path) ? Promise.resolve(path) : write(path).then(() => path);
      this.written.set(name, written);
    }
    return written;
  }
}
