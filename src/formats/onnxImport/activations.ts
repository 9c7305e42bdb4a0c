/** Ops of ONNX that keep the shape: activations, local response normalisation, softmax, dropout. */
import type { Value } from '../../graph/graph.js';
import { elements } from '../../ops/define.js';
import { computed, type Importer, type NodeScope } from './operands.js';

const relu: Importer = (scope) => [computed(scope.g.relu(scope.value(0), scope.options()))];
const sigmoid: Importer = (scope) => [computed(scope.g.sigmoid(scope.value(0), scope.options()))];
const tanh: Importer = (scope) => [computed(scope.g.tanh(scope.value(0), {}, scope.options()))];

const leakyRelu: Importer = (scope) => [
  computed(scope.g.leakyRelu(scope.value(0), { slope: scope.number('alpha', 0.01) }, scope.options())),
];

/** The limits were attributes up to opset 10; either may be left out. */
const clip: Importer = (scope) => {
  const limit = (name: 'min' | 'max', index: number): object => {
    if (scope.opset < 11) return scope.node.attributes.has(name) ? { [name]: scope.number(name) } : {};
    return scope.has(index) ? { [name]: scope.constant(index)[0] } : {};
  };
  return [computed(scope.g.clip(scope.value(0), { ...limit('min', 1), ...limit('max', 2) }, scope.options()))];
};

/** alpha is divided by the size of the window, and windows of even size have one channel more behind than before. */
const lrn: Importer = (scope) => {
  const attributes = {
    size: scope.integer('size'),
    alpha: scope.number('alpha', 1e-4),
    beta: scope.number('beta', 0.75),
    k: scope.number('bias', 1),
    alphaPer: 'window',
    evenWindow: 'onnx',
  } as const;
  return [computed(scope.g.lrn(scope.value(0), attributes, scope.options()))];
};

/**
 * Rows of softmax: up to opset 12 all dimensions from the axis on are one (1 by default); from then on it is the axis alone (the last
 * by default), and what follows it must be of extent 1, since nothing is transposed here.
 */
function alongRows(apply: (scope: NodeScope, rows: Value) => Value): Importer {
  return (scope) => {
    const x = scope.value(0);
    const { shape } = x;
    const axis = scope.axis(scope.integer('axis', scope.opset < 13 ? 1 : -1), shape.length);
    if (scope.opset >= 13 && elements(shape.slice(axis + 1)) !== 1) {
      throw scope.fail(
        `attribute 'axis' is ${axis} of [${shape.join(', ')}]: only the last one, or one before extents of 1`,
      );
    }
    const rows = [elements(shape.slice(0, axis)), elements(shape.slice(axis))];
    const isFlat = shape.length === 2 && axis === 1;
    const y = apply(scope, isFlat ? x : scope.g.reshape(x, rows, scope.options('rows')));
    return [computed(isFlat ? y : scope.g.reshape(y, shape, scope.options('shape')))];
  };
}

/** In the graphs that train; elsewhere the identity. Whether the exporter was training ('training_mode') is of no interest. */
const dropout: Importer = (scope) => {
  scope.ignore('seed');
  const ratio = scope.opset >= 12 && scope.has(1) ? scope.constant(1)[0] : undefined;
  const probability = ratio ?? (scope.opset >= 12 ? 0.5 : scope.number('ratio', 0.5));
  const { random } = scope.into;
  const x = scope.operand(0);
  if (!random || x.kind !== 'value' || probability === 0) return [x];
  scope.into.streams++;
  return [computed(scope.g.dropout(x.value, random, { probability, stream: scope.into.streams }, scope.options()))];
};

export const activationImporters: readonly (readonly [string, Importer])[] = [
  ['Relu', relu],
  ['LeakyRelu', leakyRelu],
  ['Clip', clip],
  ['Tanh', tanh],
  ['Sigmoid', sigmoid],
  ['LRN', lrn],
  ['Softmax', alongRows((scope, rows) => scope.g.softmax(rows, scope.options()))],
  ['LogSoftmax', alongRows((scope, rows) => scope.g.logSoftmax(rows, scope.options()))],
  ['Dropout', dropout],
];
