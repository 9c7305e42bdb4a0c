/** The same structure for another number of classes: its last layer has another shape. */
import { GraphError } from '../../errors.js';
import type { Structure, StructureNode } from './structure.js';

/** Ops between the last layer and the logits that do not mix classes. */
const transparent = new Set([
  'Identity',
  'Relu',
  'LeakyRelu',
  'Clip',
  'Tanh',
  'Sigmoid',
  'Dropout',
  'Cast',
  'MaxPool',
  'AveragePool',
  'GlobalAveragePool',
  'Flatten',
  'Reshape',
  'Squeeze',
  'Unsqueeze',
]);

/** @throws GraphError where the logits do not come from a layer of their own */
export function withOtherClasses(structure: Structure, logits: string, classes: number, wanted: number): Structure {
  const makers = new Map(structure.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)));
  const tensors = new Map(structure.tensors);
  const constants = new Map(structure.constants);
  const nodes = new Map(structure.nodes.map((node) => [node, node]));
  const resize = (name: string, axis: number) => {
    const shape = structure.tensors.get(name);
    if (shape?.[axis] !== classes) throw new GraphError(`tensor '${name}' has no extent of ${classes} classes`);
    const readers = structure.nodes.filter(({ inputs }) => inputs.includes(name)).length;
    if (readers !== 1) throw new GraphError(`tensor '${name}' has a part in ${readers} layers`);
    tensors.set(name, shape.with(axis, wanted));
    constants.delete(name);
  };
  let value = logits;
  // Each step goes to an earlier node.
  for (const _ of structure.nodes) {
    const node = makers.get(value);
    if (!node) break;
    const axis = classAxis(node);
    if (axis !== undefined) {
      resize(node.inputs[1], axis);
      const bias = node.inputs[2];
      if (bias) resize(bias, biasAxis(structure.tensors.get(bias) ?? [], classes));
      return { ...structure, tensors, constants, nodes: structure.nodes.map((each) => nodes.get(each) ?? each) };
    }
    if (!transparent.has(node.op)) break;
    const target = node.op === 'Reshape' ? constants.get(node.inputs[1]) : undefined;
    if (target) {
      const name = `${node.inputs[1]}/classes`;
      const values = target.values.map((extent, i) => (i > 0 && extent === classes ? wanted : extent));
      constants.set(name, { ...target, values });
      nodes.set(node, { ...node, inputs: [node.inputs[0], name] });
    }
    value = node.inputs[0];
  }
  const node = makers.get(value);
  throw new GraphError(
    `the logits come from ${node ? `node '${node.name}' (${node.op})` : `'${value}'`}, expected a layer with one output for each class`,
  );
}

/** The axis of the weight that has the outputs of a layer. */
function classAxis({ op, attributes }: StructureNode): number | undefined {
  if (op === 'Conv') return (attributes.get('group') ?? 1) === 1 ? 0 : undefined;
  if (op === 'Gemm') return attributes.get('transB') === 1 ? 0 : 1;
  return op === 'MatMul' ? 1 : undefined;
}

function biasAxis(shape: readonly number[], classes: number): number {
  return shape.lastIndexOf(classes);
}
