import type { LowerContext, Word } from './program.js';

/** Bytes of the sums of six rows. */
const rowSums = 96;
/** Weight rows that a block of x is swept with before the next block is packed. */
const rowBlock = 64;
/** Bytes of packed x that stay in a second-level cache of 512 KiB. */
const cachedBytes = 128 * 1024;

function linearWords(context: LowerContext): readonly Word[] {
  const { node } = context;
  const [batch, depth] = context.shape(node.inputs[0]);
  const [features] = context.shape(node.inputs[1]);
  return [
    context.input(0),
    context.input(1),
    context.input(2),
    context.optionalInput(3),
    context.output(0),
    batch,
    depth,
    features,
    Number(node.attributes.activation === 'relu'),
  ];
}

export function lowerLinearInt16Rows(context: LowerContext): void {
  context.step('linearInt16Rows', [...linearWords(context), ...context.scratch(rowSums)]);
}

export function lowerLinearInt16Panels(context: LowerContext): void {
  const [batch, depth] = context.shape(context.node.inputs[0]);
  const whole = Math.ceil(depth / 4) * 4;
  const block = Math.min(whole, Math.max(256, Math.floor(cachedBytes / (4 * batch) / 64) * 64));
  const scratch = context.scratch(rowBlock * batch * 16 + batch * block * 4);
  context.step('linearInt16Panels', [...linearWords(context), ...scratch, block, rowBlock]);
}
