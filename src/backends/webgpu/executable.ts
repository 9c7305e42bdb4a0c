/** A recorded program: pipelines and bind groups made once, replayed into one pass and one submit a run. */
import { BackendError, DeviceLostError } from '../../errors.js';
import type { Graph } from '../../graph/graph.js';
import { bytesOf, elements } from '../../ops/define.js';
import type { Plan, PlanStep } from '../../plan/plan.js';
import type { Executable, KernelSource, RunOptions, RunResult, Storage, TypedArray } from '../backend.js';
import { checkFetch, checkInputs } from '../check.js';
import { bufferUsage, mapRead } from './adapter.js';
import { type GpuDevice, pipelineKey } from './device.js';
import { kernelFiles } from './generated/kernels.js';
import { lower } from './lower/lower.js';
import { makePools, type Pools } from './lower/pools.js';
import { type BufferIndex, type Dispatch, type Lowered, offsetAlignment, type Word } from './lower/program.js';
import { preprocess } from './source.js';
import { GpuStorage, writeBuffer } from './storage.js';

/** A dispatch with its device objects. */
interface Recorded {
  readonly label: string;
  readonly pipeline: GPUComputePipeline;
  readonly group: GPUBindGroup;
  readonly workgroups: readonly [number, number, number];
}

/** Memory that the results of a run are read through, and where each lies in it; times of steps after them, if they are taken. */
interface Staging {
  readonly key: string;
  readonly buffer: GPUBuffer;
  readonly offsets: readonly number[];
  readonly timesAt: number;
}

/** Runs that are commonly under way where they are started ahead: one that the device computes, one that waits. */
const startedAhead = 2;

export class GpuExecutable implements Executable {
  readonly plan: Plan;
  private readonly lowered: Lowered;
  private readonly pools: Pools;
  /** Buffers of this program alone: pools, inputs, parameters, staging. */
  private readonly owned: GPUBuffer[] = [];
  private poolBuffers: GPUBuffer[] = [];
  private readonly inputBuffers = new Map<BufferIndex, GPUBuffer>();
  private dispatches: readonly Recorded[] = [];
  private preparation: readonly Recorded[] = [];
  /** Staging memory that no run is using, by what is read through it. */
  private readonly idle = new Map<string, Staging[]>();
  private queries: { readonly set: GPUQuerySet; readonly resolved: GPUBuffer } | undefined;
  /** Runs that the device has not finished. */
  private readonly underWay: Promise<unknown>[] = [];
  private freed = false;

  private constructor(
    private readonly device: GpuDevice,
    readonly graph: Graph,
    private readonly variables: ReadonlyMap<number, Storage>,
    algorithms: Readonly<Record<string, string>> | undefined,
  ) {
    this.lowered = lower(graph, { limits: device.limits, features: device.features, algorithms });
    this.pools = makePools(
      this.lowered,
      [...graph.outputs.values()].map((id) => this.bufferOf(id)),
      device.limits,
    );
    this.plan = this.describe();
  }

  static async make(
    device: GpuDevice,
    graph: Graph,
    variables: ReadonlyMap<number, Storage>,
    algorithms: Readonly<Record<string, string>> | undefined,
  ): Promise<GpuExecutable> {
    const made = new GpuExecutable(device, graph, variables, algorithms);
    try {
      // Kernels are compiled while other programs run.
      await device.beside(() => made.pipelines([...made.lowered.preparation, ...made.lowered.dispatches]));
      await device.exclusively(() => made.record());
      return made;
    } catch (error) {
      made.free();
      throw error;
    }
  }

  async run(inputs: Readonly<Record<string, TypedArray>>, options: RunOptions = {}): Promise<RunResult> {
    return (await this.launch(inputs, options, 1)).finished;
  }

  start(
    inputs: Readonly<Record<string, TypedArray>>,
    options: RunOptions = {},
  ): Promise<{ readonly finished: Promise<RunResult> }> {
    return this.launch(inputs, options, startedAhead);
  }

  /** @param ahead how many runs like this one shall find staging memory */
  private launch(inputs: Readonly<Record<string, TypedArray>>, options: RunOptions, ahead: number) {
    return this.device.exclusively(async () => {
      const staging = await this.submit(inputs, options, ahead).catch((error) => this.blame(error));
      const collected = this.collect(staging, options);
      const settled: Promise<unknown> = Promise.allSettled([collected]).then(() =>
        this.underWay.splice(this.underWay.indexOf(settled), 1),
      );
      this.underWay.push(settled);
      return { finished: collected.catch((error) => this.device.exclusively(() => this.blame(error))) };
    });
  }

