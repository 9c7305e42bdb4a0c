/** Ops of ONNX that move nothing or whole pieces, and what exporters compute shapes with: numbers that are known are folded here. */
import type { Value } from '../../graph/graph.js';
import { elements, formatShape } from '../../ops/define.js';
import { computed, type Importer, type NodeScope, type Operand } from './operands.js';
import { type Constant, longestConstant } from './structure.js';

function known(shape: readonly number[], values: readonly number[]): Operand {
  return { kind: 'constant', constant: { shape, values } };
}

/** The numbers of an input that are known without looking into a tensor of floats. */
function constantAt(scope: NodeScope, index: number): Constant | undefined {
  const operand = scope.operand(index);
  return operand.kind === 'constant' ? operand.constant : undefined;
}

/** The same elements under another shape; nothing is added to the graph where it is the same shape. */
function reshaped(scope: NodeScope, x: Value, shape: readonly number[]): Operand {
  if (x.shape.length === shape.length && x.shape.every((extent, axis) => extent === shape[axis])) return computed(x);
  if (elements(shape) !== elements(x.shape)) {
    throw scope.fail(`${formatShape(x.shape)} does not have the elements of ${formatShape(shape)}`);
  }
  return computed(scope.g.reshape(x, shape, scope.options()));
}

/**
 * 0 stands for the extent of the input and −1 for what is left. A batch size that the file was written with, such as the 1 of
 * [1, 9216], becomes that of the graph where the input has it: see `batchExtent`.
 */
const reshape: Importer = (scope) => {
  const constant = constantAt(scope, 0);
  const target = scope.constant(1);
  if (scope.flag('allowzero') && target.includes(0))
    throw scope.fail(`attribute 'allowzero': empty tensors cannot be imported`);
  if (constant) {
    const length = target.length === 1 ? [constant.values.length] : [];
    if (target.length > 1 || elements(length) !== constant.values.length)
      throw scope.fail('expected a list of integers');
    return [known(length, constant.values)];
  }
  const x = scope.value(0);
  const stated = target.map((extent, axis) => (extent === 0 ? (x.shape[axis] ?? 0) : extent));
  if (stated.length > 0) stated[0] = batchExtent(scope, x, stated[0]);
  const rest = elements(x.shape) / elements(stated.filter((extent) => extent !== -1));
  return [
    reshaped(
      scope,
      x,
      stated.map((extent) => (extent === -1 ? rest : extent)),
    ),
  ];
};

/**
 * The first extent of a new shape. A file with a fixed batch size B states it where it flattens; a graph for N images has N there, if
 * the file states B and what is reshaped begins with N.
 */
function batchExtent({ into }: NodeScope, x: Value, stated: number): number {
  const { declared, actual } = into.batch;
  return stated === declared && x.shape[0] === actual ? actual : stated;
}

const flatten: Importer = (scope) => {
  const x = scope.value(0);
  const { length } = x.shape;
  const stated = scope.integer('axis', 1);
  const axis = stated === length ? length : scope.axis(stated, length);
  return [reshaped(scope, x, [elements(x.shape.slice(0, axis)), elements(x.shape.slice(axis))])];
};

/** The list of axes: an attribute up to opset 12, the second input from then on. */
function axesOf(scope: NodeScope): readonly number[] | undefined {
  if (scope.opset < 13) return scope.integers('axes');
  return scope.has(1) ? scope.constant(1) : undefined;
}

const squeeze: Importer = (scope) => {
  const constant = constantAt(scope, 0);
  const shape = constant?.shape ?? scope.shape(0);
  const axes = new Set(axesOf(scope)?.map((axis) => scope.axis(axis, shape.length)));
  const isGone = (extent: number, axis: number) => (axes.size > 0 ? axes.has(axis) : extent === 1);
  if (shape.some((extent, axis) => axes.has(axis) && extent !== 1)) {
    throw scope.fail(`axes [${[...axes].join(', ')}] of ${formatShape(shape)} must be of extent 1`);
  }
  const left = shape.filter((extent, axis) => !isGone(extent, axis));
  return [constant ? known(left, constant.values) : reshaped(scope, scope.value(0), left)];
};

