/**
 * Lowering for WASM: graph in, kernel steps over buffers out. Pure: shapes, forced algorithms and the number of threads
 * (for the size of scratch) are all that it knows.
 */
import { BackendError, GraphError } from '../../../errors.js';
import type { Graph, Node } from '../../../graph/graph.js';
import { fuseUpdates } from '../../../graph/passes.js';
import { bytesOf } from '../../../ops/define.js';
import { type Buffer, type LowerContext, type Lowered, type Step, slack, type Word } from './program.js';
import { type Algorithm, legalAlgorithms } from './rules.js';

export interface LowerOptions {
  readonly threads: number;
  /** Whether it is the relaxed build that will run; by default it is. */
  readonly fused?: boolean;
  /** Node name or op name → algorithm. */
  readonly algorithms?: Readonly<Record<string, string>>;
}

/** Names of the legal algorithms of a node, the default first. */
export function algorithmNames(graph: Graph, node: Node): readonly string[] {
  return node.op.alias ? ['alias'] : legalAlgorithms(graph, node).map(({ name }) => name);
}

export function lower(graph: Graph, options: LowerOptions): Lowered {
  return new Lowering(fuseUpdates(graph), options).run();
}

class Lowering {
  private readonly buffers: Buffer[] = [];
  private readonly steps: Step[] = [];
  private readonly preparations: Step[] = [];
  private readonly bufferOf = new Map<number, number>();
  private readonly packedBuffers = new Map<string, number>();
  /** Index of the last node that reads the bytes of a value; Infinity where they outlive the nodes. */
  private readonly lastUse = new Map<number, number>();
  /** The value whose bytes a value shares by reshaping. */
  private readonly root = new Map<number, number>();

  constructor(
    private readonly graph: Graph,
    private readonly options: LowerOptions,
  ) {}

  run(): Lowered {
    const { graph } = this;
    this.findLastUses();
    for (const id of graph.inputs.values()) this.place(id, 'arena');
    graph.nodes.forEach((node, index) => {
      for (const id of node.inputs) if (!this.bufferOf.has(id)) this.place(id, 'variable');
      this.placeOutputs(node, index);
      if (!node.op.alias) this.lowerNode(node);
    });
    for (const id of graph.outputs.values()) if (!this.bufferOf.has(id)) this.place(id, 'variable');
    return { buffers: this.buffers, steps: this.steps, preparation: this.preparations, bufferOf: this.bufferOf };
  }

  private findLastUses(): void {
    const { graph } = this;
    const rootOf = (id: number): number => this.root.get(id) ?? id;
    graph.nodes.forEach((node, index) => {
      for (const id of node.inputs) this.lastUse.set(rootOf(id), index);
      if (node.op.alias) this.root.set(node.outputs[0], rootOf(node.inputs[0]));
    });
    for (const id of graph.outputs.values()) this.lastUse.set(rootOf(id), Number.POSITIVE_INFINITY);
  }

  private place(id: number, home: 'arena' | 'variable'): number {
    const value = this.graph.values[id];
    if (home === 'variable' && value.kind !== 'variable') {
      throw new GraphError(`'${value.name}' is read before any node computes it`);
    }
    return this.own(id, {
      name: value.name,
      bytes: bytesOf(value),
      home,
      variable: home === 'variable' ? id : undefined,
    });
  }

  private own(id: number, buffer: Buffer): number {
    const index = this.buffers.push(buffer) - 1;
    this.bufferOf.set(id, index);
    return index;
  }

  private placeOutputs(node: Node, index: number): void {
    node.outputs.forEach((id, output) => {
      const over = this.overwritten(node, output, index);
      if (over === undefined) this.place(id, 'arena');
      else this.bufferOf.set(id, this.bufferOf.get(over) as number);
    });
  }

  /** The input whose bytes output `output` may take: by reshaping, as an update, or because nobody reads it again. */
  private overwritten(node: Node, output: number, index: number): number | undefined {
    const { graph } = this;
    if (node.op.alias) return node.inputs[0];
    const pairs = (node.op.inPlace ?? []).filter(([to]) => to === output).map(([, from]) => node.inputs[from]);
    for (const [variable, updated] of graph.updates) {
      if (updated !== node.outputs[output]) continue;
      const name = graph.values[variable].name;
      if (!pairs.includes(variable))
        throw new GraphError(`node '${node.name}' cannot update variable '${name}' in place`);
      const late = graph.nodes.slice(index + 1).find((other) => other.inputs.includes(variable));
      if (late)
        throw new GraphError(`node '${late.name}' reads variable '${name}' after node '${node.name}' has updated it`);
      return variable;
    }
    return pairs.find((id) => {
      const root = this.root.get(id) ?? id;
      return graph.values[root].kind === 'intermediate' && this.lastUse.get(root) === index;
    });
  }

  private algorithm(node: Node): Algorithm {
    const legal = legalAlgorithms(this.graph, node);
    if (legal.length === 0)
      throw new BackendError(`the wasm backend has no kernel for op ${node.op.name} (node '${node.name}')`);
    const forced = this.options.algorithms?.[node.name] ?? this.options.algorithms?.[node.op.name];
    if (forced === undefined) return legal[0];
    const found = legal.find((algorithm) => algorithm.name === forced);
    if (!found) {
      throw new BackendError(
        `node '${node.name}': ${node.op.name} has no algorithm '${forced}' (there are: ${legal.map(({ name }) => name).join(', ')})`,
      );
    }
    return found;
  }

  private lowerNode(node: Node): void {
    const algorithm = this.algorithm(node);
    const word = (id: number): Word => ({ buffer: this.bufferOf.get(id) as number });
    const add = (to: Step[], kernel: string, words: readonly Word[], main: boolean): void => {
      to.push({ kernel, words, node, algorithm: algorithm.name, main });
    };
    const temporary = (name: string, bytes: number): Word => ({
      buffer: this.buffers.push({ name: `${node.name}/${name}`, bytes, home: 'arena' }) - 1,
    });
    const context: LowerContext = {
      node,
      threads: this.options.threads,
      fused: this.options.fused ?? true,
      shape: (id) => this.graph.values[id].shape,
      dtype: (id) => this.graph.values[id].dtype,
      input: (index) => word(node.inputs[index]),
      output: (index) => word(node.outputs[index]),
      optionalInput: (index) => (index < node.inputs.length ? word(node.inputs[index]) : 0),
      scratch: (bytes) => {
        const perThread = Math.ceil(bytes / 64) * 64 + slack;
        return [temporary('scratch', perThread * this.options.threads), perThread];
      },
      temporary,
      packed: (index, key, bytes, kernel, words) => {
        const id = node.inputs[index];
        const kept = this.graph.values[id].kind === 'variable' && !this.graph.updates.has(id);
        if (!kept) {
          const to = temporary(key, bytes);
          add(this.steps, kernel, words(word(id), to), false);
          return to;
        }
        const name = `${this.graph.values[id].name}: ${key}`;
        const known = this.packedBuffers.get(name);
        if (known !== undefined) return { buffer: known };
        const buffer = this.buffers.push({ name, bytes, home: 'packed', variable: id }) - 1;
        this.packedBuffers.set(name, buffer);
        add(this.preparations, kernel, words(word(id), { buffer }), false);
        return { buffer };
      },
      step: (kernel, words) => add(this.steps, kernel, words, true),
      preparation: (kernel, words) => add(this.steps, kernel, words, false),
    };
    algorithm.lower(context);
  }
}
