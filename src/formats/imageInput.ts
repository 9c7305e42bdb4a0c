/** The input of a network in a weights file: attributes as JSON in the metadata, the mean image as a tensor. */
import { checkImageInput, type ImageInput } from '../engine/imageInput.js';
import { ArgumentError, FileError } from '../errors.js';
import type { Model } from '../models/model.js';
import { formatShape, sameShape } from '../ops/define.js';
import type { TensorSource } from './safetensors.js';
import type { TensorFile } from './tensorFile.js';

/** The tensor that holds the mean image [C, H, W]; a name with a slash is no parameter's. */
const meanImageTensor = 'input/meanImage';

/** What a file keeps of an input: a field of the metadata, and tensors. Nothing where there is no input. */
export function savedInput(input: ImageInput | undefined): {
  readonly metadata: Readonly<Record<string, string>>;
  readonly tensors: readonly TensorSource[];
} {
  if (!input) return { metadata: {}, tensors: [] };
  const { meanImage, ...data } = input;
  return {
    metadata: { input: JSON.stringify(data) },
    tensors: meanImage ? [{ name: meanImageTensor, shape: input.shape, data: meanImage }] : [],
  };
}

/**
 * The input that a file was saved with, if it was with one.
 *
 * @throws FileError where it is broken, or does not suit the model
 */
export async function readInput(file: TensorFile, model: Model): Promise<ImageInput | undefined> {
  if (!Object.hasOwn(file.metadata, 'input')) return undefined;
  const data = parse(file);
  const tensor = file.tensors.get(meanImageTensor);
  if (tensor && !sameShape(tensor.shape, data.shape)) {
    throw new FileError(
      `${file.label}: tensor '${meanImageTensor}' must be ${formatShape(data.shape)}, got ${formatShape(tensor.shape)}`,
    );
  }
  const input = tensor ? { ...data, meanImage: await file.read(meanImageTensor) } : data;
  try {
    checkImageInput(model, input);
  } catch (error) {
    // Attributes of another type than they should have make a TypeError.
    if (!(error instanceof ArgumentError || error instanceof TypeError)) throw error;
    throw new FileError(`${file.label}: 'input' in the metadata: ${error.message}`, { cause: error });
  }
  return input;
}

function parse({ label, metadata }: TensorFile): ImageInput {
  let found: unknown;
  try {
    found = JSON.parse(metadata.input);
  } catch (error) {
    throw new FileError(`${label}: 'input' in the metadata is not JSON`, { cause: error });
  }
  const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;
  const { shape, training, inference, colourNoise } = (isObject(found) ? found : {}) as Partial<ImageInput>;
  const noisy = colourNoise === undefined || (isObject(colourNoise) && isNoise(colourNoise));
  if (!Array.isArray(shape) || !isObject(training) || !isObject(inference) || !noisy) {
    throw new FileError(`${label}: 'input' in the metadata lacks a field or has a wrong one: ${metadata.input}`);
  }
  return { shape, training, inference, ...(colourNoise ? { colourNoise } : {}) } as ImageInput;
}

function isNoise({ scales, components }: Partial<NonNullable<ImageInput['colourNoise']>>): boolean {
  return Array.isArray(scales) && Array.isArray(components) && components.every(Array.isArray);
}
