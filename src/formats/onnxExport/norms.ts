/**
 * Local response normalisations. ONNX has one, across all channels; its readers want windows of odd size and factors above 0. Others are
 * written out: the mean of the squares over a window is an average pooling that counts the padding, and
 *
 *   y = x / (k + a·cells·mean)^β
 */
import type { LrnAttributes } from '../../ops/lrn.js';
import { lrnCoefficient, lrnReach } from '../../ops/lrn.js';
import type { LrnWithinAttributes } from '../../ops/lrnWithin.js';
import { lrnWithinCoefficient, lrnWithinReach } from '../../ops/lrnWithin.js';
import { float, int, ints, type RuleScope } from './rule.js';

export function writeLrn(scope: RuleScope, attributes: LrnAttributes): void {
  const { size, alpha, beta, k, groups } = attributes;
  if (size % 2 === 0 || alpha === 0 || beta === 0) {
    writeLrnAsPooling(scope, attributes);
    return;
  }
  const { inputs, outputs, inputTypes } = scope;
  const written = {
    size: int(size),
    alpha: float(lrnCoefficient(attributes) * size),
    beta: float(beta),
    bias: float(k),
  };
  if (groups === 1) {
    scope.emit('LRN', inputs, written, outputs[0]);
    return;
  }
  const perGroup = new Array<number>(groups).fill(inputTypes[0].shape[1] / groups);
  const pieces = perGroup.map((_, group) => scope.name(`group${group}`));
  scope.emitAll('Split', [inputs[0], scope.integers('groups', perGroup)], { axis: int(1) }, pieces);
  const normalised = pieces.map((piece) => scope.emit('LRN', [piece], written));
  scope.emit('Concat', normalised, { axis: int(1) }, outputs[0]);
}

/** The channels of a group become the rows of an image, each pixel a column of it, the groups its channels. */
function writeLrnAsPooling(scope: RuleScope, attributes: LrnAttributes): void {
  const { size, groups } = attributes;
  const [, channels, height, width] = scope.inputTypes[0].shape;
  const rows = scope.integers('rows', [0, groups, channels / groups, height * width]);
  const x = scope.emit('Reshape', [scope.inputs[0], rows]);
  const { before, after } = lrnReach(attributes);
  const window = { kernel: [size, 1], padding: [before, 0, after, 0] };
  const y = writeNormalised(scope, x, window, lrnCoefficient(attributes), attributes);
  const maps = scope.integers('maps', [0, channels, height, width]);
  scope.emit('Reshape', [y, maps], {}, scope.outputs[0]);
}

export function writeLrnWithin(scope: RuleScope, attributes: LrnWithinAttributes): void {
  const { size } = attributes;
  const { before, after } = lrnWithinReach(attributes);
  const window = { kernel: [size, size], padding: [before, before, after, after] };
  const a = lrnWithinCoefficient(attributes);
  writeNormalised(scope, scope.inputs[0], window, a, attributes, scope.outputs[0]);
}

interface Window {
  readonly kernel: readonly number[];
  /** [top, left, bottom, right], of zeros that are added up with the others. */
  readonly padding: readonly number[];
}

/** x [N, C, H, W] divided by (k + a·Σx²)^β. */
function writeNormalised(
  scope: RuleScope,
  x: string,
  { kernel, padding }: Window,
  a: number,
  { k, beta }: { readonly k: number; readonly beta: number },
  into?: string,
): string {
  const number = (what: string, value: number) => scope.floats(what, [], [value]);
  const squares = scope.emit('Mul', [x, x]);
  const pooling = { kernel_shape: ints(kernel), pads: ints(padding), count_include_pad: int(1) };
  const mean = scope.emit('AveragePool', [squares], pooling);
  const term = scope.emit('Mul', [mean, number('alpha', a * kernel[0] * kernel[1])]);
  const sum = scope.emit('Add', [term, number('k', k)]);
  const power = scope.emit('Pow', [sum, number('beta', beta)]);
  return scope.emit('Div', [x, power], {}, into);
}
