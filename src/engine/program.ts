import type { Executable, RunOptions, RunResult, TypedArray } from '../backends/backend.js';
import { TandemError } from '../errors.js';
import type { Graph } from '../graph/graph.js';
import type { Plan } from '../plan/plan.js';
import type { ParameterStore } from './parameters.js';

/** Any graph, compiled: the level below `Network`. Made by `Engine.compile`. */
export class Program {
  private closing: Promise<void> | undefined;
  /** The last of the runs under way. */
  private tail: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly executable: Executable,
    /** The graph's variables, read and written by name. */
    readonly variables: ParameterStore,
    private readonly onClose: () => void,
  ) {}

  get graph(): Graph {
    return this.executable.graph;
  }

  get plan(): Plan {
    return this.executable.plan;
  }

  /**
   * Runs the graph once.
   *
   * @param inputs every input of the graph by name, row-major
   * @throws InputError when an input is missing or has the wrong length or element type
   */
  async run(inputs: Readonly<Record<string, TypedArray>>, options?: RunOptions): Promise<RunResult> {
    if (this.closing) throw new TandemError(`the program of graph '${this.graph.name}' is closed`);
    const result = this.executable.run(inputs, options);
    this.tail = Promise.allSettled([this.tail, result]);
    return result;
  }

  /** Waits for the runs under way and frees the program; variables of its own go with it. */
  close(): Promise<void> {
    this.closing ??= this.tail.then(() => {
      this.executable.free();
      this.onClose();
    });
    return this.closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
