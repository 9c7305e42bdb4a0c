/** From a structure to a graph: the nodes that the wanted values need, one after another. */
import { GraphError } from '../../errors.js';
import type { GraphBuilder } from '../../graph/builder.js';
import type { Value } from '../../graph/graph.js';
import { activationImporters } from './activations.js';
import { layerImporters } from './layers.js';
import { type Importer, NodeScope, type Operand, type Surroundings } from './operands.js';
import { poolingImporters } from './pooling.js';
import { shapeImporters } from './shapes.js';
import type { Structure, StructureNode } from './structure.js';

const importers: ReadonlyMap<string, Importer> = new Map([
  ...layerImporters,
  ...poolingImporters,
  ...activationImporters,
  ...shapeImporters,
]);

/** Extents of a shape that a graph of ours can have. */
const mostDimensions = 8;

export interface TranslateOptions {
  /** By the names that the structure has for its inputs. */
  readonly inputs: ReadonlyMap<string, Value>;
  /** Names of values that the graph is to have. */
  readonly wanted: readonly string[];
  readonly parameter: Surroundings['parameter'];
  readonly random?: Value;
}

/**
 * Adds nodes to a graph until it has the wanted values.
 *
 * @throws GraphError naming the node, its op, and the attribute or input that Tandem has no counterpart for
 */
export function translate(
  structure: Structure,
  g: GraphBuilder,
  { inputs, wanted, parameter, random }: TranslateOptions,
): ReadonlyMap<string, Value> {
  const operands = new Map<string, Operand>();
  for (const [name, shape] of structure.tensors) operands.set(name, { kind: 'tensor', name, shape });
  for (const [name, constant] of structure.constants) {
    if (!operands.has(name)) operands.set(name, { kind: 'constant', constant });
  }
  for (const [name, value] of inputs) operands.set(name, { kind: 'value', value });
  const into: Surroundings = {
    g,
    opset: structure.opset,
    batch: batchOf(structure, inputs),
    random,
    streams: 0,
    constantOf: (tensor) => structure.constants.get(tensor),
    parameter,
  };
  for (const node of neededNodes(structure, wanted)) {
    const results = importNode(node, into, operands);
    for (const [i, name] of node.outputs.entries()) {
      if (name === '') continue;
      if (operands.has(name)) throw new GraphError(`node '${node.name}' (${node.op}): '${name}' is computed twice`);
      const reason = `output ${i + 1} of node '${node.name}' (${node.op})`;
      operands.set(name, results[i] ?? { kind: 'missing', reason });
    }
  }
  return new Map(wanted.map((name) => [name, wantedValue(name, operands.get(name), parameter)]));
}

function batchOf({ inputs }: Structure, values: ReadonlyMap<string, Value>): Surroundings['batch'] {
  const [first] = inputs;
  return { declared: first?.shape?.[0] ?? null, actual: values.get(first?.name ?? '')?.shape[0] ?? 1 };
}

function neededNodes({ nodes }: Structure, wanted: readonly string[]): readonly StructureNode[] {
  const names = new Set(wanted);
  const needed: StructureNode[] = [];
  for (const node of [...nodes].reverse()) {
    if (!node.outputs.some((output) => output !== '' && names.has(output))) continue;
    for (const input of node.inputs) names.add(input);
    needed.push(node);
  }
  return needed.reverse();
}

function importNode(
  node: StructureNode,
  into: Surroundings,
  operands: ReadonlyMap<string, Operand>,
): readonly Operand[] {
  const what = `node '${node.name}' (${node.op})`;
  const importer = importers.get(node.op);
  if (!importer) {
    throw new GraphError(
      `${what}: there is no such op here; those of ONNX that can be imported are ${[...importers.keys()].join(', ')}`,
    );
  }
  const given = node.inputs.map((name) => {
    if (name === '') return undefined;
    const operand = operands.get(name);
    if (!operand) throw new GraphError(`${what}: '${name}' is computed by no node before it, and no tensor of numbers`);
    return operand;
  });
  const scope = new NodeScope(node, into, given);
  try {
    const results = importer(scope);
    scope.finish();
    for (const result of results) {
      if (result.kind === 'value' && result.value.shape.length > mostDimensions) {
        throw scope.fail(`${result.value.shape.length} dimensions are more than ${mostDimensions}`);
      }
    }
    return results;
  } catch (error) {
    if (!(error instanceof GraphError) || error.message.startsWith(what)) throw error;
    // The builder names the node too; its cause is what the op says.
    const { message } = error.cause instanceof GraphError ? error.cause : error;
    throw new GraphError(`${what}: ${message}`, { cause: error });
  }
}

function wantedValue(name: string, operand: Operand | undefined, parameter: Surroundings['parameter']): Value {
  if (operand?.kind === 'value') return operand.value;
  if (operand?.kind === 'tensor') return parameter(name, operand.shape, 'weight');
  throw new GraphError(`output '${name}' ${operand ? 'holds no floats that are computed' : 'is computed by no node'}`);
}
