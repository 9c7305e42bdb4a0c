/** Products of two matrices, for ops that are such: kernels/lib/product.wgsl. */
import { type BufferIndex, grid, type LowerContext, leastValue, type Step } from './program.js';
import { type Affine, affineBindings, affineConstants, plain, sumSlices } from './sumSlices.js';
import { chooseTiling, type Layout, mostSlices, tileConstants } from './tiles.js';

/** A matrix in the order of the product, or transposed. */
export interface Matrix {
  readonly buffer: BufferIndex;
  readonly transposed: boolean;
  /** 4, or 2 for int16 (of the right matrix). */
  readonly elementBytes: number;
}

/** Output 0 of the node is C [rows × columns] = A [rows × depth]·B [depth × columns], with something done to each column. */
export interface Product {
  readonly kernel: 'matMul' | 'linear';
  readonly left: Matrix;
  readonly right: Matrix;
  readonly rows: number;
  readonly depth: number;
  readonly columns: number;
  readonly affine?: Affine;
}

/** Bytes of one row, column or place in depth of A, B and C, 0 for those that every one of them needs whole. */
function unitBytes(p: Product, sliced: boolean) {
  const across = ({ transposed, elementBytes }: Matrix, way: boolean, extent: number): number =>
    transposed === way ? extent * elementBytes : 0;
  return {
    rows: [across(p.left, false, p.depth), 0, sliced ? 0 : p.columns * 4],
    columns: [0, across(p.right, true, p.depth), 0],
    depth: [across(p.left, true, p.rows), across(p.right, false, p.columns), 0],
  } as const;
}

type Way = keyof ReturnType<typeof unitBytes>;

/** The way to cut the product so that all that is too large for a binding is cut; by rows if none or nothing does. */
function wayToCut(p: Product, sliced: boolean, limit: number): Way {
  const bytes = [
    p.rows * p.depth * p.left.elementBytes,
    p.depth * p.columns * p.right.elementBytes,
    p.rows * p.columns * 4,
  ];
  const ways = unitBytes(p, sliced);
  const does = (way: Way): boolean => ways[way].every((unit, i) => unit > 0 || bytes[i] <= limit);
  return (['rows', 'columns', 'depth'] as const).find(does) ?? 'rows';
}

/** Units are blocks of so many rows, columns or places in depth, so that a dispatch begins where vectors do. */
const block = 4;

/** Read by fours where each of its lines in memory, along the depth or across it, has a whole number of them. */
function layoutOf(alongK: boolean, depth: number, across: number): Layout {
  return { alongK, wide: (alongK ? depth : across) % 4 === 0 };
}

export function multiply(context: LowerContext, p: Product): void {
  const { limits } = context;
  const { rows, depth, columns } = p;
  const limit = limits.maxStorageBufferBindingSize;
  const size = { rows, columns, depth, copies: 1 };
  const { tile, slices } = chooseTiling(size, mostSlices(depth, rows * columns, limit), context.tile);
  const target = slices === 1 ? context.output(0) : context.temporary('partial sums', slices * rows * columns * 4);
  const affine = p.affine ?? plain;
  const within = slices === 1 ? affine : plain;
  const way = wayToCut(p, slices > 1, limit);
  const units = unitBytes(p, slices > 1)[way];
  const strides = ({ transposed }: Matrix, along: number, across: number) => (transposed ? [1, along] : [across, 1]);
  const [leftRow, leftDepth] = strides(p.left, rows, depth);
  const [rightDepth, rightColumn] = strides(p.right, depth, columns);
  const whole = { rows, columns, depth }[way];
  const extents = (blocks: number, first: number): Record<Way, number> => ({
    ...{ rows, columns, depth },
    [way]: Math.min(blocks * block, whole - first * block),
  });
  const tilesOf = (blocks: number, first = 0): readonly [number, number] => {
    const e = extents(blocks, first);
    return [Math.ceil(e.rows / tile.rows), Math.ceil(e.columns / tile.columns)];
  };
  const step: Step = {
    kernel: p.kernel,
    constants: {
      ...tileConstants(tile, layoutOf(!p.left.transposed, depth, rows), layoutOf(p.right.transposed, depth, columns)),
      INT16: p.right.elementBytes === 2,
      ...affineConstants(within),
    },
    units: Math.ceil(whole / block),
    bindings: [
      { buffer: p.left.buffer, access: 'read', unitBytes: units[0] * block },
      { buffer: p.right.buffer, access: 'read', unitBytes: units[1] * block },
      { buffer: target, access: 'write', unitBytes: units[2] * block },
      ...affineBindings(within),
    ],
    params: (count, first) => {
      const e = extents(count, first);
      // A binding that is cut begins at the first unit; in the others it lies so many elements on.
      const start = { rows: 0, columns: 0, depth: 0, [way]: first * block };
      const offset = (bytes: number, elements: number): number => (bytes > 0 ? 0 : elements);
      return [
        e.rows,
        e.columns,
        e.depth,
        ...tilesOf(count, first),
        slices,
        Math.ceil(e.depth / slices / block) * block,
        leftRow,
        leftDepth,
        offset(units[0], start.rows * leftRow + start.depth * leftDepth),
        rightColumn,
        rightDepth,
        offset(units[1], start.columns * rightColumn + start.depth * rightDepth),
        rows * columns,
        columns,
        offset(units[2], start.rows * columns + start.columns),
        start.columns,
        Number(start.depth > 0),
        leastValue(within.relu),
      ];
    },
    workgroups: (count) => {
      const [down, across] = tilesOf(count);
      return grid(down * across * slices, limits);
    },
  };
  context.step(step);
  if (slices > 1) context.preparation(sumSlices(context, target, slices, rows * columns, [columns, 1], affine));
}
