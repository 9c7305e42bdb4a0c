/** Elementwise ops whose attributes their kernels need. */
import type { ClipAttributes } from '../../../ops/clip.js';
import type { LeakyReluAttributes } from '../../../ops/leakyRelu.js';
import type { ScaleAttributes } from '../../../ops/scale.js';
import type { TanhAttributes } from '../../../ops/tanh.js';
import { elementwise } from './elementwise.js';
import { float, type LowerRule } from './program.js';

export function lowerLeakyRelu(gradient: boolean): LowerRule {
  return elementwise('leakyRelu', { GRADIENT: gradient }, ({ attributes }) => [
    float((attributes as LeakyReluAttributes).slope),
  ]);
}

export function lowerClip(gradient: boolean): LowerRule {
  return elementwise('clip', { GRADIENT: gradient }, ({ attributes }) => {
    const { min, max } = attributes as ClipAttributes;
    return [float(min), float(max)];
  });
}

export function lowerTanh(gradient: boolean): LowerRule {
  return elementwise('tanh', { GRADIENT: gradient }, ({ attributes }) => {
    const { a, b } = attributes as TanhAttributes;
    return [float(a), float(gradient ? b / a : b)];
  });
}

export const lowerScale: LowerRule = elementwise('scale', {}, ({ attributes }) => [
  float((attributes as ScaleAttributes).factor),
]);