const unsqueeze: Importer = (scope) => {
  const constant = constantAt(scope, 0);
  const shape = [...(constant?.shape ?? scope.shape(0))];
  const axes = axesOf(scope) ?? [];
  const rank = shape.length + axes.length;
  for (const axis of axes.map((one) => scope.axis(one, rank)).sort((a, b) => a - b)) shape.splice(axis, 0, 1);
  if (constant && shape.length > 1) throw scope.fail('integers of more than one dimension cannot be imported');
  return [constant ? known(shape, constant.values) : reshaped(scope, scope.value(0), shape)];
};

const identity: Importer = (scope) => [scope.operand(0)];

/** 'start' and 'end' are there from opset 15 on. */
const shapeOf: Importer = (scope) => {
  const constant = constantAt(scope, 0);
  const shape = constant?.shape ?? scope.shape(0);
  const values = shape.slice(scope.integer('start', 0), scope.integer('end', shape.length));
  return [known([values.length], values)];
};

const gather: Importer = (scope) => {
  const constant = constantAt(scope, 0);
  const indices = constantAt(scope, 1);
  if (!constant || !indices || constant.shape.length !== 1) throw scope.fail('only a shape can be gathered from');
  scope.axis(scope.integer('axis', 0), 1);
  return [
    known(
      indices.shape,
      indices.values.map((index) => constant.values[scope.axis(index, constant.values.length)]),
    ),
  ];
};

const concat: Importer = (scope) => {
  const all = Array.from({ length: scope.inputs }, (_, i) => i);
  const stated = scope.integer('axis');
  const constants = all.map((i) => constantAt(scope, i));
  if (constants.every((constant) => constant !== undefined)) {
    const count = constants.reduce((sum, { values }) => sum + values.length, 0);
    if (count > longestConstant) throw scope.fail(`${count} integers are more than ${longestConstant}`);
    if (constants.some(({ shape }) => shape.length !== 1))
      throw scope.fail('integers without dimensions cannot be joined');
    const values = constants.flatMap((constant) => constant.values);
    return [known([count], values)];
  }
  const values = all.map((i) => scope.value(i));
  const axis = scope.axis(stated, values[0].shape.length);
  return [computed(values.length === 1 ? values[0] : scope.g.concat(values, { axis }, scope.options()))];
};

/** Sizes are an attribute up to opset 12, then the second input; without them the pieces are equal, but for the last from opset 18 on. */
const split: Importer = (scope) => {
  const x = scope.value(0);
  const axis = scope.axis(scope.integer('axis', 0), x.shape.length);
  const pieces = scope.node.outputs.length;
  const stated = scope.opset < 13 ? scope.integers('split') : scope.has(1) ? scope.constant(1) : undefined;
  const count = scope.opset < 18 ? pieces : scope.integer('num_outputs', pieces);
  const extent = x.shape[axis];
  const size = Math.ceil(extent / pieces);
  const equal = Array.from({ length: pieces }, (_, i) => Math.min(size, extent - i * size));
  const sizes = stated ?? equal;
  if (sizes.length !== pieces || count !== pieces || (!stated && scope.opset < 18 && extent % pieces !== 0)) {
    throw scope.fail(
      `${formatShape(x.shape)} cannot be cut along axis ${axis} into ${pieces} outputs of [${sizes.join(', ')}]`,
    );
  }
  return scope.g.split(x, { axis, sizes }, scope.options()).map(computed);
};

/** TensorProto.DataType of what a tensor is cast to. */
const float = 1;
const integers = [6, 7];

const cast: Importer = (scope) => {
  const to = scope.integer('to');
  const constant = constantAt(scope, 0);
  if (constant && integers.includes(to)) return [known(constant.shape, constant.values.map(Math.trunc))];
  if (!constant && to === float) return [scope.operand(0)];
  throw scope.fail(`attribute 'to' is ${to}: only floats to float32, and integers to integers, can be imported`);
};

export const shapeImporters: readonly (readonly [string, Importer])[] = [
  ['Flatten', flatten],
  ['Reshape', reshape],
  ['Squeeze', squeeze],
  ['Unsqueeze', unsqueeze],
  ['Identity', identity],
  ['Concat', concat],
  ['Split', split],
  ['Shape', shapeOf],
  ['Gather', gather],
  ['Cast', cast],
];
