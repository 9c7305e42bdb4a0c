import type { LowerContext } from './program.js';

/** Partial sums of a 4 × 3 tile of rows. */
const dotTileBytes = 192;
/** Weight rows that a block of x is swept with before the next block is packed. */
const rowBlock = 64;
/** Bytes of x packed at a time: they stay in a second-level cache. */
const packedBytes = 96 * 1024;
/** Bytes of dx, or of panels of x, that stay in the first-level cache. */
const nearBytes = 32 * 1024;

export function lowerLinear(context: LowerContext): void {
  const { node } = context;
  const [batch, depth] = context.shape(node.inputs[0]);
  const [features] = context.shape(node.inputs[1]);
  const whole = Math.ceil(depth / 4) * 4;
  const fitting = Math.max(256, Math.floor(packedBytes / (4 * batch) / 64) * 64);
  const block = Math.min(whole, fitting);
  const sums = (rowBlock / 4) * Math.ceil(batch / 3) * dotTileBytes;
  context.step('linear', [
    context.input(0),
    context.input(1),
    context.optionalInput(2),
    context.output(0),
    ...context.scratch(sums + batch * (block * 4 + 64)),
    batch,
    depth,
    features,
    Number(node.attributes.activation === 'relu'),
    block,
    rowBlock,
  ]);
}

export function lowerLinearDataGradient(context: LowerContext): void {
  const { node } = context;
  const [batch, features] = context.shape(node.inputs[0]);
  const [, depth] = context.shape(node.inputs[1]);
  const block = Math.min(1024, Math.max(64, Math.floor(nearBytes / (4 * batch) / 16) * 16));
  context.step('linearDataGradient', [
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

export function lowerLinearWeightGradient(context: LowerContext): void {
  const { node } = context;
  const [batch, features] = context.shape(node.inputs[0]);
  const [, depth] = context.shape(node.inputs[1]);
  const panels = Math.ceil(depth / 8);
  const packed = context.temporary('x in panels', panels * batch * 32);
  context.preparation('packPanels', [context.input(1), packed, batch, depth]);
  const tiles = Math.ceil(features / 6);
  const tilesPerThread = Math.ceil(tiles / context.threads);
  const block = Math.max(1, Math.floor(nearBytes / (batch * 32)));
  context.step('linearWeightGradient', [
    context.input(0),
    packed,
    context.output(0),
    ...context.scratch(320 + tilesPerThread * 6 * batch * 4),
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
