/** A recorded program: where its buffers are, the tape, and what a run does around it. */
import { BackendError } from '../../errors.js';
import type { Graph } from '../../graph/graph.js';
import { bytesOf, elements } from '../../ops/define.js';
import type { Plan } from '../../plan/plan.js';
import type { Executable, RunOptions, RunResult, Storage, TypedArray } from '../backend.js';
import { checkFetch, checkInputs } from '../check.js';
import type { WasmDevice } from './device.js';
import { lower } from './lower/lower.js';
import type { Lowered, Step, Word } from './lower/program.js';
import { planLowered } from './plan.js';
import { WasmStorage } from './storage.js';

export class WasmExecutable implements Executable {
  readonly plan: Plan;
  private readonly lowered: Lowered;
  /** Offset in the arena of each buffer that lives there. */
  private readonly offsets: readonly number[];
  private readonly updated: readonly WasmStorage[];
  /** Packed forms of variables that steps read. */
  private readonly packed: readonly { readonly name: string; readonly of: WasmStorage }[];
  private tape = 0;
  private preparation = 0;
  private times = 0;
  private recordedAt = -1;
  private freed = false;

  constructor(
    private readonly device: WasmDevice,
    readonly graph: Graph,
    private readonly variables: ReadonlyMap<number, Storage>,
    algorithms: Readonly<Record<string, string>> | undefined,
  ) {
    this.lowered = lower(graph, { threads: device.threads, fused: device.fused, algorithms });
    ({ plan: this.plan, offsets: this.offsets } = planLowered(graph, this.lowered));
    for (const [i, buffer] of this.lowered.buffers.entries()) {
      if (buffer.home === 'variable') this.storage(buffer.variable as number);
      if (buffer.home === 'packed') this.packedStorage(i);
    }
    this.updated = [...graph.updates.keys()].map((id) => this.storage(id));
    this.packed = this.lowered.buffers
      .filter(({ home }) => home === 'packed')
      .map(({ name, variable }) => ({ name, of: this.storage(variable as number) }));
    device.arena.reserve(this.plan.bytes.arena);
  }

  run(inputs: Readonly<Record<string, TypedArray>>, options: RunOptions = {}): Promise<RunResult> {
    return this.device.exclusively(() => this.runNow(inputs, options));
  }

  prepare(): Promise<void> {
    return this.device.exclusively(async () => {
      this.expectNotFreed();
      this.record();
      await this.pack();
    });
  }

  free(): void {
    if (this.freed) return;
    this.freed = true;
    for (const address of [this.tape, this.preparation, this.times]) if (address) this.device.heap.free(address);
    for (const { name, of } of this.packed) of.releasePacked(name, this);
  }

  private async runNow(inputs: Readonly<Record<string, TypedArray>>, options: RunOptions): Promise<RunResult> {
    this.expectNotFreed();
    const { device, graph, lowered } = this;
    checkInputs(graph, inputs);
    const fetch = checkFetch(graph, options);
    options.signal?.throwIfAborted();
    this.record();
    for (const [name, id] of graph.inputs) {
      const { buffer, byteOffset, byteLength } = inputs[name];
      const target = device.heap.bytes(this.address(lowered.bufferOf.get(id) as number), bytesOf(graph.values[id]));
      target.set(new Uint8Array(buffer, byteOffset, byteLength));
    }
    await this.pack();
    await device.runner.run(this.tape, options.timings ? this.times : 0, options.signal);
    for (const storage of this.updated) storage.version++;
    const outputs = this.collect(fetch, options.into);
    return options.timings ? { outputs, ...this.readTimes() } : { outputs };
  }

  private expectNotFreed(): void {
    if (this.freed) throw new BackendError(`the program '${this.graph.name}' has been freed`);
  }

  private collect(names: readonly string[], into: RunOptions['into'] = {}): Record<string, Float32Array> {
    const outputs: Record<string, Float32Array> = {};
    for (const name of names) {
      const id = this.graph.outputs.get(name) as number;
      const count = elements(this.graph.values[id].shape);
      const result = into[name] ?? new Float32Array(count);
      result.set(this.device.heap.floats(this.address(this.lowered.bufferOf.get(id) as number), count));
      outputs[name] = result;
    }
    return outputs;
  }

  /** Writes the tapes, anew when the arena has moved. */
  private record(): void {
    const { arena } = this.device;
    arena.reserve(this.plan.bytes.arena);
    if (this.recordedAt === arena.address) return;
    this.tape = this.writeTape(this.tape, this.lowered.steps);
    this.preparation = this.writeTape(this.preparation, this.lowered.preparation);
    this.times ||= this.device.heap.allocate((3 * this.lowered.steps.length + 1) * 8, 'step times');
    this.recordedAt = arena.address;
  }

  /** Packs variables again that have changed since they were packed. */
  private async pack(): Promise<void> {
    if (this.packed.every(({ name, of }) => of.packedIsFresh(name))) return;
    await this.device.runner.run(this.preparation, 0);
    for (const { name, of } of this.packed) of.markPacked(name);
  }

  private writeTape(existing: number, steps: readonly Step[]): number {
    const words: number[] = [steps.length];
    for (const step of steps) {
      words.push(this.device.kernelNumber(step.kernel), (step.words.length + 2) * 4);
      for (const word of step.words) words.push(this.encode(word));
    }
    const address = existing || this.device.heap.allocate(words.length * 4, 'tape');
    this.device.heap.words(address, words.length).set(words);
    return address;
  }

  private encode(word: Word): number {
    if (typeof word === 'number') return word >>> 0;
    if ('float' in word) return new Uint32Array(Float32Array.of(word.float).buffer)[0];
    return this.address(word.buffer) + (word.offset ?? 0);
  }

  private address(index: number): number {
    const buffer = this.lowered.buffers[index];
    if (buffer.home === 'arena') return this.device.arena.address + this.offsets[index];
    if (buffer.home === 'packed') return this.packedStorage(index);
    return this.storage(buffer.variable as number).address;
  }

  private packedStorage(index: number): number {
    const buffer = this.lowered.buffers[index];
    return this.storage(buffer.variable as number).packed(buffer.name, buffer.bytes, this);
  }

  private storage(variable: number): WasmStorage {
    const storage = this.variables.get(variable);
    if (!(storage instanceof WasmStorage)) {
      throw new BackendError(`variable '${this.graph.values[variable].name}' has no storage of this backend`);
    }
    return storage;
  }

  private readTimes(): Required<Pick<RunResult, 'timings' | 'products'>> {
    const steps = this.lowered.steps.length;
    const clock = new Float64Array(this.device.heap.memory.buffer, this.times, 3 * steps + 1);
    const perStep = (figure: (step: number) => number) => Float64Array.from({ length: steps }, (_, i) => figure(i));
    return {
      timings: perStep((i) => clock[i + 1] - clock[i]),
      products: {
        ms: perStep((i) => clock[steps + 1 + 2 * i]),
        multiplyAdds: perStep((i) => clock[steps + 2 + 2 * i]),
      },
    };
  }
}
