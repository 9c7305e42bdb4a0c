/** Windows that max and average pooling move over each channel. */
import { GraphError } from '../../errors.js';
import { elements, formatShape, paddingAttribute, pairAttribute, wordAttribute } from '../define.js';

export type PoolAttributes = {
  /** [vertical, horizontal] size of a window. */
  readonly kernel: number | readonly number[];
  /** [vertical, horizontal] step, 1 by default. */
  readonly stride: number | readonly number[];
  /** [top, left, bottom, right] cells around the image, each less than the kernel. */
  readonly padding: number | readonly number[];
  /**
   * 'floor' keeps the windows that lie inside the padded image; 'ceil' (Caffe's rule) also one that reaches over its lower
   * or right edge, if it starts inside the image or the padding before it.
   */
  readonly rounding: 'floor' | 'ceil';
};

/** The sizes of a pooling, unpacked once for reference, cost and lowering. Every window holds at least one cell of the image. */
export interface PoolGeometry {
  readonly batch: number;
  readonly channels: number;
  readonly inHeight: number;
  readonly inWidth: number;
  readonly outHeight: number;
  readonly outWidth: number;
  readonly kernelHeight: number;
  readonly kernelWidth: number;
  readonly strideY: number;
  readonly strideX: number;
  readonly top: number;
  readonly left: number;
  readonly bottom: number;
  readonly right: number;
}

/** Checks what all poolings are given. */
export function poolAttributes(op: string, given: Partial<PoolAttributes>): PoolAttributes {
  const kernel = pairAttribute(op, 'kernel', given.kernel ?? [], 1);
  const padding = paddingAttribute(op, given.padding ?? 0);
  padding.forEach((side, i) => {
    if (side >= kernel[i % 2]) {
      throw new GraphError(
        `${op}: padding [${padding.join(', ')}] must be less than the kernel [${kernel.join(', ')}]`,
      );
    }
  });
  return {
    kernel,
    stride: pairAttribute(op, 'stride', given.stride ?? 1, 1),
    padding,
    rounding: wordAttribute(op, 'rounding', given.rounding ?? 'floor', ['floor', 'ceil']),
  };
}

/** Number of windows along one axis of the given extent. */
function windows(
  rounding: 'floor' | 'ceil',
  extent: number,
  kernel: number,
  stride: number,
  before: number,
  after: number,
): number {
  const steps = (extent + before + after - kernel) / stride;
  if (rounding === 'floor') return Math.floor(steps) + 1;
  const count = Math.ceil(steps) + 1;
  return (count - 1) * stride >= extent + before ? count - 1 : count;
}

/** Sizes from the shape of x [N, C, H, W]; throws a GraphError when no window fits. */
export function poolGeometry(op: string, given: PoolAttributes, x: readonly number[]): PoolGeometry {
  const [kernelHeight, kernelWidth] = given.kernel as readonly number[];
  const [strideY, strideX] = given.stride as readonly number[];
  const [top, left, bottom, right] = given.padding as readonly number[];
  const [batch, channels, inHeight, inWidth] = x;
  if (kernelHeight > inHeight + top + bottom || kernelWidth > inWidth + left + right) {
    throw new GraphError(
      `${op}: the kernel [${kernelHeight}, ${kernelWidth}] is larger than the padded image ` +
        `[${inHeight + top + bottom}, ${inWidth + left + right}] (x ${formatShape(x)})`,
    );
  }
  return {
    batch,
    channels,
    inHeight,
    inWidth,
    outHeight: windows(given.rounding, inHeight, kernelHeight, strideY, top, bottom),
    outWidth: windows(given.rounding, inWidth, kernelWidth, strideX, left, right),
    kernelHeight,
    kernelWidth,
    strideY,
    strideX,
    top,
    left,
    bottom,
    right,
  };
}

/** Cells of all windows at most: what a pooling adds up or compares. */
export function windowCells(g: PoolGeometry): number {
  return elements([g.batch, g.channels, g.outHeight, g.outWidth, g.kernelHeight, g.kernelWidth]);
}

/** Calls `visit(outputIndex, inputIndex)` for every cell of every window that lies in the image, in row-major order. */
export function forEachCell(g: PoolGeometry, visit: (y: number, x: number) => void): void {
  for (let plane = 0; plane < g.batch * g.channels; plane++) {
    for (let i = 0; i < g.outHeight; i++) {
      for (let j = 0; j < g.outWidth; j++) {
        const y = (plane * g.outHeight + i) * g.outWidth + j;
        for (let u = 0; u < g.kernelHeight; u++) {
          const row = i * g.strideY + u - g.top;
          if (row < 0 || row >= g.inHeight) continue;
          for (let v = 0; v < g.kernelWidth; v++) {
            const column = j * g.strideX + v - g.left;
            if (column < 0 || column >= g.inWidth) continue;
            visit(y, (plane * g.inHeight + row) * g.inWidth + column);
          }
        }
      }
    }
  }
}
