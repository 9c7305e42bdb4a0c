import { type BufferIndex, grid, type LowerContext, leastValue, type Step } from './program.js';
import { chooseTile } from './tiles.js';

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
}

export function multiplyImages({ limits }: LowerContext, p: ImageProducts): Step {
  const tile = chooseTile(p.rows, p.batch * p.width, p.depth, p.copies);
  const tilesOf = (count: number) => [Math.ceil(p.rows / tile.rows), Math.ceil((count * p.width) / tile.columns)];
  return {
    kernel: 'multiplyImages',
    constants: { ...tile.constants, A_ALONG_K: !p.leftTransposed, BIAS: p.bias !== undefined },
    units: p.batch,
    bindings: [
      { buffer: p.left, access: 'read', unitBytes: 0 },
      { buffer: p.right, access: 'read', unitBytes: p.copies * p.depth * p.width * 4 },
      { buffer: p.product, access: 'write', unitBytes: p.copies * p.rows * p.width * 4 },
      ...(p.bias === undefined ? [] : [{ buffer: p.bias, access: 'read' as const, unitBytes: 0 }]),
    ],
    params: (count) => [p.rows, p.depth, p.width, p.copies, count * p.width, ...tilesOf(count), leastValue(p.relu)],
    workgroups: (count) => {
      const [down, across] = tilesOf(count);
      return grid(down * across * p.copies, limits);
    },
  };
}
