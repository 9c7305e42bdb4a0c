import { type BufferIndex, grid, type LowerContext, leastValue, type Step } from './program.js';
import { chooseTiling, tileConstants } from './tiles.js';

/** C[n][copy] = A[copy]·B[n][copy] (+ bias[copy][row], positive part) with A [rows × depth], or stored transposed, B [depth × width]. */
export interface ImageProducts {
  readonly left: BufferIndex;
  readonly leftTransposed: boolean;
  readonly right: BufferIndex;
  readonly product: BufferIndex;
  readonly bias?: BufferIndex;
  readonly relu: boolean;
  readonly batch: number;
  readonly copies: number;
  readonly rows: number;
  readonly depth: number;
  readonly width: number;
  /** Columns of C that are kept; all by default. */
  readonly kept?: number;
}

export function multiplyImages({ limits }: LowerContext, p: ImageProducts): Step {
  const { rows, depth, width, copies, kept = width } = p;
  const { tile } = chooseTiling({ rows, columns: p.batch * width, depth, copies });
  const left = { alongK: !p.leftTransposed, wide: (p.leftTransposed ? rows : depth) % 4 === 0 };
  const right = { alongK: false, wide: width % 4 === 0 };
  const tilesOf = (count: number) => [Math.ceil(rows / tile.rows), Math.ceil((count * width) / tile.columns)];
  return {
    kernel: 'multiplyImages',
    constants: { ...tileConstants(tile, left, right), INT16: false, BIAS: p.bias !== undefined },
    units: p.batch,
    bindings: [
      { buffer: p.left, access: 'read', unitBytes: 0 },
      { buffer: p.right, access: 'read', unitBytes: copies * depth * width * 4 },
      { buffer: p.product, access: 'write', unitBytes: copies * rows * kept * 4 },
      ...(p.bias === undefined ? [] : [{ buffer: p.bias, access: 'read' as const, unitBytes: 0 }]),
    ],
    params: (count) => [
      ...[rows, depth, width, kept, copies],
      count * width,
      ...tilesOf(count),
      ...(p.leftTransposed ? [1, rows] : [depth, 1]),
      width,
      leastValue(p.relu),
    ],
    workgroups: (count) => {
      const [down, across] = tilesOf(count);
      return grid(down * across * copies, limits);
    },
  };
}