  prepare(): Promise<void> {
    return this.device.exclusively(async () => {
      if (this.freed) throw new BackendError(`the program '${this.graph.name}' has been freed`);
      this.pack();
    });
  }

  sources(): readonly KernelSource[] {
    const found = new Map<string, KernelSource>();
    for (const { kernel, constants } of [...this.lowered.preparation, ...this.lowered.dispatches]) {
      const key = pipelineKey(kernel, constants);
      if (!found.has(key)) found.set(key, { kernel, constants, source: preprocess(kernelFiles, kernel, constants) });
    }
    return [...found.values()];
  }

  free(): void {
    if (this.freed) return;
    this.freed = true;
    Promise.all(this.underWay).then(() => {
      for (const buffer of this.owned) this.device.free(buffer);
      this.queries?.set.destroy();
    });
    for (const buffer of this.lowered.buffers) {
      if (buffer.home === 'packed') this.storage(buffer.variable as number).releasePacked(buffer.name, this);
    }
  }

  private async record(): Promise<void> {
    const { device, lowered } = this;
    for (const [i, bytes] of this.pools.bytes.entries()) {
      this.poolBuffers.push(await this.own(device.storageBuffer(`${this.graph.name}: pool ${i}`, bytes)));
    }
    for (const [i, buffer] of lowered.buffers.entries()) {
      if (buffer.home !== 'input') continue;
      this.inputBuffers.set(
        i,
        await this.own(device.storageBuffer(`${this.graph.name}: ${buffer.name}`, buffer.bytes)),
      );
    }
    this.preparation = await this.recordAll(lowered.preparation, 'preparation');
    this.dispatches = await this.recordAll(lowered.dispatches, 'steps');
  }

  private pipelines(dispatches: readonly Dispatch[]): Promise<GPUComputePipeline[]> {
    const made = dispatches.map(({ kernel, constants, node }) =>
      this.device.pipeline(kernel, constants, `node '${node.name}' (${node.op.name})`),
    );
    return Promise.all(made);
  }

  private async own(buffer: Promise<GPUBuffer>): Promise<GPUBuffer> {
    this.owned.push(await buffer);
    return buffer;
  }

  private async recordAll(dispatches: readonly Dispatch[], what: string): Promise<Recorded[]> {
    const { device } = this;
    if (dispatches.length === 0) return [];
    const parameters = await this.parameters(dispatches, what);
    const pipelines = await this.pipelines(dispatches);
    // One after another: a variable that several dispatches bind is made by the first of them.
    const located: Awaited<ReturnType<typeof this.locate>>[][] = [];
    for (const { bindings } of dispatches) {
      const places: (typeof located)[number] = [];
      for (const { buffer } of bindings) places.push(await this.locate(buffer));
      located.push(places);
    }
    return device.scoped(`graph '${this.graph.name}'`, () =>
      dispatches.map((dispatch, i) => {
        const entries: GPUBindGroupEntry[] = [
          {
            binding: 0,
            resource: { buffer: parameters.buffer, offset: parameters.offsets[i], size: parameters.sizes[i] },
          },
        ];
        for (const [j, binding] of dispatch.bindings.entries()) {
          const { buffer, offset } = located[i][j];
          const size = binding.bytes ?? this.lowered.buffers[binding.buffer].bytes;
          entries.push({ binding: j + 1, resource: { buffer, offset: offset + (binding.offset ?? 0), size } });
        }
        const label = `kernel ${dispatch.kernel} of node '${dispatch.node.name}' (${dispatch.node.op.name})`;
        device.objects++;
        const group = device.gpu.createBindGroup({ label, layout: pipelines[i].getBindGroupLayout(0), entries });
        return { label, pipeline: pipelines[i], group, workgroups: dispatch.workgroups };
      }),
    );
  }

  /** The uniform structs of all dispatches in one buffer, written once. */
  private async parameters(dispatches: readonly Dispatch[], what: string) {
    const offsets: number[] = [];
    const sizes: number[] = [];
    let bytes = 0;
    for (const { params } of dispatches) {
      offsets.push(bytes);
      sizes.push(Math.max(16, Math.ceil(params.length / 4) * 16));
      bytes += Math.ceil((sizes.at(-1) as number) / offsetAlignment) * offsetAlignment;
    }
    const words = new Uint32Array(bytes / 4);
    for (const [i, { params }] of dispatches.entries()) words.set(params.map(encode), offsets[i] / 4);
    const { device } = this;
    const buffer = await this.own(
      device.buffer(`${this.graph.name}: parameters of ${what}`, bytes, bufferUsage.uniform | bufferUsage.copyTarget),
    );
    device.gpu.queue.writeBuffer(buffer, 0, words);
    return { buffer, offsets, sizes };
  }

