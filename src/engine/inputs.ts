/** Checks of what callers hand in, made before any device work. */
import { ArgumentError, InputError } from '../errors.js';
import { elements } from '../ops/define.js';
import type { NetworkDefinition } from './definition.js';
import type { ImageInput } from './imageInput.js';
import type { Images } from './types.js';

/**
 * Batch size of `images`, which must be float32 [N, C, H, W] with N at least 1 and without NaN or infinities, or bytes [N, ...input.shape]
 * where the network has an input.
 *
 * @throws InputError naming the shape expected, or the image, channel, row and column of the first bad value
 */
export function checkImages(model: NetworkDefinition, images: Images, input?: ImageInput): number {
  if (images instanceof Uint8Array) return checkBytes(images, input);
  const expected = `expected float32 [N, ${model.inputShape.join(', ')}]`;
  if (!(images instanceof Float32Array)) {
    const or = input ? ` or bytes [N, ${input.shape.join(', ')}] in a Uint8Array` : '';
    throw new InputError(`images: ${expected} in a Float32Array${or}, got ${describe(images)}`);
  }
  const perImage = elements(model.inputShape);
  if (images.length === 0 || images.length % perImage !== 0) {
    throw new InputError(`images: ${expected}, a multiple of ${perImage} numbers, got ${images.length}`);
  }
  if (!allFinite(images))
    throw new InputError(`images: ${expected} of finite numbers, ${locate(model.inputShape, images)}`);
  return images.length / perImage;
}

function checkBytes(images: Uint8Array, input: ImageInput | undefined): number {
  if (!input) throw new InputError('images: got bytes, which need a network with an `input`; expected a Float32Array');
  const perImage = elements(input.shape);
  if (images.length === 0 || images.length % perImage !== 0) {
    throw new InputError(
      `images: expected bytes [N, ${input.shape.join(', ')}], a multiple of ${perImage}, got ${images.length}`,
    );
  }
  return images.length / perImage;
}

/** Labels as int32 [N]; throws an InputError that names the first label that is no class of the model. */
export function checkLabels(model: NetworkDefinition, labels: ArrayLike<number>, batch: number): Int32Array {
  if (labels === null || typeof labels !== 'object' || typeof labels.length !== 'number') {
    throw new InputError(`labels: expected ${batch} class indices, got ${describe(labels)}`);
  }
  if (labels.length !== batch) {
    throw new InputError(`labels: expected ${batch} class indices, one for each image, got ${labels.length}`);
  }
  const checked = new Int32Array(batch);
  for (let i = 0; i < batch; i++) {
    const label = labels[i];
    if (!Number.isInteger(label) || label < 0 || label >= model.classes) {
      throw new InputError(`labels[${i}] is ${label}, expected an integer from 0 to ${model.classes - 1}`);
    }
    checked[i] = label;
  }
  return checked;
}

/** A whole number from 0 to 2⁵³ − 1, or an ArgumentError. */
export function checkCount(name: string, value: number, least = 0): number {
  if (!Number.isSafeInteger(value) || value < least) {
    throw new ArgumentError(`${name} must be an integer from ${least} to ${Number.MAX_SAFE_INTEGER}, got ${value}`);
  }
  return value;
}

/** One of a few words, or an ArgumentError. */
export function checkWord<T extends string>(name: string, value: T, allowed: readonly T[]): T {
  if (allowed.includes(value)) return value;
  throw new ArgumentError(`${name} must be one of ${allowed.join(', ')}, got ${value}`);
}

/** In float64 no sum of float32 numbers overflows, so one sum tells; four of them keep the adder busy. */
function allFinite(data: Float32Array): boolean {
  let a = 0;
  let b = 0;
  let c = 0;
  let d = 0;
  const whole = data.length & ~3;
  for (let i = 0; i < whole; i += 4) {
    a += data[i];
    b += data[i + 1];
    c += data[i + 2];
    d += data[i + 3];
  }
  for (let i = whole; i < data.length; i++) a += data[i];
  return Number.isFinite(a + b + c + d);
}

function locate([channels, height, width]: readonly number[], images: Float32Array): string {
  const at = images.findIndex((value) => !Number.isFinite(value));
  const column = at % width;
  const row = Math.floor(at / width) % height;
  const channel = Math.floor(at / (width * height)) % channels;
  const image = Math.floor(at / (width * height * channels));
  return `got ${images[at]} in image ${image}, channel ${channel}, row ${row}, column ${column}`;
}

function describe(value: unknown): string {
  if (value === null || typeof value !== 'object') return String(value);
  return value.constructor?.name ?? 'an object';
}
