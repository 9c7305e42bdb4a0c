import { type MatMulAttributes, matMulSizes } from '../../../ops/matMul.js';
import type { LowerContext } from './program.js';

/** Depth of a block: a tile of A and a panel of B stay in the first-level cache. */
const blockDepth = 256;
/** Bytes of packed panels of B that stay in a second-level cache of 512 KiB. */
const cachedBytes = 128 * 1024;
/** Tiles of A that a block of B is swept with before it is packed for the next: what packing costs is small beside that. */
const blockTiles = 32;
/** Column offsets and staging of the kernels that write tiles. */
const tileHeader = 64 + 128;

export function lowerMatMul(context: LowerContext): void {
  const { node } = context;
  const given = node.attributes as MatMulAttributes;
  const [a, b] = node.inputs.map((id) => context.shape(id));
  const { rows, depth, columns } = matMulSizes(given, a, b);
  const [rowStride, depthStride] = given.transposeA ? [1, rows] : [depth, 1];
  const packed = context.packed(
    0,
    given.transposeA ? 'tiles of columns' : 'tiles of rows',
    rows * depth * 4,
    'packWeights',
    (from, to) => [from, to, 1, rows, depth, 1, 1, 0, rowStride, depthStride, 0, 0, 0],
  );
  const block = Math.min(depth, blockDepth);
  const panels = Math.min(Math.ceil(columns / 8), Math.floor(cachedBytes / (blockDepth * 32)));
  context.step('matMul', [
    packed,
    context.input(1),
    context.output(0),
    ...context.scratch(tileHeader + panels * block * 32),
    rows,
    depth,
    columns,
    Number(given.transposeB),
    block,
    panels,
    blockTiles,
  ]);
}