  private async locate(index: BufferIndex): Promise<{ readonly buffer: GPUBuffer; readonly offset: number }> {
    const buffer = this.lowered.buffers[index];
    switch (buffer.home) {
      case 'arena': {
        const { pool, offset } = this.pools.places.get(index) as { pool: number; offset: number };
        return { buffer: this.poolBuffers[pool], offset };
      }
      case 'input':
        return { buffer: this.inputBuffers.get(index) as GPUBuffer, offset: 0 };
      case 'packed':
        return {
          buffer: await this.storage(buffer.variable as number).packed(buffer.name, buffer.bytes, this),
          offset: 0,
        };
      case 'variable':
        return { buffer: await this.storage(buffer.variable as number).buffer(), offset: 0 };
    }
  }

  /** Gives one run to the device: inputs, one pass, and the copies of what is asked for. */
  private async submit(
    inputs: Readonly<Record<string, TypedArray>>,
    options: RunOptions,
    ahead: number,
  ): Promise<Staging> {
    if (this.freed) throw new BackendError(`the program '${this.graph.name}' has been freed`);
    const { device, graph } = this;
    checkInputs(graph, inputs);
    const fetch = checkFetch(graph, options);
    options.signal?.throwIfAborted();
    for (const [name, id] of graph.inputs) {
      writeBuffer(device.gpu, this.inputBuffers.get(this.bufferOf(id)) as GPUBuffer, inputs[name]);
    }
    this.pack();
    const staging = await this.stagingFor(fetch, options.timings === true, ahead);
    const encoder = device.gpu.createCommandEncoder({ label: graph.name });
    if (options.timings) await this.encodeTimed(encoder, staging);
    else encodePass(encoder, this.dispatches);
    for (const [i, name] of fetch.entries()) {
      const id = graph.outputs.get(name) as number;
      const { buffer, offset } = await this.locate(this.bufferOf(id));
      const bytes = copiedBytes(bytesOf(graph.values[id]));
      encoder.copyBufferToBuffer(buffer, offset, staging.buffer, staging.offsets[i], bytes);
    }
    device.gpu.queue.submit([encoder.finish()]);
    for (const id of graph.updates.keys()) this.storage(id).version++;
    return staging;
  }

  /**
   * Looks for whose fault an error was: all dispatches are in one pass, of which the validation layer says no more than that it is invalid.
   *
   * @throws BackendError that names the node of the first dispatch that is invalid by itself, or the error as it is
   */
  private async blame(error: unknown): Promise<never> {
    if (!(error instanceof BackendError) || error instanceof DeviceLostError || this.freed) throw error;
    for (const dispatch of this.dispatches) {
      await this.device.scoped(dispatch.label, () => {
        const encoder = this.device.gpu.createCommandEncoder({ label: dispatch.label });
        encodePass(encoder, [dispatch]);
        encoder.finish();
      });
    }
    throw error;
  }

  /** Packs variables again that have changed since they were packed. */
  private pack(): void {
    const packed = this.lowered.buffers.filter(({ home }) => home === 'packed');
    if (packed.every(({ name, variable }) => this.storage(variable as number).packedIsFresh(name))) return;
    const encoder = this.device.gpu.createCommandEncoder({ label: `${this.graph.name}: packing` });
    encodePass(encoder, this.preparation);
    this.device.gpu.queue.submit([encoder.finish()]);
    for (const { name, variable } of packed) this.storage(variable as number).markPacked(name);
  }

  private async stagingFor(fetch: readonly string[], timed: boolean, ahead: number): Promise<Staging> {
    const key = [...fetch, timed].join('\n');
    const idle = this.idle.get(key) ?? [];
    this.idle.set(key, idle);
    const known = idle.pop();
    if (known) return known;
    const offsets: number[] = [];
    let timesAt = 0;
    for (const name of fetch) {
      offsets.push(timesAt);
      timesAt += Math.ceil(bytesOf(this.graph.values[this.graph.outputs.get(name) as number]) / 16) * 16;
    }
    const bytes = timesAt + (timed ? this.dispatches.length * 16 : 0);
    const usage = bufferUsage.mapRead | bufferUsage.copyTarget;
    for (let i = 0; i < ahead; i++) {
      const buffer = await this.own(this.device.buffer(`${this.graph.name}: results`, bytes, usage));
      idle.push({ key, buffer, offsets, timesAt });
    }
    return idle.pop() as Staging;
  }

