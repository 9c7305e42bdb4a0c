import { elements } from '../../../ops/define.js';
import { type LrnAttributes, lrnCoefficient, lrnReach } from '../../../ops/lrn.js';
import { type LrnWithinAttributes, lrnWithinCoefficient, lrnWithinReach } from '../../../ops/lrnWithin.js';
import { float, type LowerContext, type Word } from './program.js';

/** Bytes of the longest stretch of positions that the kernels of `lrn` take at a time. */
const lrnStretch = 4096;
/** Channels that the gradient goes through before it moves the terms of the last window. */
const lrnAdvance = 16;

/** [images, channels, plane, size, channels before]: in NCHW a group of channels is like an image of its own. */
function lrnWords(context: LowerContext, x: number): readonly [number, number, number, number, number] {
  const given = context.node.attributes as LrnAttributes;
  const [batch, channels, ...plane] = context.shape(context.node.inputs[x]);
  return [batch * given.groups, channels / given.groups, elements(plane), given.size, lrnReach(given).before];
}

/** a, k and β, and for a gradient 2aβ. */
function constants(
  a: number,
  given: { readonly k: number; readonly beta: number },
  gradient: boolean,
): readonly Word[] {
  return [float(a), float(given.k), float(given.beta), ...(gradient ? [float(2 * a * given.beta)] : [])];
}

export function lowerLrn(context: LowerContext): void {
  const given = context.node.attributes as LrnAttributes;
  context.step('lrn', [
    context.input(0),
    context.output(0),
    ...lrnWords(context, 0),
    ...constants(lrnCoefficient(given), given, false),
  ]);
}

export function lowerLrnGradient(context: LowerContext): void {
  const given = context.node.attributes as LrnAttributes;
  const sizes = lrnWords(context, 1);
  context.step('lrnGradient', [
    context.input(0),
    context.input(1),
    context.output(0),
    ...context.scratch((given.size - 1 + lrnAdvance) * lrnStretch),
    ...sizes,
    ...constants(lrnCoefficient(given), given, true),
  ]);
}

/** [maps, height, width, size, cells before, bytes of a line with the zeros on both sides of it], and a row in whole vectors. */
function withinSizes(context: LowerContext, x: number) {
  const given = context.node.attributes as LrnWithinAttributes;
  const [batch, channels, height, width] = context.shape(context.node.inputs[x]);
  const row = Math.ceil(width / 4) * 16;
  const line = row + Math.ceil(given.size / 4) * 16 + 16;
  const words = [batch * channels, height, width, given.size, lrnWithinReach(given).before, line];
  return { given, height, row, line, words };
}

export function lowerLrnWithin(context: LowerContext): void {
  const { given, row, line, words } = withinSizes(context, 0);
  context.step('lrnWithin', [
    context.input(0),
    context.output(0),
    ...context.scratch(line + row),
    ...words,
    ...constants(lrnWithinCoefficient(given), given, false),
  ]);
}

export function lowerLrnWithinGradient(context: LowerContext): void {
  const { given, height, row, line, words } = withinSizes(context, 1);
  context.step('lrnWithinGradient', [
    context.input(0),
    context.input(1),
    context.output(0),
    ...context.scratch(line + row + 2 * height * row),
    ...words,
    ...constants(lrnWithinCoefficient(given), given, true),
  ]);
}
