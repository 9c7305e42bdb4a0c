import {
  type AugmentAttributes,
  augmentGeometry,
  augmentInputs,
  flipThreshold,
  noiseFactor,
  noiseStream,
} from '../../../ops/augment.js';
import {
  type BufferIndex,
  float,
  grid,
  type LowerContext,
  type Step,
  type StepBinding,
  workgroupSize,
} from './program.js';

/** Draws each image's crop and flips, then fills one channel of all images after another. */
export function lowerAugment(context: LowerContext): void {
  const { node } = context;
  const { channels } = augmentGeometry(node.attributes as AugmentAttributes, context.shape(node.inputs[0]));
  const placements = lowerPlacement(context);
  context.step(channelStep(context, placements, 0));
  for (let c = 1; c < channels; c++) context.preparation(channelStep(context, placements, c));
}

/** [N, 4] i32: what chance makes of each image. */
function lowerPlacement(context: LowerContext): BufferIndex {
  const { node, limits } = context;
  const given = node.attributes as AugmentAttributes;
  const g = augmentGeometry(given, context.shape(node.inputs[0]));
  const { random } = augmentInputs(given);
  const placements = context.temporary('placements', g.batch * 16);
  const bindings: StepBinding[] = [{ buffer: placements, access: 'write', unitBytes: 0 }];
  if (random > 0) bindings.push({ buffer: context.input(random), access: 'read', unitBytes: 0 });
  context.preparation({
    kernel: 'augmentPlacement',
    constants: { RANDOM: random > 0 },
    units: 1,
    bindings,
    params: () => [
      g.batch,
      given.sharedBy,
      given.stream,
      g.start[0],
      g.choices[0],
      g.start[1],
      g.choices[1],
      flipThreshold(given.flipVertical),
      flipThreshold(given.flipHorizontal),
      ...g.translate,
    ],
    workgroups: () => grid(Math.ceil(g.batch / 64), limits),
  });
  return placements;
}

/** Channel `channel` of the result. Units: images. */
function channelStep(context: LowerContext, placements: BufferIndex, channel: number): Step {
  const { node, limits } = context;
  const given = node.attributes as AugmentAttributes;
  const g = augmentGeometry(given, context.shape(node.inputs[0]));
  const at = augmentInputs(given);
  const bytes = context.dtype(node.inputs[0]) === 'u8';
  const imageBytes = g.channels * g.inHeight * g.inWidth * (bytes ? 1 : 4);
  // Bound whole where they fit: the bytes of few images come to a multiple of what offsets must be.
  const whole = g.batch * imageBytes <= limits.maxStorageBufferBindingSize;
  const plane = g.outHeight * g.outWidth;
  const bindings: StepBinding[] = [
    { buffer: context.input(0), access: 'read', unitBytes: whole ? 0 : imageBytes },
    { buffer: placements, access: 'read', unitBytes: 0 },
    { buffer: context.output(0), access: 'write', unitBytes: g.channels * plane * 4 },
  ];
  /** Number of the binding of an input that need not be there. */
  const optional = (input: number, used = input > 0): number =>
    used ? bindings.push({ buffer: context.input(input), access: 'read', unitBytes: 0 }) : 0;
  const [, meanHeight, meanWidth] = at.mean < 0 ? [0, 0, 0] : context.shape(node.inputs[at.mean]);
  return {
    kernel: 'augment',
    constants: {
      BYTES: bytes,
      EDGE: given.fill === 'edge',
      COLOUR: optional(at.colour),
      NOISE: optional(at.random, given.noise > 0),
      MEAN: optional(at.mean),
      CENTRE: given.meanImage === 'centre',
    },
    units: g.batch,
    bindings,
    params: (units, first) => [
      units * plane,
      first,
      whole ? first : 0,
      g.channels,
      channel,
      given.reverseChannels ? g.channels - 1 - channel : channel,
      g.inHeight,
      g.inWidth,
      g.outHeight,
      g.outWidth,
      float(g.means[channel]),
      float(g.scales[channel]),
      meanHeight,
      meanWidth,
      ((meanHeight - g.outHeight) >> 1) * meanWidth + ((meanWidth - g.outWidth) >> 1),
      float(noiseFactor(given.noise)),
      noiseStream(given.stream),
    ],
    workgroups: (units) => grid(Math.ceil((units * plane) / workgroupSize), limits),
  };
}
