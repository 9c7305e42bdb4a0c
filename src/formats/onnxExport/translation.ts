/** A graph in ONNX's words: messages to be encoded, and initializers whose content is read when it is written. */
import { ArgumentError, GraphError } from '../../errors.js';
import type { Graph, Node, Value } from '../../graph/graph.js';
import { bytesOf, elements, formatShape } from '../../ops/define.js';
import { onnxDataType } from '../onnxSchema.js';
import type { OnnxAttributes, RuleScope } from './rule.js';
import { rules } from './rules.js';

/** The content of a variable by name. */
export type WeightReader = (name: string) => Float32Array | Promise<Float32Array>;

interface OnnxNode {
  readonly opType: string;
  readonly name: string;
  readonly input: readonly string[];
  readonly output: readonly string[];
  readonly attribute: readonly object[];
}

export interface Initializer {
  /** A constant belongs to the graph, a weight is a variable's content. */
  readonly kind: 'weight' | 'constant';
  readonly name: string;
  readonly dims: readonly number[];
  readonly dataType: number;
  readonly bytes: number;
  readonly read: () => Promise<ArrayBufferView>;
}

export class Translation {
  /** NodeProto, in the order of execution. */
  readonly node: OnnxNode[] = [];
  /** ValueInfoProto */
  readonly input: readonly object[];
  readonly output: readonly object[];
  readonly initializers: Initializer[] = [];
  /** By value id. */
  private readonly names = new Map<number, string>();
  private readonly taken = new Set<string>();
  private readonly nodeNames: Set<string>;
  private readonly batch: number | undefined;

  /** @param anyBatch leaves the first dimension of inputs and outputs open where it is the graph's batch size */
  constructor(
    private readonly graph: Graph,
    private readonly anyBatch: boolean,
    private readonly weights: WeightReader,
  ) {
    const { values, inputs, outputs, nodes } = graph;
    const firstInput = [...inputs.values()][0];
    this.batch = firstInput === undefined ? undefined : values[firstInput].shape[0];
    // Names that callers rely on come first; a value whose own name is then taken gets another.
    for (const [name, id] of inputs) this.names.set(id, unique(name, this.taken));
    const copies: [string, number][] = [];
    for (const [name, id] of outputs) {
      if (this.taken.has(name)) throw new GraphError(`graph '${graph.name}': '${name}' is both an input and an output`);
      this.taken.add(name);
      if (this.names.has(id) || values[id].kind === 'variable') copies.push([name, id]);
      else this.names.set(id, name);
    }
    for (const { id, name } of values) if (!this.names.has(id)) this.names.set(id, unique(name, this.taken));

    const used = new Set([...nodes.flatMap((node) => node.inputs), ...outputs.values()]);
    for (const value of values) if (value.kind === 'variable' && used.has(value.id)) this.addVariable(value);
    this.nodeNames = new Set(nodes.map(({ name }) => name));
    for (const node of nodes) this.translate(node);
    for (const [name, id] of copies) {
      this.addNode('Identity', unique(`${name}/copy`, this.nodeNames), [this.nameOf(id)], [name], {});
    }
    this.input = [...inputs].map(([name, id]) => this.valueInfo(name, values[id]));
    this.output = [...outputs].map(([name, id]) => this.valueInfo(name, values[id]));
  }

  private translate(node: Node): void {
    const { name, op } = node;
    const rule = rules.get(op.name);
    if (!rule) {
      throw new GraphError(
        `node '${name}': op '${op.name}' cannot be written to ONNX, only the ops of inference graphs can`,
      );
    }
    // The first of several ONNX nodes has the node's own name.
    let first = true;
    const scope: RuleScope = {
      node,
      inputTypes: node.inputs.map((id) => this.graph.values[id]),
      inputs: node.inputs.map((id) => this.nameOf(id)),
      outputs: node.outputs.map((id) => this.nameOf(id)),
      name: (what) => unique(`${name}/${what}`, this.taken),
      emit: (opType, inputs, attributes = {}, into = scope.name(opType.toLowerCase())) => {
        scope.emitAll(opType, inputs, attributes, [into]);
        return into;
      },
      emitAll: (opType, inputs, attributes, outputs) => {
        const nodeName = first ? name : unique(`${name}/${opType.toLowerCase()}`, this.nodeNames);
        first = false;
        this.addNode(opType, nodeName, inputs, outputs, attributes);
      },
      floats: (what, shape, content) => this.addConstant(scope.name(what), shape, 'f32', Float32Array.from(content)),
      integers: (what, content, shape = [content.length]) =>
        this.addConstant(scope.name(what), shape, 'i64', BigInt64Array.from(content, BigInt)),
    };
    rule(scope);
  }

  private addNode(
    opType: string,
    name: string,
    input: readonly string[],
    output: readonly string[],
    attributes: OnnxAttributes,
  ): void {
    const attribute = Object.entries(attributes).map(([key, value]) => ({ name: key, ...value }));
    this.node.push({ opType, name, input, output, attribute });
  }

  private addVariable(value: Value): void {
    const { name, shape } = value;
    const read = async () => {
      const data = await this.weights(name);
      if (data.length === elements(shape)) return data;
      throw new ArgumentError(
        `weight '${name}' of shape ${formatShape(shape)} needs ${elements(shape)} values, got ${data.length}`,
      );
    };
    const dataType = onnxDataType.f32;
    this.initializers.push({
      kind: 'weight',
      name: this.nameOf(value.id),
      dims: shape,
      dataType,
      bytes: bytesOf(value),
      read,
    });
  }

  private addConstant(
    name: string,
    dims: readonly number[],
    type: 'f32' | 'i64',
    content: Float32Array | BigInt64Array,
  ): string {
    const read = async () => content;
    const dataType = onnxDataType[type];
    this.initializers.push({ kind: 'constant', name, dims, dataType, bytes: content.byteLength, read });
    return name;
  }

  private valueInfo(name: string, { dtype, shape }: Value): object {
    const dim = shape.map((extent, i) =>
      this.anyBatch && i === 0 && extent === this.batch ? { dimParam: 'N' } : { dimValue: extent },
    );
    return { name, type: { tensorType: { elemType: onnxDataType[dtype], shape: { dim } } } };
  }

  private nameOf(id: number): string {
    return this.names.get(id) ?? this.graph.values[id].name;
  }
}

function unique(wanted: string, taken: Set<string>): string {
  let name = wanted;
  for (let i = 2; taken.has(name); i++) name = `${wanted}_${i}`;
  taken.add(name);
  return name;
}
