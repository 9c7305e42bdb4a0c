/** Tiles of kernels/lib/gemm.wgsl: which of them suits a matrix product. Shapes alone decide. */
import type { Constants } from '../source.js';

export interface Tile {
  readonly rows: number;
  readonly columns: number;
  /** Its constants in the kernel. */
  readonly constants: Constants;
}

function tile(rows: number, columns: number, depth: number, rowVectors: number, columnVectors: number): Tile {
  const invocations = (rows * columns) / (16 * rowVectors * columnVectors);
  const loads = (extent: number): number => ((extent / 4) * depth) / invocations;
  const constants = {
    TILE_ROWS: rows,
    TILE_COLUMNS: columns,
    TILE_DEPTH: depth,
    ROW_VECTORS: rowVectors,
    COLUMN_VECTORS: columnVectors,
    A_LOADS: loads(rows),
    B_LOADS: loads(columns),
    THIN: false,
  };
  return { rows, columns, constants };
}

/**
 * With an estimate of the speed of each: the more elements an invocation has in registers, the fewer loads there are for a
 * multiply-add.
 */
const tiles: readonly (readonly [Tile, number])[] = [
  [tile(128, 128, 8, 2, 2), 1],
  [tile(64, 128, 8, 2, 2), 0.9],
  [tile(128, 64, 8, 2, 2), 0.9],
  [tile(64, 64, 16, 1, 1), 0.65],
  [tile(32, 32, 8, 1, 1), 0.35],
];

/** Of kernels/lib/gemmThin.wgsl: 64 invocations with 4 × 4 elements each, those left over sharing the depth. */
function thin(rows: number, columns: number): Tile {
  const shared = (rows * columns) / 16 < 64;
  return { rows, columns, constants: { TILE_ROWS: rows, TILE_COLUMNS: columns, THIN: true, SHARED: shared } };
}

/** A product of at most so many rows or columns is thin. */
const thinExtent = 8;
/** Few sums that are longer than this are shared out themselves. */
const longDepth = 512;
const fewSums = 4096;

const [deep, tall, wide] = [thin(4, 4), thin(256, 4), thin(4, 256)];

/** Workgroups that keep a GPU busy: two or so for each multiprocessor of a large one. */
export const busyWorkgroups = 256;

/** The tile for `copies` products (groups, slices, positions) of the given size: little beyond the edges, and work for everyone. */
export function chooseTile(rows: number, columns: number, depth: number, copies: number): Tile {
  if (Math.min(rows, columns) <= thinExtent) {
    if (depth > longDepth && rows * columns <= fewSums) return deep;
    return columns < rows ? tall : wide;
  }
  const time = ([{ rows: height, columns: width }, speed]: readonly [Tile, number]): number => {
    const workgroups = Math.ceil(rows / height) * Math.ceil(columns / width) * copies;
    return (Math.max(workgroups, busyWorkgroups) * height * width) / speed;
  };
  return tiles.reduce((best, other) => (time(other) < time(best) ? other : best))[0];
}
