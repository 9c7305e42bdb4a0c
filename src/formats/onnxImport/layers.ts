/** Layers of ONNX with weights: convolutions, products of matrices, batch normalisation; and the sum of two branches. */
import type { Value } from '../../graph/graph.js';
import { formatShape, sameShape } from '../../ops/define.js';
import { computed, type Importer, type NodeScope } from './operands.js';
import { expectImages, kernelOf, shared, statedWindows, windowsOf } from './windows.js';

/** Shapes of the input and the weight of a convolution, both of four dimensions. */
function expectConvolution(scope: NodeScope): { readonly x: readonly number[]; readonly w: readonly number[] } {
  const x = expectImages(scope, 0);
  const w = scope.shape(1);
  if (w.length !== 4) throw scope.fail(`the weight must have 4 dimensions, got ${formatShape(w)}`);
  return { x, w };
}

const conv: Importer = (scope) => {
  const { x, w } = expectConvolution(scope);
  const { stride, padding, dilation } = windowsOf(scope, kernelOf(scope, w), x);
  const attributes = { stride, padding, dilation, groups: scope.integer('group', 1) };
  const [images, weight] = [scope.value(0), scope.value(1)];
  const bias = scope.has(2) ? scope.vector(2, w[0], 'bias') : undefined;
  return [computed(scope.g.conv2d(images, weight, bias, attributes, scope.options()))];
};

const convTranspose: Importer = (scope) => {
  const { x, w } = expectConvolution(scope);
  const groups = scope.integer('group', 1);
  const kernel = kernelOf(scope, w);
  const { stride, dilation, padding, auto } = statedWindows(scope);
  const outputPadding = scope.fixedIntegers('output_padding', [0, 0]);
  const stated = scope.integers('output_shape');
  // The last two; older files state all four.
  const wanted = auto.startsWith('SAME') ? [x[2] * stride[0], x[3] * stride[1]] : stated?.slice(-2);
  const attributes = { stride, dilation, groups, outputPadding, padding: wanted ? cut(wanted) : padding };
  const [images, weight] = [scope.value(0), scope.value(1)];
  const bias = scope.has(2) ? scope.vector(2, w[1] * groups, 'bias') : undefined;
  return [computed(scope.g.convTranspose2d(images, weight, bias, attributes, scope.options()))];

  /** The padding that leaves an output of the size that is wanted. */
  function cut(size: readonly number[]): readonly number[] {
    const surplus = [0, 1].map(
      (axis) =>
        stride[axis] * (x[2 + axis] - 1) + outputPadding[axis] + dilation[axis] * (kernel[axis] - 1) + 1 - size[axis],
    );
    if (size.length === 2 && surplus.every((cells) => cells >= 0)) {
      return shared(surplus, auto === 'SAME_UPPER' ? 'end' : 'begin');
    }
    throw scope.fail(`an output of [${size.join(', ')}] is larger than the kernels reach`);
  }
};

/** factor·x; nothing is added to the graph for 1. */
function scaled(scope: NodeScope, x: Value, factor: number, suffix: string): Value {
  return factor === 1 ? x : scope.g.scale(x, { factor }, scope.options(suffix));
}

function expectMatrix(scope: NodeScope, index: number): readonly number[] {
  const shape = scope.shape(index);
  if (shape.length === 2) return shape;
  throw scope.fail(`input ${index + 1} must have 2 dimensions, got ${formatShape(shape)}`);
}

interface Product {
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  readonly alpha: number;
  readonly beta: number;
}

/** alpha·A·B + beta·C: a fully connected layer where B is the weight, or else a product of two values. */
function product(scope: NodeScope, { transposeA, transposeB, alpha, beta }: Product): Value {
  const { g } = scope;
  expectMatrix(scope, 0);
  const columns = expectMatrix(scope, 1)[transposeB ? 0 : 1];
  const isWeight = scope.operand(1).kind === 'tensor' && !transposeA;
  const isLinear = isWeight || (transposeB && !transposeA);
  const weight = scope.value(1, isWeight && !transposeB ? 'transposed' : 'weight');
  const a = scaled(scope, scope.value(0), alpha, 'alpha');
  const c = scope.has(2) ? scope.shape(2) : undefined;
  // A value of two dimensions has the batch in the first of them.
  const isVector = c !== undefined && (c.length === 1 || scope.operand(2).kind === 'tensor');
  if (isLinear && isVector && c.at(-1) === columns && c.slice(0, -1).every((extent) => extent === 1)) {
    const bias = scaled(scope, scope.vector(2, columns, 'bias'), beta, 'beta');
    return g.linear(a, weight, bias, scope.options());
  }
  const sum = isLinear
    ? g.linear(a, weight, undefined, scope.options())
    : g.matMul(a, weight, { transposeA, transposeB }, scope.options());
  if (!c) return sum;
  if (!sameShape(c, sum.shape)) {
    throw scope.fail(
      `input 3 must have ${columns} elements (a bias) or be ${formatShape(sum.shape)}, got ${formatShape(c)}`,
    );
  }
  return g.add(sum, scaled(scope, scope.value(2, 'bias'), beta, 'beta'), scope.options('sum'));
}

const gemm: Importer = (scope) => {
  const [transposeA, transposeB] = [scope.flag('transA'), scope.flag('transB')];
  const [alpha, beta] = [scope.number('alpha', 1), scope.number('beta', 1)];
  return [computed(product(scope, { transposeA, transposeB, alpha, beta }))];
};

/** With a third input where the bias behind it was joined to it. */
const matMul: Importer = (scope) => [
  computed(product(scope, { transposeA: false, transposeB: false, alpha: 1, beta: 1 })),
];

const add: Importer = (scope) => {
  const [a, b] = [scope.shape(0), scope.shape(1)];
  if (!sameShape(a, b)) {
    throw scope.fail(
      `${formatShape(a)} and ${formatShape(b)} must be of one shape; other sums are imported only as the bias of the Conv or MatMul before`,
    );
  }
  return [computed(scope.g.add(scope.value(0), scope.value(1), scope.options()))];
};

const batchNormalization: Importer = (scope) => {
  const epsilon = scope.number('epsilon', 1e-5);
  scope.ignore('momentum');
  if (scope.integer('training_mode', 0) !== 0) throw scope.fail(`attribute 'training_mode' must be 0`);
  if (scope.integer('spatial', 1) !== 1) throw scope.fail(`attribute 'spatial' must be 1: one number for each channel`);
  const x = scope.value(0);
  const [factor, bias] = [scope.value(1, 'scale'), scope.value(2, 'bias')];
  const [mean, variance] = [scope.value(3, 'statistic'), scope.value(4, 'statistic')];
  return [computed(scope.g.batchNorm(x, { scale: factor, bias, mean, variance }, { epsilon }, scope.options()))];
};

export const layerImporters: readonly (readonly [string, Importer])[] = [
  ['Conv', conv],
  ['ConvTranspose', convTranspose],
  ['Gemm', gemm],
  ['MatMul', matMul],
  ['Add', add],
  ['BatchNormalization', batchNormalization],
];
