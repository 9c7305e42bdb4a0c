/** What storages and executables of one engine share: the device, its pipelines, one queue, and what went wrong. */
import { BackendError, DeviceLostError } from '../../errors.js';
import { bufferUsage, isSoftware, Rests } from './adapter.js';
import { kernelFiles } from './generated/kernels.js';
import { type Feature, kernelFeatures, type Limits } from './lower/program.js';
import { type Constants, preprocess } from './source.js';

export class GpuDevice {
  readonly limits: Limits;
  /** Optional features that kernels use here. */
  readonly features: readonly Feature[];
  /** On a software adapter in Node. */
  private readonly rests: Rests | undefined;
  /** By kernel and constants; and by WGSL without its comments, which several of those may share. */
  private readonly pipelines = new Map<string, Promise<GPUComputePipeline>>();
  private readonly pipelinesOf = new Map<string, Promise<GPUComputePipeline>>();
  private queue: Promise<unknown> = Promise.resolve();
  private readonly besides = new Set<Promise<unknown>>();
  private closed = false;
  /** Set when the device is gone. */
  private lost: string | undefined;
  /** The first error that nobody was waiting for. */
  private fault: string | undefined;

  /**
   * @param limits what plans keep to: the device's, or smaller ones to pretend
   * @param owned whether closing destroys the device; a caller's own is left alone
   */
  constructor(
    readonly gpu: GPUDevice,
    limits: Limits,
    private readonly owned: boolean,
  ) {
    this.limits = limits;
    this.features = kernelFeatures.filter((feature) => gpu.features.has(feature));
    if (isSoftware(gpu.adapterInfo) && globalThis.process?.versions?.node) this.rests = new Rests();
    gpu.lost.then(({ reason, message }) => {
      this.lost = message || reason || 'no reason given';
    });
    gpu.addEventListener('uncapturederror', this.note);
  }

  private readonly note = (event: Event): void => {
    this.fault ??= (event as GPUUncapturedErrorEvent).error.message;
  };

  /** Bytes of device memory in buffers that this engine made. */
  allocated = 0;
  /** Number of buffers, bind groups and pipelines made so far: stands still in the steady state. */
  objects = 0;

  /** @throws BackendError when the device has no memory left */
  async buffer(label: string, bytes: number, usage: number): Promise<GPUBuffer> {
    this.expectAlive();
    if (bytes > this.limits.maxBufferSize) {
      throw new BackendError(
        `'${label}' takes ${bytes} bytes, a buffer of this device holds ${this.limits.maxBufferSize}`,
      );
    }
    const buffer = await this.scoped(`memory for '${label}' (${bytes} bytes)`, () =>
      this.gpu.createBuffer({ label, size: Math.max(16, Math.ceil(bytes / 16) * 16), usage }),
    );
    this.allocated += buffer.size;
    this.objects++;
    return buffer;
  }

  storageBuffer(label: string, bytes: number): Promise<GPUBuffer> {
    return this.buffer(label, bytes, bufferUsage.storage | bufferUsage.copySource | bufferUsage.copyTarget);
  }

  free(buffer: GPUBuffer): void {
    this.allocated -= buffer.size;
    buffer.destroy();
  }

  /** The pipeline of a kernel with its constants, compiled once. `owner` says in errors whose it is. */
  pipeline(kernel: string, constants: Constants, owner: string): Promise<GPUComputePipeline> {
    const key = pipelineKey(kernel, constants);
    const known = this.pipelines.get(key);
    if (known) return known;
    const code = preprocess(kernelFiles, kernel, constants);
    const bare = code.replace(/^\s*\/\/.*\n/gm, '');
    const made = this.pipelinesOf.get(bare) ?? this.compile(kernel, code, owner);
    this.pipelines.set(key, made);
    this.pipelinesOf.set(bare, made);
    made.catch(() => {
      this.pipelines.delete(key);
      this.pipelinesOf.delete(bare);
    });
    return made;
  }

