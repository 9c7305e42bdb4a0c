import type { Backend, CompileOptions, Executable } from '../backends/backend.js';
import { BackendError } from '../errors.js';
import type { Graph } from '../graph/graph.js';
import type { ParameterStore } from './parameters.js';

/** The compiled programs of one network, made when first asked for and kept. One call at a time. */
export class ProgramCache {
  private readonly programs = new Map<string, Executable>();

  constructor(
    private readonly backend: Backend,
    private readonly parameters: ParameterStore,
    private readonly options: CompileOptions,
  ) {}

  /** @param key all that the graph depends on, as text */
  async get(key: string, build: () => Graph): Promise<Executable> {
    const cached = this.programs.get(key);
    if (cached) return cached;
    const graph = build();
    this.parameters.declare(graph);
    const variables = await this.parameters.storages(graph);
    const program = await this.compile(graph, variables);
    this.programs.set(key, program);
    return program;
  }

  /** When memory runs out, the programs for other batch sizes and modes make room. */
  private async compile(graph: Graph, variables: Awaited<ReturnType<ParameterStore['storages']>>): Promise<Executable> {
    try {
      return await this.backend.compile(graph, variables, this.options);
    } catch (error) {
      if (!(error instanceof BackendError) || this.programs.size === 0) throw error;
      this.clear();
      return await this.backend.compile(graph, variables, this.options);
    }
  }

  /** Frees all programs; they are compiled anew when needed. */
  clear(): void {
    for (const program of this.programs.values()) program.free();
    this.programs.clear();
  }
}
