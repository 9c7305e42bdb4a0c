/**
 * Poolings. ONNX has a `ceil_mode`, but its readers differ on whether a window may start beyond the image and on what the mean of a
 * window that reaches over the edge is divided by; so windows that round up are written as more padding, which leaves no choice.
 */
import { type AdaptiveAvgPoolAttributes, adaptiveSpan } from '../../ops/adaptiveAvgPool.js';
import type { AvgPoolAttributes } from '../../ops/avgPool.js';
import { type PoolAttributes, type PoolGeometry, poolGeometry } from '../../ops/lib/pooling.js';
import type { MaxPoolAttributes } from '../../ops/maxPool.js';
import { int, ints, type RuleScope } from './rule.js';

export function writeMaxPool(scope: RuleScope, attributes: MaxPoolAttributes): void {
  const g = geometry(scope, attributes);
  scope.emit('MaxPool', scope.inputs, windows(attributes, [g.top, g.left, ...reach(g)]), scope.outputs[0]);
}

/**
 * ONNX divides by the cells of the image or by those of the whole window. With `count: 'all'` a window that reaches over the padding is
 * divided by fewer: then the padding is added to the image first, as cells like any other.
 */
export function writeAvgPool(scope: RuleScope, attributes: AvgPoolAttributes): void {
  const { inputs, outputs } = scope;
  const g = geometry(scope, attributes);
  const [bottom, right] = reach(g);
  const beyond = [Math.max(0, bottom - g.bottom), Math.max(0, right - g.right)];
  if (attributes.count === 'inside' || beyond.every((cells) => cells === 0)) {
    const padding = [g.top, g.left, bottom, right];
    const count = { count_include_pad: int(Number(attributes.count === 'all')) };
    scope.emit('AveragePool', inputs, { ...windows(attributes, padding), ...count }, outputs[0]);
    return;
  }
  const padded = writePad(scope, inputs[0], [g.top, g.left, g.bottom, g.right]);
  scope.emit('AveragePool', [padded], windows(attributes, [0, 0, ...beyond]), outputs[0]);
}

/** Zeros around the last two dimensions of x [N, C, H, W]: [top, left, bottom, right]. */
export function writePad(scope: RuleScope, x: string, [top, left, bottom, right]: readonly number[]): string {
  return scope.emit('Pad', [x, scope.integers('padding', [0, 0, top, left, 0, 0, bottom, right])]);
}

/**
 * Windows that are all of one size and equally far apart are an average pooling. Others are sums by two products with matrices of
 * zeros and ones, across and down, divided by the cells of each window.
 */
export function writeAdaptiveAvgPool(scope: RuleScope, attributes: AdaptiveAvgPoolAttributes): void {
  const { inputs, outputs, inputTypes } = scope;
  const [height, width] = inputTypes[0].shape.slice(2);
  const [rows, columns] = attributes.size as readonly number[];
  const [down, across] = [spans(rows, height), spans(columns, width)];
  const [vertical, horizontal] = [uniform(down), uniform(across)];
  if (vertical && horizontal) {
    const kernel = ints([vertical.size, horizontal.size]);
    const stride = ints([vertical.step, horizontal.step]);
    scope.emit('AveragePool', inputs, { kernel_shape: kernel, strides: stride }, outputs[0]);
    return;
  }
  const inside = ([first, end]: Span, cell: number) => (cell >= first && cell < end ? 1 : 0);
  const acrossOnes = indices(width).flatMap((column) => across.map((span) => inside(span, column)));
  const downOnes = down.flatMap((span) => indices(height).map((row) => inside(span, row)));
  const counts = down.flatMap(([top, bottom]) => across.map(([left, right]) => (bottom - top) * (right - left)));
  const rowSums = scope.emit('MatMul', [inputs[0], scope.floats('across', [width, columns], acrossOnes)]);
  const sums = scope.emit('MatMul', [scope.floats('down', [rows, height], downOnes), rowSums]);
  scope.emit('Div', [sums, scope.floats('cells', [rows, columns], counts)], {}, outputs[0]);
}

/** First cell and the cell after the last. */
type Span = readonly [number, number];

function spans(count: number, extent: number): Span[] {
  return indices(count).map((i) => adaptiveSpan(i, count, extent));
}

/** Size and distance of the windows where they are the same for all; a cell that several windows share alone has no distance. */
function uniform(windows: readonly Span[]): { readonly size: number; readonly step: number } | undefined {
  const [[first, end], second] = windows;
  const size = end - first;
  const step = second ? second[0] : size;
  const same = windows.every(([start, stop], i) => start === i * step && stop - start === size);
  return same && step > 0 ? { size, step } : undefined;
}

function indices(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

function geometry({ node, inputTypes }: RuleScope, attributes: PoolAttributes): PoolGeometry {
  return poolGeometry(node.op.name, attributes, inputTypes[0].shape);
}

function windows({ kernel, stride }: PoolAttributes, padding: readonly number[]) {
  return { kernel_shape: ints(kernel), strides: ints(stride), pads: ints(padding) };
}

/** Padding [bottom, right] in which the last windows end, so that rounding down gives as many as there are. */
function reach(g: PoolGeometry): readonly [number, number] {
  return [
    Math.max(0, (g.outHeight - 1) * g.strideY + g.kernelHeight - g.inHeight - g.top),
    Math.max(0, (g.outWidth - 1) * g.strideX + g.kernelWidth - g.inWidth - g.left),
  ];
}
