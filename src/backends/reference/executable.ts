import { BackendError } from '../../errors.js';
import type { Graph } from '../../graph/graph.js';
import { exactAccuracy, type Tensor64 } from '../../ops/define.js';
import type { Plan } from '../../plan/plan.js';
import type { Executable, RunOptions, RunResult, TypedArray } from '../backend.js';
import { checkFetch, checkInputs } from '../check.js';
import { lastReaders, referencePlan } from './plan.js';
import type { ReferenceStorage } from './storage.js';

/** A graph evaluated node by node. Variables change only at the end of a run that was completed. */
export class ReferenceExecutable implements Executable {
  readonly plan: Plan;
  private readonly lastReader: ReadonlyMap<number, number>;
  private freed = false;

  /** `enqueue` runs a function when all runs asked for earlier have ended. */
  constructor(
    readonly graph: Graph,
    private readonly variables: ReadonlyMap<number, ReferenceStorage>,
    private readonly enqueue: <T>(run: () => Promise<T>) => Promise<T>,
  ) {
    this.plan = referencePlan(graph);
    this.lastReader = lastReaders(graph);
  }

  async run(inputs: Readonly<Record<string, TypedArray>>, options: RunOptions = {}): Promise<RunResult> {
    if (this.freed) throw new BackendError(`the program of graph '${this.graph.name}' has been freed`);
    options.signal?.throwIfAborted();
    checkInputs(this.graph, inputs);
    const fetched = checkFetch(this.graph, options);
    return this.enqueue(() => this.evaluate(inputs, fetched, options));
  }

  /** It packs nothing. */
  async prepare(): Promise<void> {}

  free(): void {
    this.freed = true;
  }

  private async evaluate(
    inputs: Readonly<Record<string, TypedArray>>,
    fetched: readonly string[],
    { into, timings: timed, signal }: RunOptions,
  ): Promise<RunResult> {
    const { graph } = this;
    const values = this.startingValues(inputs);
    const timings = timed ? new Float64Array(graph.nodes.length) : undefined;
    for (const [i, node] of graph.nodes.entries()) {
      if (signal) await pause();
      signal?.throwIfAborted();
      const start = performance.now();
      const results = node.op.reference(
        node.attributes,
        node.inputs.map((id) => lookUp(values, id)),
        exactAccuracy,
      );
      node.outputs.forEach((id, j) => values.set(id, { ...graph.values[id], data: results[j].data }));
      for (const id of [...node.inputs, ...node.outputs]) if (this.lastReader.get(id) === i) values.delete(id);
      if (timings) timings[i] = performance.now() - start;
    }

    const outputs: Record<string, Float32Array> = {};
    for (const name of fetched) {
      const { data } = lookUp(values, graph.outputs.get(name));
      const target = into?.[name] ?? new Float32Array(data.length);
      target.set(data);
      outputs[name] = target;
    }
    for (const [id, storage] of this.variables) {
      const update = graph.updates.get(id);
      if (update !== undefined) storage.data = lookUp(values, update).data;
    }
    return timings ? { outputs, timings } : { outputs };
  }

  private startingValues(inputs: Readonly<Record<string, TypedArray>>): Map<number, Tensor64> {
    const values = new Map<number, Tensor64>();
    for (const [name, id] of this.graph.inputs) {
      values.set(id, { ...this.graph.values[id], data: Float64Array.from(inputs[name]) });
    }
    for (const [id, storage] of this.variables) values.set(id, { ...this.graph.values[id], data: storage.data });
    return values;
  }
}

function lookUp(values: ReadonlyMap<number, Tensor64>, id: number | undefined): Tensor64 {
  const value = id === undefined ? undefined : values.get(id);
  if (!value) throw new BackendError(`value ${id} is read before it is computed`);
  return value;
}

/** Lets the event loop turn, so that an abort can be heard. */
function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}
