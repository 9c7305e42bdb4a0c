import { type ConvTranspose2dAttributes, convTranspose2dGeometry } from '../../../ops/convTranspose2d.js';
import { emitPhases } from './conv2d.js';
import type { LowerContext } from './program.js';

export function lowerConvTranspose2d(context: LowerContext): void {
  const { node } = context;
  const given = node.attributes as ConvTranspose2dAttributes;
  const [x, w] = node.inputs.map((id) => context.shape(id));
  emitPhases(context, convTranspose2dGeometry(given, x, w), 'convTranspose2d');
}
