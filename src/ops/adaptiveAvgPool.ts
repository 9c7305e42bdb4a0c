/**
 * Mean over windows that divide each channel into a given number of rows and columns, whatever its size (torch's
 * AdaptiveAvgPool2d): window i of n along an axis of extent L holds cells ⌊i·L/n⌋ … ⌈(i + 1)·L/n⌉ − 1. Windows overlap by a cell where
 * n does not divide L; with n = L the op is the identity.
 */
import { bytesTouched, defineOp, elements, expectInputs, expectRank, f32, pairAttribute } from './define.js';
import { meanOf, spreadOver } from './lib/means.js';

export type AdaptiveAvgPoolAttributes = {
  /** [rows, columns] of the output. */
  readonly size: number | readonly number[];
};

/** Sizes of the input and of the output. */
interface Geometry {
  readonly maps: number;
  readonly inSize: readonly number[];
  readonly outSize: readonly number[];
}

/** First cell of window `i` of `count` along an axis, and the cell after its last. */
export function adaptiveSpan(i: number, count: number, extent: number): readonly [number, number] {
  return [Math.floor((i * extent) / count), Math.ceil(((i + 1) * extent) / count)];
}

function forEachCell({ maps, inSize, outSize }: Geometry, visit: (y: number, x: number) => void): void {
  const [height, width] = inSize;
  const [rows, columns] = outSize;
  for (let map = 0; map < maps; map++) {
    for (let i = 0; i < rows; i++) {
      const [top, bottom] = adaptiveSpan(i, rows, height);
      for (let j = 0; j < columns; j++) {
        const [left, right] = adaptiveSpan(j, columns, width);
        for (let r = top; r < bottom; r++) {
          for (let c = left; c < right; c++) visit((map * rows + i) * columns + j, (map * height + r) * width + c);
        }
      }
    }
  }
}

/** Cells of the window of the output at a flat index. */
function divisorAt({ inSize: [height, width], outSize: [rows, columns] }: Geometry): (y: number) => number {
  return (y) => {
    const [top, bottom] = adaptiveSpan(Math.floor(y / columns) % rows, rows, height);
    const [left, right] = adaptiveSpan(y % columns, columns, width);
    return (bottom - top) * (right - left);
  };
}

/** Cells of all windows: the sums of the windows' extents along the two axes multiply. */
function cells({ maps, inSize, outSize }: Geometry): number {
  const along = (axis: number): number => {
    let total = 0;
    for (let i = 0; i < outSize[axis]; i++) {
      const [first, end] = adaptiveSpan(i, outSize[axis], inSize[axis]);
      total += end - first;
    }
    return total;
  };
  return maps * along(0) * along(1);
}

function geometry(input: readonly number[], outSize: readonly number[]): Geometry {
  return { maps: input[0] * input[1], inSize: input.slice(2), outSize };
}

/** x [N, C, H, W] → [N, C, size[0], size[1]]. */
export const adaptiveAvgPool = defineOp<AdaptiveAvgPoolAttributes>({
  name: 'adaptiveAvgPool',
  family: 'adaptiveAvgPool',
  attributes: (given) => ({ size: pairAttribute('adaptiveAvgPool', 'size', given.size ?? [], 1) }),

  infer({ size }, inputs) {
    expectInputs('adaptiveAvgPool', inputs, 1);
    expectRank('adaptiveAvgPool', 'x', inputs[0], 4);
    return [f32(...inputs[0].shape.slice(0, 2), ...(size as readonly number[]))];
  },

  /** Per output one addition less than there are cells, and a division. */
  cost: ({ size }, inputs, outputs) => ({
    macs: 0,
    flops: cells(geometry(inputs[0].shape, size as readonly number[])),
    bytes: bytesTouched(inputs, outputs),
  }),

  reference({ size }, [x], accuracy) {
    const g = geometry(x.shape, size as readonly number[]);
    const length = g.maps * elements(g.outSize);
    return [meanOf(length, x.data, divisorAt(g), (visit) => forEachCell(g, visit), accuracy)];
  },

  gradient({ inputs: [x], outputGradients: [dy], wanted, emit }) {
    const inputSize = x.shape.slice(2);
    return [dy && wanted[0] ? emit(adaptiveAvgPoolGradient, [dy], { inputSize })[0] : undefined];
  },
});

export type AdaptiveAvgPoolGradientAttributes = {
  /** [H, W] of the forward input. */
  readonly inputSize: readonly number[];
};

/** ∂loss/∂x [N, C, H, W] from dy [N, C, rows, columns]: each dy, divided by the cells of its window, is added to all of them. */
export const adaptiveAvgPoolGradient = defineOp<AdaptiveAvgPoolGradientAttributes>({
  name: 'adaptiveAvgPoolGradient',
  family: 'adaptiveAvgPool',
  attributes: (given) => ({
    inputSize: pairAttribute('adaptiveAvgPoolGradient', 'inputSize', given.inputSize ?? [], 1),
  }),

  infer({ inputSize }, inputs) {
    expectInputs('adaptiveAvgPoolGradient', inputs, 1);
    expectRank('adaptiveAvgPoolGradient', 'dy', inputs[0], 4);
    return [f32(...inputs[0].shape.slice(0, 2), ...inputSize)];
  },

  /** A division for each output, an addition for each cell of its window. */
  cost: (_, inputs, outputs) => ({
    macs: 0,
    flops: cells(geometry(outputs[0].shape, inputs[0].shape.slice(2))) + elements(inputs[0].shape),
    bytes: bytesTouched(inputs, outputs),
  }),

  reference({ inputSize }, [dy], accuracy) {
    const shape = [...dy.shape.slice(0, 2), ...inputSize];
    const g = geometry(shape, dy.shape.slice(2));
    return [spreadOver(elements(shape), dy.data, divisorAt(g), (visit) => forEachCell(g, visit), accuracy)];
  },
});
