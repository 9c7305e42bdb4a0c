/** Tiles of kernels/lib/gemm.wgsl and slices of the depth: which of them suit a matrix product. Shapes alone decide. */
import type { Constants } from '../source.js';

export interface Tile {
  readonly rows: number;
  readonly columns: number;
  /** Its constants in the kernel. */
  readonly constants: Constants;
  /** An estimate of its speed: the more elements an invocation has in registers, the fewer loads there are for a multiply-add. */
  readonly speed: number;
}

function tile(
  [rows, columns, depth]: readonly [number, number, number],
  rowVectors: number,
  columnVectors: number,
  speed: number,
): Tile {
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
  return { rows, columns, constants, speed };
}

const tiles: readonly Tile[] = [
  tile([128, 128, 8], 2, 2, 1),
  tile([64, 128, 8], 2, 2, 0.9),
  tile([128, 64, 8], 2, 2, 0.9),
  tile([32, 128, 16], 1, 2, 0.75),
  tile([128, 32, 16], 2, 1, 0.75),
  tile([64, 64, 16], 1, 1, 0.65),
  tile([32, 32, 8], 1, 1, 0.35),
  tile([64, 16, 16], 1, 1, 0.35),
  tile([16, 64, 16], 1, 1, 0.35),
];

/** Tiles that can be asked for instead of the one with the least estimate, by their rows and columns. */
export const squareTiles = [64, 128] as const;
export type SquareTile = (typeof squareTiles)[number];

/** Of kernels/lib/gemmThin.wgsl: 64 invocations with 4 × 4 elements each, those left over sharing the depth. */
function thin(rows: number, columns: number): Tile {
  const shared = (rows * columns) / 16 < 64;
  const constants = { TILE_ROWS: rows, TILE_COLUMNS: columns, THIN: true, SHARED: shared };
  return { rows, columns, constants, speed: 0.2 };
}

const [deep, tall, wide] = [thin(4, 4), thin(256, 4), thin(4, 256)];

/** A product of at most so many rows or columns is thin. */
const thinExtent = 8;
/** Few sums that are longer than this are shared out themselves. */
const longDepth = 512;
const fewSums = 4096;

/** Workgroups that keep a GPU busy: two or so for each multiprocessor of a large one. */
export const busyWorkgroups = 256;

/** What else a tile costs, as depth: filling registers before the first product, storing sums after the last. */
const depthOfOverhead = 32;
/** What a further pass over intermediate results costs, in multiply-adds of one workgroup: its start, and each element written and read again. */
const passStart = 100_000;
const passElement = 0.2;
/** Depth that is worth a slice of its own. */
const leastDepth = 64;
/** Bytes that the slices' sums may take. */
const mostBytes = 64 * 1024 * 1024;

/** `copies` products (groups, positions) of matrices [rows × depth]·[depth × columns]. */
export interface ProductSize {
  readonly rows: number;
  readonly columns: number;
  readonly depth: number;
  readonly copies: number;
}

export interface Tiling {
  readonly tile: Tile;
  /** Pieces of the depth that have sums of their own. */
  readonly slices: number;
  /** An estimate, in multiply-adds of one workgroup with the fastest tile, all of them at work. */
  readonly time: number;
}

/** What a pass over an intermediate result of so many elements adds to the time. */
export function timeOfPass(elements: number): number {
  return passStart + passElement * elements;
}

/** The most slices whose sums, `elements` each, fit into one binding. */
export function mostSlices(depth: number, elements: number, bindingBytes: number): number {
  const fitting = Math.floor(Math.min(mostBytes, bindingBytes) / (elements * 4));
  return Math.max(1, Math.min(Math.floor(depth / leastDepth), fitting));
}

/**
 * Tile and slices for which the work is done soonest: in waves of workgroups that run side by side, each as long as its tile has
 * multiply-adds. At most `most` slices. The tile may be given, for products that are larger than the smallest of those.
 */
export function chooseTiling(size: ProductSize, most = 1, square?: SquareTile): Tiling {
  const candidates = tilesFor(size, square).flatMap((tile) => {
    const workgroups = Math.ceil(size.rows / tile.rows) * Math.ceil(size.columns / tile.columns) * size.copies;
    const full = [1, 2].map((waves) => Math.floor((waves * busyWorkgroups) / workgroups));
    const counts = new Set([1, ...full.map((slices) => Math.max(1, Math.min(most, slices)))]);
    return [...counts].map((slices) => ({ tile, slices, time: timeOf(size, workgroups, tile, slices) }));
  });
  return candidates.reduce((best, other) => (other.time < best.time ? other : best));
}

function tilesFor({ rows, columns, depth }: ProductSize, square?: SquareTile): readonly Tile[] {
  if (square !== undefined && Math.min(rows, columns) > squareTiles[0]) {
    return tiles.filter((tile) => tile.rows === square && tile.columns === square);
  }
  if (Math.min(rows, columns) > thinExtent) return tiles;
  if (depth > longDepth && rows * columns <= fewSums) return [deep];
  return [columns < rows ? tall : wide];
}

function timeOf(size: ProductSize, workgroups: number, tile: Tile, slices: number): number {
  const waves = Math.ceil((workgroups * slices) / busyWorkgroups);
  const depth = Math.ceil(size.depth / slices) + depthOfOverhead;
  const sums = slices === 1 ? 0 : timeOfPass(slices * size.rows * size.columns * size.copies);
  return (waves * depth * tile.rows * tile.columns) / tile.speed + sums;
}

/** How an operand lies in memory: by places along k or across it, in pieces that can be read by fours. */
export interface Layout {
  readonly alongK: boolean;
  readonly wide: boolean;
}

/** Constants of a kernel that multiplies by this tile; thin ones read element by element, whatever the layout. */
export function tileConstants({ constants }: Tile, a: Layout, b: Layout): Constants {
  const [one, other] = constants.THIN ? [byElements, byElements] : [a, b];
  return { ...constants, A_ALONG_K: one.alongK, B_ALONG_K: other.alongK, A_WIDE: one.wide, B_WIDE: other.wide };
}

const byElements: Layout = { alongK: true, wide: false };
