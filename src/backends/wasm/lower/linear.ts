import type { LowerContext, Word } from './program.js';

/** Partial sums of a 4 × 2 tile of rows. */
const dotTileBytes = 128;
/** Weight rows that a block of x is swept with before the next block is packed. */
const rowBlock = 64;
/** Bytes of packed operands that stay in a second-level cache of 512 KiB. */
const cachedBytes = 128 * 1024;
/** Bytes that stay in the first-level cache. */
const nearBytes = 32 * 1024;
/** Column offsets and staging of the kernels that write tiles. */
const tileHeader = 64 + 128;
/** Whether the batch at input 0 is large enough for packing the weight to pay for itself. */
export function worthPanels(least: number) {
  return ({ node, shape }: Pick<LowerContext, 'node' | 'shape'>): boolean => shape(node.inputs[0])[0] >= least;
}

function linearWords(context: LowerContext, scratch: readonly [Word, number]): readonly Word[] {
  const { node } = context;
  const [batch, depth] = context.shape(node.inputs[0]);
  const [features] = context.shape(node.inputs[1]);
  return [
    context.input(0),
    context.input(1),
    context.optionalInput(2),
    context.output(0),
    ...scratch,
    batch,
    depth,
    features,
    Number(node.attributes.activation === 'relu'),
  ];
}

export function lowerLinearRows(context: LowerContext): void {
  context.step('linearRows', linearWords(context, [0, 0]));
}

export function lowerLinearPanels(context: LowerContext): void {
  const [batch, depth] = context.shape(context.node.inputs[0]);
  const columns = Math.ceil(batch / 2) * 2;
  const whole = Math.ceil(depth / 4) * 4;
  const block = Math.min(whole, Math.max(256, Math.floor(cachedBytes / (4 * columns) / 64) * 64));
  const sums = (rowBlock / 4) * (columns / 2) * dotTileBytes;
  const scratch = context.scratch(sums + (4 + columns) * block * 4);
  context.step('linearPanels', [...linearWords(context, scratch), block, rowBlock]);
}

export function lowerLinearDataGradientRows(context: LowerContext): void {
  const { node } = context;
  const [batch, features] = context.shape(node.inputs[0]);
  const [, depth] = context.shape(node.inputs[1]);
  const block = Math.min(2048, Math.max(64, Math.floor(nearBytes / (4 * batch) / 16) * 16));
  context.step('linearDataGradientRows', [
    context.input(0),
    context.input(1),
    context.output(0),
    ...context.scratch(batch * block * 4),
    batch,
    depth,
    features,
    block,
  ]);
}

export function lowerLinearDataGradientPanels(context: LowerContext): void {
  const { node } = context;
  const [batch, features] = context.shape(node.inputs[0]);
  const [, depth] = context.shape(node.inputs[1]);
  const packed = context.temporary('dy in tiles', batch * features * 4);
  context.preparation('packTiles', [context.input(0), packed, batch, features]);
  const rows = Math.min(features, 256);
  const panels = Math.max(1, Math.floor(cachedBytes / (rows * 32)));
  context.step('linearDataGradientPanels', [
    packed,
    context.input(1),
    context.output(0),
    ...context.scratch(tileHeader + panels * rows * 32),
    batch,
    depth,
    features,
    rows,
    panels,
  ]);
}

export function lowerLinearWeightGradient(context: LowerContext): void {
  const { node } = context;
  const [batch, features] = context.shape(node.inputs[0]);
  const [, depth] = context.shape(node.inputs[1]);
  const panels = Math.ceil(depth / 8);
  const packed = context.temporary('x in panels', panels * batch * 32);
  context.preparation('packPanels', [context.input(1), packed, batch, depth]);
  const tilesPerThread = Math.ceil(Math.ceil(features / 4) / context.threads);
  const block = Math.max(1, Math.floor(nearBytes / (batch * 32)));
  context.step('linearWeightGradient', [
    context.input(0),
    packed,
    context.output(0),
    ...context.scratch(tileHeader + tilesPerThread * 4 * batch * 4),
    batch,
    depth,
    features,
    block,
  ]);
}

export function lowerLinearBiasGradient(context: LowerContext): void {
  const [batch, features] = context.shape(context.node.inputs[0]);
  context.step('linearBiasGradient', [context.input(0), context.output(0), batch, features]);
}