  private async compile(kernel: string, code: string, owner: string): Promise<GPUComputePipeline> {
    this.expectAlive();
    this.objects++;
    // In a scope, since an error of the text belongs to nobody else, and comes again with the pipeline.
    this.gpu.pushErrorScope('validation');
    const module = this.gpu.createShaderModule({ label: kernel, code });
    this.gpu.popErrorScope().catch(() => undefined);
    try {
      const made = this.gpu.createComputePipelineAsync({
        label: `${kernel} of ${owner}`,
        layout: 'auto',
        compute: { module, entryPoint: 'main' },
      });
      return await this.rested(made);
    } catch (error) {
      await this.expectAliveLater();
      const { messages } = await module.getCompilationInfo();
      const lines = messages
        .filter(({ type }) => type === 'error')
        .map(({ lineNum, message }) => `line ${lineNum}: ${message}`);
      throw new BackendError(
        `${owner}: kernel ${kernel} does not compile: ${lines.join('; ') || (error as Error).message}`,
        {
          cause: error,
        },
      );
    }
  }

  /**
   * Awaits what the device computes; `what` it is, errors say.
   *
   * @throws DeviceLostError when the device goes meanwhile, BackendError for whatever else goes wrong
   */
  result<T>(promise: Promise<T>, what: string): Promise<T> {
    return this.typed(this.rested(promise), what);
  }

  private rested<T>(promise: Promise<T>): Promise<T> {
    return this.rests?.during(promise) ?? promise;
  }

  private async typed<T>(promise: Promise<T>, what: string): Promise<T> {
    try {
      return await promise;
    } catch (error) {
      await this.expectAliveLater();
      throw new BackendError(`${what} failed: ${(error as Error).message}`, { cause: error });
    }
  }

  /** As `expectAlive`, after the device has said all that it has to say of the event that failed. */
  private async expectAliveLater(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve));
    this.expectAlive();
  }

  /** Makes device calls; what the validation layer or the memory has to say of them becomes an error that names `what`. */
  async scoped<T>(what: string, calls: () => T): Promise<T> {
    const { gpu } = this;
    gpu.pushErrorScope('out-of-memory');
    gpu.pushErrorScope('validation');
    let errors: Promise<(GPUError | null)[]>;
    let result: T;
    try {
      result = calls();
    } finally {
      errors = Promise.all([gpu.popErrorScope(), gpu.popErrorScope()]);
    }
    const [validation, memory] = await this.typed(this.rests?.notDuring(errors) ?? errors, what);
    this.expectAlive();
    if (memory) throw new BackendError(`${what}: out of device memory: ${memory.message}`);
    if (validation) throw new BackendError(`${what}: ${validation.message}`);
    return result;
  }

  /** Does one thing after another: programs share buffers. */
  exclusively<T>(job: () => Promise<T>): Promise<T> {
    if (this.closed) return Promise.reject(new BackendError('the engine is closed'));
    const result = this.queue.then(() => {
      this.expectAlive();
      return job();
    });
    this.queue = result.catch(() => undefined);
    return result;
  }

  /** Does what need not wait for its turn; closing waits for it. */
  beside<T>(job: () => Promise<T>): Promise<T> {
    if (this.closed) return Promise.reject(new BackendError('the engine is closed'));
    const result = job();
    const settled = result
      .catch(() => undefined)
      .then(() => {
        this.besides.delete(settled);
      });
    this.besides.add(settled);
    return result;
  }

  /** @throws DeviceLostError when the device is gone, BackendError for an error that came while nobody waited */
  expectAlive(): void {
    if (this.lost !== undefined) throw new DeviceLostError(`the WebGPU device was lost: ${this.lost}`);
    const { fault } = this;
    this.fault = undefined;
    if (fault !== undefined) throw new BackendError(`WebGPU: ${fault}`);
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    await Promise.all([this.queue, ...this.besides]);
    this.pipelines.clear();
    this.pipelinesOf.clear();
    this.gpu.removeEventListener('uncapturederror', this.note);
    if (this.owned) this.gpu.destroy();
  }
}

/** What tells pipelines apart. */
export function pipelineKey(kernel: string, constants: Constants): string {
  return `${kernel} ${JSON.stringify(constants)}`;
}
