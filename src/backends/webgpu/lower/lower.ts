/** Lowering for WebGPU: graph in, dispatches over buffers out. Pure: shapes, limits, features and forced algorithms are all that it knows. */
import { BackendError, GraphError } from '../../../errors.js';
import type { Graph, Node } from '../../../graph/graph.js';
import { bytesOf } from '../../../ops/define.js';
import { cut } from './cut.js';
import type { Buffer, BufferIndex, Dispatch, Feature, Limits, LowerContext, Lowered, Step } from './program.js';
import { type Algorithm, legalAlgorithms } from './rules.js';

export interface LowerOptions {
  readonly limits: Limits;
  /** Optional features that kernels may use; none by default. */
  readonly features?: readonly Feature[];
  /** Node name or op name → algorithm. */
  readonly algorithms?: Readonly<Record<string, string>>;
}

/** Names of the legal algorithms of a node, the default first. */
export function algorithmNames(
  graph: Graph,
  node: Node,
  limits: Limits,
  features: readonly Feature[] = [],
): readonly string[] {
  return node.op.alias ? ['alias'] : legalAlgorithms(graph, node, limits, features).map(({ name }) => name);
}

export function lower(graph: Graph, options: LowerOptions): Lowered {
  return new Lowering(graph, options).run();
}

class Lowering {
  private readonly buffers: Buffer[] = [];
  private readonly dispatches: Dispatch[] = [];
  private readonly preparations: Dispatch[] = [];
  private readonly bufferOf = new Map<number, BufferIndex>();
  private readonly packedBuffers = new Map<string, BufferIndex>();

  constructor(
    private readonly graph: Graph,
    private readonly options: LowerOptions,
  ) {}

  run(): Lowered {
    const { graph } = this;
    for (const id of graph.inputs.values()) this.place(id, 'input');
    for (const [index, node] of graph.nodes.entries()) {
      for (const id of node.inputs) if (!this.bufferOf.has(id)) this.place(id, 'variable');
      for (const id of node.outputs) {
        const over = this.overwritten(node, id, index);
        if (over === undefined) this.place(id, 'arena');
        else this.bufferOf.set(id, this.bufferOf.get(over) as number);
      }
      if (!node.op.alias) this.lowerNode(node);
    }
    for (const id of graph.outputs.values()) if (!this.bufferOf.has(id)) this.place(id, 'variable');
    const { buffers, dispatches, preparations, bufferOf } = this;
    return { buffers, dispatches, preparation: preparations, bufferOf };
  }

  private place(id: number, home: Buffer['home']): void {
    const value = this.graph.values[id];
    if (home === 'variable' && value.kind !== 'variable') {
      throw new GraphError(`'${value.name}' is read before any node computes it`);
    }
    const variable = home === 'variable' ? id : undefined;
    this.bufferOf.set(id, this.add({ name: value.name, bytes: bytesOf(value), home, variable }));
  }

  private add(buffer: Buffer): BufferIndex {
    // Kernels read in vectors of four: a tensor's buffer ends with a whole one.
    return this.buffers.push({ ...buffer, bytes: Math.max(16, Math.ceil(buffer.bytes / 16) * 16) }) - 1;
  }

  /** The value whose bytes output `id` takes: by reshaping, or as the update of a variable. Nothing else is done in place. */
  private overwritten(node: Node, id: number, index: number): number | undefined {
    const { graph } = this;
    if (node.op.alias) return node.inputs[0];
    for (const [variable, updated] of graph.updates) {
      if (updated !== id) continue;
      const { name } = graph.values[variable];
      const output = node.outputs.indexOf(id);
      if (!node.op.inPlace?.some(([to, from]) => to === output && node.inputs[from] === variable)) {
        throw new GraphError(`node '${node.name}' cannot update variable '${name}' in place`);
      }
      const late = graph.nodes.slice(index + 1).find((other) => other.inputs.includes(variable));
      if (late)
        throw new GraphError(`node '${late.name}' reads variable '${name}' after node '${node.name}' has updated it`);
      return variable;
    }
    return undefined;
  }

  private algorithm(node: Node): Algorithm {
    const { limits, features = [], algorithms } = this.options;
    const legal = legalAlgorithms(this.graph, node, limits, features);
    if (legal.length === 0) {
      throw new BackendError(`the webgpu backend has no kernel for op ${node.op.name} (node '${node.name}')`);
    }
    const forced = algorithms?.[node.name] ?? algorithms?.[node.op.name];
    const found = forced === undefined ? legal[0] : legal.find(({ name }) => name === forced);
    if (!found) {
      const names = legal.map(({ name }) => name).join(', ');
      throw new BackendError(`node '${node.name}': ${node.op.name} has no algorithm '${forced}' (there are: ${names})`);
    }
    return found;
  }

  private lowerNode(node: Node): void {
    const { graph } = this;
    const { limits, features = [] } = this.options;
    const algorithm = this.algorithm(node);
    const emit = (to: Dispatch[], step: Step, main: boolean): void => {
      to.push(...cut(step, this.buffers, limits, { node, algorithm: algorithm.name, main }));
    };
    const buffer = (id: number): BufferIndex => this.bufferOf.get(id) as BufferIndex;
    const temporary = (name: string, bytes: number): BufferIndex =>
      this.add({ name: `${node.name}/${name}`, bytes, home: 'arena' });
    const context: LowerContext = {
      node,
      limits,
      features,
      shape: (id) => graph.values[id].shape,
      dtype: (id) => graph.values[id].dtype,
      input: (index) => buffer(node.inputs[index]),
      output: (index) => buffer(node.outputs[index]),
      temporary,
      packed: (index, key, bytes, fill) => {
        const id = node.inputs[index];
        if (graph.values[id].kind !== 'variable' || graph.updates.has(id)) {
          const to = temporary(key, bytes);
          emit(this.dispatches, fill(buffer(id), to), false);
          return to;
        }
        const name = `${graph.values[id].name}: ${key}`;
        const known = this.packedBuffers.get(name);
        if (known !== undefined) return known;
        const to = this.add({ name, bytes, home: 'packed', variable: id });
        this.packedBuffers.set(name, to);
        emit(this.preparations, fill(buffer(id), to), false);
        return to;
      },
      step: (step) => emit(this.dispatches, step, true),
      preparation: (step) => emit(this.dispatches, step, false),
    };
    algorithm.lower(context);
  }
}
