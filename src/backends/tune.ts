/**
 * Autotuning: a backend that computes on an adapter is wrapped in one that replaces the choice of algorithms by what was measured on
 * this adapter. Only algorithms that the backend calls legal are ever taken; those that a caller forces stand.
 */
import { BackendError } from '../errors.js';
import type { Graph, Node } from '../graph/graph.js';
import type { NodeTuning, Plan } from '../plan/plan.js';
import type { Backend, CompileOptions, Executable, RunOptions, RunResult, Storage, TypedArray } from './backend.js';
import { keyOf, tuneNode } from './tuneNode.js';
import { addTunings, defaultTuningFile, readTunings, type Tuned, type Tuning } from './tuningFile.js';

export interface TuneOptions {
  /** Whether to measure what the file does not know, and add it there; true by default. */
  readonly measure?: boolean;
  /** Instead of `tuning.json` in the user's cache folder. */
  readonly file?: string;
  /** Called before a node is measured. */
  readonly onNode?: (node: string) => void;
  /** Takes a line about what was ignored; the console by default. */
  readonly warn?: (text: string) => void;
}

/**
 * The backend with choices by measurement; itself when it has no adapter, or nothing is known and nothing to be measured.
 *
 * @param tune true measures what is not yet known; by default what was measured before is used; false does neither
 */
export async function tuned(backend: Backend, tune: boolean | TuneOptions | undefined): Promise<Backend> {
  const { adapter } = backend.info;
  if (!adapter || tune === false) return backend;
  const given = typeof tune === 'object' ? tune : {};
  const { measure = tune !== undefined, file = await defaultTuningFile(), onNode } = given;
  const warn = given.warn ?? ((text: string) => console.warn(`tandem: ${text}`));
  if (measure && !adapter.features.includes('timestamp-query')) {
    throw new BackendError(`${adapter.name} cannot be tuned: it has no clock for its work (timestamp-query)`);
  }
  const known = new Map<string, Tuning>();
  if (file !== undefined) {
    const read = readTunings(file, adapter).catch((error: BackendError) => {
      warn(`what was measured for tuning is ignored: ${error.message} (delete the file, or tune again)`);
      return {};
    });
    for (const [key, tuning] of Object.entries(await read)) known.set(key, tuning);
  }
  if (!measure && known.size === 0) return backend;
  return new TunedBackend(backend, adapter, known, { measure, file, onNode, warn });
}

class TunedBackend implements Backend {
  /** Programs are tuned one after another: two that are timed at once would disturb each other. */
  private tail: Promise<unknown> = Promise.resolve();
  /** Keys of what was measured here: an algorithm that was left out is not tried again. */
  private readonly measured = new Set<string>();

  constructor(
    private readonly inner: Backend,
    private readonly adapter: Tuned,
    private readonly known: Map<string, Tuning>,
    private readonly options: TuneOptions & { readonly warn: (text: string) => void },
  ) {}

  get info() {
    return this.inner.info;
  }

  allocate(...given: Parameters<Backend['allocate']>): Storage {
    return this.inner.allocate(...given);
  }

  algorithms(graph: Graph, node: Node): readonly string[] {
    return this.inner.algorithms(graph, node);
  }

  async compile(
    graph: Graph,
    variables: ReadonlyMap<number, Storage>,
    options: CompileOptions = {},
  ): Promise<Executable> {
    const { algorithms } = options;
    const choosing = this.tail.then(() => this.choose(graph, algorithms ?? {}));
    this.tail = choosing.catch(() => undefined);
    const tuning = await choosing;
    if (tuning.length === 0) return this.inner.compile(graph, variables, options);
    const chosen = Object.fromEntries(tuning.map(({ node, algorithm }) => [node, algorithm]));
    const executable = await this.inner.compile(graph, variables, {
      ...options,
      algorithms: { ...chosen, ...algorithms },
    });
    return new TunedExecutable(executable, tuning);
  }

  async close(): Promise<void> {
    await this.tail;
    await this.inner.close();
  }

  /** For every node that leaves a choice and has been measured, or is now. */
  private async choose(graph: Graph, forced: Readonly<Record<string, string>>): Promise<NodeTuning[]> {
    const { measure, file, onNode, warn } = this.options;
    const chosen: NodeTuning[] = [];
    const added: Record<string, Tuning> = {};
    for (const node of graph.nodes) {
      if (node.name in forced || node.op.name in forced) continue;
      const legal = this.inner.algorithms(graph, node);
      if (legal.length < 2) continue;
      const key = keyOf(graph, node);
      let tuning = this.known.get(key);
      if (measure && !this.measured.has(key) && !legal.every((name) => tuning && name in tuning.ms)) {
        onNode?.(node.name);
        this.measured.add(key);
        tuning = await tuneNode(this.inner, graph, node, warn);
        if (tuning) {
          added[key] = tuning;
          this.known.set(key, tuning);
        }
      }
      if (tuning && legal.includes(tuning.algorithm)) chosen.push({ node: node.name, op: node.op.name, ...tuning });
    }
    if (file !== undefined && Object.keys(added).length > 0) {
      await addTunings(file, this.adapter, added).catch((error: Error) =>
        warn(`what was measured is not kept: ${error.message}`),
      );
    }
    return chosen;
  }
}

/** A program whose plan also tells what was measured. */
class TunedExecutable implements Executable {
  readonly plan: Plan;
  readonly sources?: Executable['sources'];

  constructor(
    private readonly inner: Executable,
    tuning: readonly NodeTuning[],
  ) {
    this.plan = { ...inner.plan, tuning };
    if (inner.sources) this.sources = () => inner.sources?.() ?? [];
  }

  get graph(): Graph {
    return this.inner.graph;
  }

  run(inputs: Readonly<Record<string, TypedArray>>, options?: RunOptions): Promise<RunResult> {
    return this.inner.run(inputs, options);
  }

  prepare(): Promise<void> {
    return this.inner.prepare();
  }

  free(): void {
    this.inner.free();
  }
}
