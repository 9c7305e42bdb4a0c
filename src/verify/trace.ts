/**
 * Unfolds a case into the nodes to be checked: the op itself and the nodes that its gradient rule emits for every
 * floating-point input. Each is then checked alone, on inputs that are exactly float32, against the reference of its op.
 */
import { GraphBuilder } from '../graph/builder.js';
import type { Graph, Node, Value } from '../graph/graph.js';
import { type Accuracy, elements, exactAccuracy, type Judged, type Ref, type Tensor64 } from '../ops/define.js';
import { exact } from '../ops/lib/sums.js';
import { type Case, type CaseArray, type CaseInput, tensor } from './case.js';
import { content, incomingContent } from './data.js';

/** A node to be checked alone. */
export interface Check {
  readonly case: Case;
  /** 'forward', 'dataGradient', 'weightGradient', …: what the node computes for the op of the case. */
  readonly quantity: string;
  readonly node: Node;
  /** Values of the trace that the node reads, in order. */
  readonly inputs: readonly Value[];
  /** Content of the inputs. */
  readonly arrays: readonly CaseArray[];
  /** The node as a graph of its own: inputs 'in0', 'in1', …, outputs 'out0', …; see `isolate`. */
  readonly graph: Graph;
  /** The reference's values, and its bounds for an algorithm and the accuracy of a backend's elementary functions. */
  judge(accuracy: Accuracy, algorithm?: string): readonly Judged[];
}

/** The nodes of a case in order, forward first. Content and references are computed when asked for. */
export function trace(one: Case): readonly Check[] {
  const g = new GraphBuilder(one.name);
  const contents = new Map<number, () => CaseArray>();
  const declare = (name: string, input: CaseInput, fill: () => CaseArray): Value => {
    const value = input.variable
      ? g.variable(name, input.shape, { kind: 'constant', value: 0 }, { dtype: input.dtype })
      : g.input(name, input.shape, input.dtype);
    contents.set(value.id, once(fill));
    return value;
  };

  const inputs = one.inputs.map((input, i) => declare(`input${i}`, input, () => content(one, input, i)));
  const outputs = g.apply(one.op, inputs, one.attributes, { name: 'forward' });
  // Quantised weights are for inference: nothing is differentiated there.
  if (one.op.gradient && !inputs.some(({ dtype }) => dtype === 'i16')) {
    const incoming = outputs.map((output, i) => {
      const input = tensor(...output.shape);
      return declare(`gradient${i}`, input, () => incomingContent(one, input, inputs.length + i));
    });
    one.op.gradient({
      attributes: one.attributes,
      inputs,
      outputs,
      outputGradients: incoming,
      wanted: inputs.map((input) => input.dtype === 'f32'),
      emit: (op, refs, attributes) =>
        g.apply(op, refs.map(asValue), attributes, { name: quantityName(op.name, one.op.name), phase: 'backward' }),
    });
  }

  const graph = g.build();
  const used = new Set(graph.nodes.flatMap((node) => node.inputs));
  return graph.nodes.map((node) => check(one, graph, node, contents, used));
}

function check(
  one: Case,
  graph: Graph,
  node: Node,
  contents: Map<number, () => CaseArray>,
  used: ReadonlySet<number>,
): Check {
  const inputs = node.inputs.map((id) => graph.values[id]);
  const arrays = once(() => node.inputs.map((id) => contents.get(id)?.() ?? missing(graph.values[id])));
  const wide = once(() => inputs.map((value, i) => widen(value, arrays()[i])));
  const reference = cached((accuracy: Accuracy): readonly Judged[] => {
    const judged = node.op.reference(node.attributes, wide(), accuracy);
    node.outputs.forEach((id, i) => {
      if (used.has(id))
        contents.set(
          id,
          once(() => Float32Array.from(judged[i].data)),
        );
    });
    return judged;
  });
  const ownBounds = cached((algorithm: string) => node.op.bounds?.(algorithm, node.attributes, wide()));
  const judge = (accuracy: Accuracy, algorithm = ''): readonly Judged[] => {
    const judged = reference(accuracy);
    const bounds = ownBounds(algorithm);
    if (bounds) return judged.map(({ data }, i) => ({ data, bound: bounds[i], spreads: true }));
    // Sums of products of integers are exact in float32, whatever their order.
    if (one.data === 'integers') return judged.map(({ data }) => exact(data));
    return judged;
  };
  // Whoever reads an output before it has been judged asks for values only: any accuracy will do.
  node.outputs.forEach((id, i) => {
    contents.set(
      id,
      once(() => Float32Array.from(judge(exactAccuracy)[i].data)),
    );
  });
  return {
    case: one,
    quantity: node.name,
    node,
    inputs,
    get arrays() {
      return arrays();
    },
    graph: isolate(inputs, node),
    judge,
  };
}

/**
 * A graph of one node. What was a variable stays one, and is updated where the op writes an output over it (sgd's weight and
 * momentum), as in a training step.
 */
function isolate(inputs: readonly Value[], node: Node): Graph {
  const g = new GraphBuilder(node.name);
  const own = inputs.map((value, i) =>
    value.kind === 'variable'
      ? g.variable(`in${i}`, value.shape, { kind: 'constant', value: 0 }, { dtype: value.dtype })
      : g.input(`in${i}`, value.shape, value.dtype),
  );
  const outputs = g.apply(node.op, own, node.attributes, { name: node.op.name, phase: node.phase });
  outputs.forEach((value, i) => g.output(`out${i}`, value));
  for (const [output, input] of node.op.inPlace ?? []) {
    if (own[input].kind === 'variable') g.update(own[input], outputs[output]);
  }
  return g.build();
}

/** 'conv2dDataGradient' of 'conv2d' is 'dataGradient'; 'lrnGradient' too, having only one; 'reluGradient' of 'conv2d' stays as it is. */
function quantityName(op: string, parent: string): string {
  if (!op.startsWith(parent)) return op;
  const rest = op.slice(parent.length);
  return rest === '' || rest === 'Gradient' ? 'dataGradient' : rest[0].toLowerCase() + rest.slice(1);
}

function widen(value: Value, array: CaseArray): Tensor64 {
  return { dtype: value.dtype, shape: value.shape, data: Float64Array.from(array) };
}

/** Gradient rules hand back values of the builder that they were given. */
function asValue(ref: Ref): Value {
  return ref as Value;
}

function missing(value: Value): never {
  throw new Error(`the trace has no content for '${value.name}' of ${elements(value.shape)} elements`);
}

/** A function that computes once for each argument, told apart by its JSON. */
function cached<A, T>(compute: (argument: A) => T): (argument: A) => T {
  const kept = new Map<string, () => T>();
  return (argument) => {
    const key = JSON.stringify(argument);
    const value = kept.get(key) ?? once(() => compute(argument));
    kept.set(key, value);
    return value();
  };
}

function once<T>(compute: () => T): () => T {
  let kept: { readonly value: T } | undefined;
  return () => {
    kept ??= { value: compute() };
    return kept.value;
  };
}
