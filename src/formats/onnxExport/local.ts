/**
 * Locally connected layers, which ONNX has not. The cells that each output position reads are gathered into rows, and one product of
 * matrices for each position P multiplies them with its kernels:
 *
 *   x [N, C, H, W] → cells [N, C, P, kh·kw] → [P, N, C·kh·kw] × weight [P, C·kh·kw, O] → [P, N, O] → y [N, O, OH, OW]
 *
 * Nodes bring the weight [O, OH, OW, C, kh, kw] into that order, so that it is stored in ours; readers do it once, when they load it.
 */
import { type Local2dAttributes, local2dGeometry } from '../../ops/local2d.js';
import { writePad } from './pooling.js';
import { int, ints, type RuleScope } from './rule.js';

export function writeLocal2d(scope: RuleScope, attributes: Local2dAttributes): void {
  const { inputs, inputTypes, outputs } = scope;
  const [image, weight, bias] = inputs;
  const g = local2dGeometry('local2d', attributes, inputTypes[0].shape, inputTypes[1].shape);
  const [top, left, bottom, right] = attributes.padding as readonly number[];
  const padding = [top, left, bottom, right];
  const [height, width] = [g.inHeight + top + bottom, g.inWidth + left + right];
  const [positions, taps] = [g.outHeight * g.outWidth, g.kernelHeight * g.kernelWidth];
  const depth = g.inChannels * taps;

  const cells = Array.from({ length: positions * taps }, (_, at) => {
    const [position, tap] = [Math.floor(at / taps), at % taps];
    const row = Math.floor(position / g.outWidth) * g.strideY + Math.floor(tap / g.kernelWidth);
    const column = (position % g.outWidth) * g.strideX + (tap % g.kernelWidth);
    return row * width + column;
  });
  const reshape = (what: string, x: string, shape: readonly number[], into?: string) =>
    scope.emit('Reshape', [x, scope.integers(what, shape)], {}, into);
  const transpose = (x: string, order: readonly number[]) => scope.emit('Transpose', [x], { perm: ints(order) });

  const padded = padding.some((side) => side > 0) ? writePad(scope, image, padding) : image;
  const planes = reshape('planes', padded, [0, g.inChannels, height * width]);
  const gathered = scope.emit('Gather', [planes, scope.integers('cells', cells, [positions, taps])], { axis: int(2) });
  const rows = reshape('rows', transpose(gathered, [2, 0, 1, 3]), [positions, 0, depth]);
  const kernels = transpose(reshape('kernels', weight, [g.outChannels, positions, depth]), [1, 2, 0]);
  const products = transpose(scope.emit('MatMul', [rows, kernels]), [1, 2, 0]);
  const maps = [0, g.outChannels, g.outHeight, g.outWidth];
  if (bias === undefined) reshape('maps', products, maps, outputs[0]);
  else scope.emit('Add', [reshape('maps', products, maps), bias], {}, outputs[0]);
}