  /** Waits for a run that was submitted and copies its results. */
  private async collect(staging: Staging, options: RunOptions): Promise<RunResult> {
    const { device } = this;
    const { buffer, offsets, timesAt, key } = staging;
    await device.result(buffer.mapAsync(mapRead), `the program '${this.graph.name}'`);
    const mapped = buffer.getMappedRange();
    const outputs: Record<string, Float32Array> = {};
    for (const [i, name] of checkFetch(this.graph, options).entries()) {
      const count = elements(this.graph.values[this.graph.outputs.get(name) as number].shape);
      const result = options.into?.[name] ?? new Float32Array(count);
      result.set(new Float32Array(mapped, offsets[i], count));
      outputs[name] = result;
    }
    const timings = options.timings ? timesOf(new BigInt64Array(mapped, timesAt)) : undefined;
    buffer.unmap();
    this.idle.get(key)?.push(staging);
    device.expectAlive();
    return timings ? { outputs, timings } : { outputs };
  }

  /** A pass for each dispatch, with the clock before and after. */
  private async encodeTimed(encoder: GPUCommandEncoder, { buffer, timesAt }: Staging): Promise<void> {
    const { gpu } = this.device;
    if (!gpu.features.has('timestamp-query')) {
      throw new BackendError('this WebGPU device cannot time its steps (no timestamp-query)');
    }
    const count = this.dispatches.length * 2;
    if (!this.queries) {
      const set = gpu.createQuerySet({ type: 'timestamp', count });
      const usage = bufferUsage.queryResolve | bufferUsage.copySource;
      const resolved = await this.own(this.device.buffer(`${this.graph.name}: times`, count * 8, usage));
      this.queries = { set, resolved };
    }
    const { set, resolved } = this.queries;
    for (const [i, dispatch] of this.dispatches.entries()) {
      encodePass(encoder, [dispatch], {
        querySet: set,
        beginningOfPassWriteIndex: 2 * i,
        endOfPassWriteIndex: 2 * i + 1,
      });
    }
    encoder.resolveQuerySet(set, 0, count, resolved, 0);
    encoder.copyBufferToBuffer(resolved, 0, buffer, timesAt, count * 8);
  }

  private bufferOf(id: number): BufferIndex {
    return this.lowered.bufferOf.get(id) as BufferIndex;
  }

  private storage(variable: number): GpuStorage {
    const storage = this.variables.get(variable);
    if (!(storage instanceof GpuStorage)) {
      throw new BackendError(`variable '${this.graph.values[variable].name}' has no storage of this backend`);
    }
    return storage;
  }

  private describe(): Plan {
    const { graph, lowered, pools } = this;
    const sum = (...homes: string[]): number =>
      lowered.buffers.reduce((bytes, buffer) => bytes + (homes.includes(buffer.home) ? buffer.bytes : 0), 0);
    const [variables, packed] = [sum('variable'), sum('packed')];
    const arena = pools.bytes.reduce((total, bytes) => total + bytes, 0) + sum('input');
    return {
      graph: graph.name,
      backend: 'webgpu',
      steps: lowered.dispatches.map((dispatch) => planStep(graph, dispatch)),
      buffers: [...pools.places].map(([index, { offset }]) => {
        const { name, bytes } = lowered.buffers[index];
        const [first, last] = pools.lifetimes.get(index) as readonly [number, number];
        return { name, bytes, offset, first, last };
      }),
      bytes: { variables, packed, arena, total: variables + packed + arena },
    };
  }
}

function encode(word: Word): number {
  if (typeof word === 'number') return word >>> 0;
  return new Uint32Array(Float32Array.of(word.float).buffer)[0];
}

/** Milliseconds between the two clocks of each step, which are in nanoseconds. */
function timesOf(clocks: BigInt64Array): Float64Array {
  return Float64Array.from({ length: clocks.length / 2 }, (_, i) => Number(clocks[2 * i + 1] - clocks[2 * i]) / 1e6);
}

function copiedBytes(bytes: number): number {
  return Math.ceil(bytes / 4) * 4;
}

function encodePass(
  encoder: GPUCommandEncoder,
  dispatches: readonly Recorded[],
  timestampWrites?: GPUComputePassTimestampWrites,
): void {
  const pass = encoder.beginComputePass(timestampWrites ? { timestampWrites } : undefined);
  for (const { pipeline, group, workgroups } of dispatches) {
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    pass.dispatchWorkgroups(workgroups[0], workgroups[1], workgroups[2]);
  }
  pass.end();
}

function planStep(graph: Graph, dispatch: Dispatch): PlanStep {
  const { node, main, algorithm, kernel } = dispatch;
  const types = (ids: readonly number[]) => ids.map((id) => graph.values[id]);
  const cost = main
    ? node.op.cost(node.attributes, types(node.inputs), types(node.outputs))
    : { macs: 0, flops: 0, bytes: 0 };
  return { node: node.name, layer: node.layer, phase: node.phase, op: node.op.name, algorithm, kernel, ...cost };
}
