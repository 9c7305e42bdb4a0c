/** The attributes that convolutions and poolings of ONNX share. */
import type { NodeScope } from './operands.js';

export interface WindowAttributes {
  readonly kernel: readonly number[];
  readonly stride: readonly number[];
  /** [top, left, bottom, right], as ONNX has it too. */
  readonly padding: readonly number[];
  readonly dilation: readonly number[];
}

const autoPad = ['NOTSET', 'VALID', 'SAME_UPPER', 'SAME_LOWER'] as const;
type AutoPad = (typeof autoPad)[number];

/** Throws unless an input is [N, C, H, W]. */
export function expectImages(scope: NodeScope, index: number): readonly number[] {
  const shape = scope.shape(index);
  if (shape.length === 4) return shape;
  throw scope.fail(`input ${index + 1} must be [N, C, H, W], got ${shape.length} dimensions: [${shape.join(', ')}]`);
}

/** [kh, kw]; the weight of a convolution tells it too. */
export function kernelOf(scope: NodeScope, weight?: readonly number[]): readonly number[] {
  const stated = scope.integers('kernel_shape');
  if (!stated && weight) return weight.slice(2);
  if (stated?.length !== 2) {
    throw scope.fail(`attribute 'kernel_shape' must be [vertical, horizontal], got [${stated ?? ''}]`);
  }
  if (weight && stated.some((extent, axis) => extent !== weight[2 + axis])) {
    throw scope.fail(`attribute 'kernel_shape' is [${stated.join(', ')}], the weight is [${weight.join(', ')}]`);
  }
  return stated;
}

/** Reads 'strides', 'dilations', 'pads' and 'auto_pad' for windows that move over an input [N, C, H, W]. */
export function windowsOf(scope: NodeScope, kernel: readonly number[], x: readonly number[]): WindowAttributes {
  const { stride, dilation, padding, auto } = statedWindows(scope);
  if (auto === 'NOTSET' || auto === 'VALID') return { kernel, stride, dilation, padding };
  const missing = [0, 1].map((axis) => {
    const windows = Math.ceil(x[2 + axis] / stride[axis]);
    return Math.max(0, (windows - 1) * stride[axis] + dilation[axis] * (kernel[axis] - 1) + 1 - x[2 + axis]);
  });
  return { kernel, stride, dilation, padding: shared(missing, auto === 'SAME_UPPER' ? 'end' : 'begin') };
}

/** The four attributes as the file has them; with an 'auto_pad' the padding is 0. */
export function statedWindows(scope: NodeScope): Omit<WindowAttributes, 'kernel'> & { readonly auto: AutoPad } {
  const stride = scope.fixedIntegers('strides', [1, 1]);
  const dilation = scope.fixedIntegers('dilations', [1, 1]);
  const padding = scope.fixedIntegers('pads', [0, 0, 0, 0]);
  const auto = scope.word('auto_pad', autoPad);
  if ([...stride, ...dilation].some((step) => step < 1)) throw scope.fail('strides and dilations must be at least 1');
  if (auto !== 'NOTSET' && padding.some((side) => side !== 0)) {
    throw scope.fail(`attribute 'pads' is [${padding.join(', ')}] beside 'auto_pad' ${auto}, which does without`);
  }
  return { stride, dilation, padding, auto };
}

/** Halves what is missing along each axis; the odd cell goes to the begin or to the end. */
export function shared(missing: readonly number[], odd: 'begin' | 'end'): readonly number[] {
  const less = missing.map((cells) => Math.floor(cells / 2));
  const more = missing.map((cells, axis) => cells - less[axis]);
  return odd === 'end' ? [...less, ...more] : [...more, ...less];
}
