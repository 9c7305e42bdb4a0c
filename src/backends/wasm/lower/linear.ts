import { factorBytes, sgdRule } from './optimizers.js';
import type { LowerContext, Word } from './program.js';

/** A tile of 4 × 8 sums. */
const tileBytes = 128;
/** A tile of 4 × 16 weights at the edge of the matrix. */
const edgeBytes = 256;
/** Bytes that stay in a second-level cache of 512 KiB. */
const cachedBytes = 320 * 1024;
/** Images that are worth a panel of eight; fewer are read as they are, two at a time. */
const fewestImages = 5;

/** Whether there is a panel's worth of images. */
export function worthPanels({ node, shape }: Pick<LowerContext, 'node' | 'shape'>): boolean {
  return shape(node.inputs[0])[0] >= fewestImages;
}

function linearWords(context: LowerContext): readonly Word[] {
  const { node } = context;
  const [batch, depth] = context.shape(node.inputs[0]);
  const [features] = context.shape(node.inputs[1]);
  return [
    context.input(0),
    context.input(1),
    context.optionalInput(2),
    context.output(0),
    ...context.scratch(tileBytes),
    batch,
    depth,
    features,
    Number(node.attributes.activation === 'relu'),
  ];
}

export function lowerLinearRows(context: LowerContext): void {
  context.step('linearRows', linearWords(context));
}

export function lowerLinearPanels(context: LowerContext): void {
  const [batch, depth] = context.shape(context.node.inputs[0]);
  const panels = Math.floor((batch + 8 - fewestImages) / 8);
  const packed = context.temporary('x in panels', panels * depth * 32);
  context.preparation('packRowPanels', [context.input(0), packed, batch, depth, panels]);
  context.step('linearPanels', [...linearWords(context), packed, panels]);
}

export function lowerLinearDataGradient(context: LowerContext): void {
  const { node } = context;
  const [batch, features] = context.shape(node.inputs[0]);
  const [, depth] = context.shape(node.inputs[1]);
  const quads = Math.ceil(batch / 4);
  const block = Math.min(Math.ceil(depth / 4) * 4, Math.max(256, Math.floor(cachedBytes / (quads * 64)) * 4));
  context.step('linearDataGradient', [
    context.input(0),
    context.input(1),
    context.output(0),
    ...context.scratch(quads * block * 16),
    batch,
    depth,
    features,
    block,
  ]);
}

export function lowerLinearWeightGradient(context: LowerContext): void {
  context.step('linearWeightGradient', weightWords(context, 0, context.output(0)));
}

export function lowerLinearSgd(context: LowerContext): void {
  const words = weightWords(context, 1, context.input(0));
  context.step('linearSgd', [...words, context.input(3), ...sgdRule(context, 4)]);
}

/** dy and x are the inputs from `first` on, and `to` is a matrix of the weight's shape. */
function weightWords(context: LowerContext, first: number, to: Word): readonly Word[] {
  const { inputs } = context.node;
  const [batch, features] = context.shape(inputs[first]);
  const [, depth] = context.shape(inputs[first + 1]);
  const pairs = Math.ceil(depth / 16);
  const packed = context.temporary('x in panels', pairs * batch * 64);
  context.preparation('packPanels', [context.input(first + 1), packed, batch, depth]);
  const tilesPerThread = Math.ceil(Math.ceil(features / 4) / context.threads);
  const block = 2 * Math.max(1, Math.floor(cachedBytes / (batch * 64)));
  return [
    context.input(first),
    packed,
    to,
    ...context.scratch(2 * edgeBytes + factorBytes + tilesPerThread * batch * 16),
    batch,
    depth,
    features,
    block,
  ];
}

export function lowerLinearBiasGradient(context: LowerContext): void {
  const [batch, features] = context.shape(context.node.inputs[0]);
  context.step('linearBiasGradient', [context.input(0), context.output(0), batch, features]);
}
