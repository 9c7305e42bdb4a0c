/** A backend with a fault planted in it: what a kernel with that bug would give. */
import type {
  Backend,
  BackendInfo,
  CompileOptions,
  Executable,
  RunOptions,
  RunResult,
  Storage,
  TypedArray,
} from '../../src/backends/backend.js';
import type { Graph, Node } from '../../src/graph/graph.js';
import type { Attributes, TensorType } from '../../src/ops/define.js';

/** One output of a node, after a run that was right. */
export interface Spoiled {
  readonly node: Node;
  readonly type: TensorType;
  readonly output: Float32Array;
  /** What the last run would have left in the output's buffer, had it been right. */
  readonly previous: Float32Array;
  /** Inputs of the run (variables are missing). */
  readonly inputs: readonly TypedArray[];
}

export interface Fault {
  readonly name: string;
  /** Op whose cases should catch it. */
  readonly op: string;
  /** Node op that has the fault; the op and all of its gradients when absent. */
  readonly node?: string;
  /** The case that has to catch it, where one of them matters. */
  readonly caughtBy?: RegExp;
  /** Makes the backend compute with other attributes. */
  rewrite?(attributes: Attributes): Attributes;
  /** Changes the output. */
  spoil?(spoiled: Spoiled): void;
}

export class FaultyBackend implements Backend {
  readonly info: BackendInfo;

  constructor(
    private readonly inner: Backend,
    private readonly fault: Fault,
  ) {
    this.info = inner.info;
  }

  allocate(type: TensorType, label: string): Storage {
    return this.inner.allocate(type, label);
  }

  algorithms(graph: Graph, node: Node): readonly string[] {
    return this.inner.algorithms(graph, node);
  }

  async compile(graph: Graph, variables: ReadonlyMap<number, Storage>, options?: CompileOptions): Promise<Executable> {
    const { fault } = this;
    const [node] = graph.nodes;
    if (fault.node !== undefined && fault.node !== node.op.name) return this.inner.compile(graph, variables, options);
    const attributes = fault.rewrite?.(node.attributes) ?? node.attributes;
    const executable = await this.inner.compile({ ...graph, nodes: [{ ...node, attributes }] }, variables, options);
    return new FaultyExecutable(executable, fault);
  }

  close(): Promise<void> {
    return this.inner.close();
  }
}

class FaultyExecutable implements Executable {
  readonly graph: Graph;
  private readonly left = new Map<string, Float32Array>();

  constructor(
    private readonly inner: Executable,
    private readonly fault: Fault,
  ) {
    this.graph = inner.graph;
  }

  get plan() {
    return this.inner.plan;
  }

  async run(inputs: Readonly<Record<string, TypedArray>>, options?: RunOptions): Promise<RunResult> {
    const result = await this.inner.run(inputs, options);
    for (const [name, id] of this.graph.outputs) {
      const output = result.outputs[name];
      const previous = this.left.get(name) ?? new Float32Array(output.length);
      this.left.set(name, output.slice());
      const spoiled = { node: this.graph.nodes[0], type: this.graph.values[id], output, previous };
      this.fault.spoil?.({ ...spoiled, inputs: Object.values(inputs) });
    }
    return result;
  }

  prepare(): Promise<void> {
    return this.inner.prepare();
  }

  free(): void {
    this.inner.free();
  }
}
