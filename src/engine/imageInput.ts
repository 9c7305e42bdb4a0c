/** Stored images, which are bytes, as the input of a network: their crop, flips, mean, noise and scale are the first op of its graphs. */
import { ArgumentError, GraphError } from '../errors.js';
import type { GraphBuilder } from '../graph/builder.js';
import type { Value } from '../graph/graph.js';
import { type AugmentAttributes, augment, augmentIsRandom } from '../ops/augment.js';
import { elements, f32, formatShape, sameShape, type TensorType } from '../ops/define.js';
import type { ColourNoise } from './colourNoise.js';
import type { NetworkDefinition } from './definition.js';

/**
 * How stored bytes become a network's input, on the device (op `augment`). JSON-able but for the mean image. The attribute `colour` is
 * the network's to set, and `stream` need not be given: by default it is one that no layer of a model draws from.
 */
export interface ImageInput {
  /** [C, H, W] of a stored image: planes of bytes, RGB (C = 3) or grey (C = 1). */
  readonly shape: readonly [number, number, number];
  /** Attributes of `augment` while training: in `step`, and in `gradients` unless dropout is left out. */
  readonly training: Partial<AugmentAttributes>;
  /** Attributes in `forward`; they leave nothing to chance. */
  readonly inference: Partial<AugmentAttributes>;
  /** [C, H, W] in grey levels, in the order of the network's channels; needed when the attributes name one. */
  readonly meanImage?: Float32Array;
  /** Is drawn for each image of a `step` and added; the `scale` of `training` is then divided by its `divide`. */
  readonly colourNoise?: ColourNoise;
}

/** The attributes of one program's augment op, and the shape of what it reads. */
export interface StoredImages {
  /** [C, H, W] */
  readonly shape: readonly number[];
  readonly attributes: AugmentAttributes;
}

/** The stream of an input's draws where its attributes name none: far from the small numbers of dropout layers. */
const inputStream = 2 ** 30;

/** Names of the inputs of a graph that begins with bytes. */
export const storedInputs = { bytes: 'bytes', colour: 'colour', meanImage: 'meanImage' } as const;

/** @throws ArgumentError naming the field of `input` that cannot be, or does not suit the model */
export function checkImageInput(model: NetworkDefinition, input: ImageInput): void {
  const { shape, meanImage, colourNoise } = input;
  if (shape.length !== 3 || !shape.every((extent) => Number.isInteger(extent) && extent > 0)) {
    throw new ArgumentError(`input.shape must be [C, H, W] of a stored image, got ${formatShape(shape)}`);
  }
  const [channels] = model.inputShape;
  if (shape[0] !== channels) {
    throw new ArgumentError(
      `input.shape: images of ${shape[0]} channels do not suit ${model.name}, whose input is ${formatShape(model.inputShape)}`,
    );
  }
  if (meanImage && (!(meanImage instanceof Float32Array) || meanImage.length !== elements(shape))) {
    const got = meanImage instanceof Float32Array ? `${meanImage.length} numbers` : String(meanImage);
    throw new ArgumentError(`input.meanImage must be float32 ${formatShape(shape)}, got ${got}`);
  }
  if (meanImage && !meanImage.every(Number.isFinite)) throw new ArgumentError('input.meanImage must be finite');
  if (colourNoise) checkColourNoise(colourNoise, channels);
  for (const noisy of [false, true]) trainingImages(model, input, noisy);
  inferenceImages(model, input);
}

function checkColourNoise({ std, scales, components, divide }: ColourNoise, channels: number): void {
  const fits =
    components.length > 0 &&
    scales.length === components.length &&
    components.every((component) => component.length === channels) &&
    [std, divide, ...scales, ...components.flat()].every(Number.isFinite) &&
    divide > 0;
  if (fits) return;
  throw new ArgumentError(
    `input.colourNoise must have a scale for each component, components of ${channels} finite numbers and a divide above 0`,
  );
}

/** What training makes of stored images, with colour noise or without. */
export function trainingImages(model: NetworkDefinition, input: ImageInput, colourNoise: boolean): StoredImages {
  const noise = colourNoise ? input.colourNoise : undefined;
  const { scale = 1 } = input.training;
  const scales = typeof scale === 'number' ? [scale] : scale;
  const divided = noise ? { scale: scales.map((factor) => factor / noise.divide) } : {};
  return resolve('input.training', model, input, { ...input.training, ...divided, colour: noise !== undefined });
}

/** What inference makes of stored images; the attributes of `view` replace those of `input.inference`. */
export function inferenceImages(
  model: NetworkDefinition,
  input: ImageInput,
  view?: Partial<AugmentAttributes>,
): StoredImages {
  const attributes = { ...input.inference, ...view, colour: false };
  const what = view ? 'view' : 'input.inference';
  const made = resolve(what, model, input, attributes);
  if (augmentIsRandom(made.attributes)) {
    throw new ArgumentError(
      `${what}: inference leaves nothing to chance, expected a fixed crop, flips of 0 or 1, no noise`,
    );
  }
  return made;
}

function resolve(
  what: string,
  model: NetworkDefinition,
  input: ImageInput,
  given: Partial<AugmentAttributes>,
): StoredImages {
  try {
    const attributes = augment.attributes({ stream: inputStream, ...given });
    const [channels] = model.inputShape;
    const types: TensorType[] = [{ dtype: 'u8', shape: [1, ...input.shape] }];
    if (augmentIsRandom(attributes)) types.push({ dtype: 'i32', shape: [4] });
    if (attributes.colour) types.push(f32(1, channels));
    if (attributes.meanImage !== 'none') {
      if (!input.meanImage) throw new ArgumentError(`${what} names a mean image, but input.meanImage is missing`);
      types.push(f32(...input.shape));
    }
    const [{ shape }] = augment.infer(attributes, types);
    if (!sameShape(shape.slice(1), model.inputShape)) {
      throw new ArgumentError(
        `${what} makes images ${formatShape(shape.slice(1))} of those stored, ${formatShape(input.shape)}; ` +
          `${model.name} wants ${formatShape(model.inputShape)}`,
      );
    }
    return { shape: input.shape, attributes };
  } catch (error) {
    if (!(error instanceof GraphError)) throw error;
    throw new ArgumentError(`${what}: ${error.message}`, { cause: error });
  }
}

/**
 * Declares the images that a graph begins with: the input 'images' [N, C, H, W], or of stored images the inputs 'bytes', 'colour' and
 * 'meanImage' (as their attributes have it). The function that it returns gives the value for the model to be built on, always called
 * 'images'; it needs `random` where something is left to chance.
 */
export function declareImages(
  g: GraphBuilder,
  model: NetworkDefinition,
  batch: number,
  stored: StoredImages | undefined,
): (random?: Value) => Value {
  if (!stored) {
    const images = g.input('images', [batch, ...model.inputShape]);
    return () => images;
  }
  const { shape, attributes } = stored;
  const bytes = g.input(storedInputs.bytes, [batch, ...shape], 'u8');
  const colour = attributes.colour ? g.input(storedInputs.colour, [batch, shape[0]]) : undefined;
  const meanImage = attributes.meanImage === 'none' ? undefined : g.input(storedInputs.meanImage, shape);
  return (random) => g.augment(bytes, { random, colour, meanImage }, attributes, { name: 'images', layer: 'input' });
}
