import {
  type AugmentAttributes,
  augmentGeometry,
  augmentInputs,
  flipThreshold,
  noiseFactor,
  noiseStream,
} from '../../../ops/augment.js';
import { float, type LowerContext, type Word } from './program.js';

export function lowerAugment(context: LowerContext): void {
  const { node } = context;
  const given = node.attributes as AugmentAttributes;
  const g = augmentGeometry(given, context.shape(node.inputs[0]));
  const at = augmentInputs(given);
  const optional = (index: number): Word => (index < 0 ? 0 : context.input(index));
  const [, meanHeight, meanWidth] = at.mean < 0 ? [0, 0, 0] : context.shape(node.inputs[at.mean]);
  const meanStart = ((meanHeight - g.outHeight) >> 1) * meanWidth + ((meanWidth - g.outWidth) >> 1);
  context.step('augment', [
    context.input(0),
    optional(at.random),
    optional(at.colour),
    optional(at.mean),
    context.output(0),
    context.dtype(node.inputs[0]) === 'u8' ? 0 : 2,
    g.batch,
    g.channels,
    g.inHeight,
    g.inWidth,
    g.outHeight,
    g.outWidth,
    g.start[0],
    g.choices[0],
    g.start[1],
    g.choices[1],
    flipThreshold(given.flipVertical),
    flipThreshold(given.flipHorizontal),
    ...g.translate,
    Number(given.fill === 'edge'),
    Number(given.reverseChannels),
    given.sharedBy,
    given.stream,
    noiseStream(given.stream),
    float(noiseFactor(given.noise)),
    Number(given.meanImage === 'crop'),
    meanHeight,
    meanWidth,
    meanStart,
    ...g.means.map(float),
    ...g.scales.map(float),
  ]);
}
