/** Class folders of images in a page: files that were chosen or dropped, decoded by the browser. */
import { BackendError, FileError, InputError } from '../errors.js';
import type { Augmentation } from '../models/augmentation.js';
import type { Preprocessing } from '../models/model.js';
import { elements } from '../ops/define.js';
import { type Dataset, memoryDataset } from './dataset.js';
import { type DecodingOptions, decodeAll, settleBad } from './decodeAll.js';
import { type StoredAs, storedAs, storedShape, storePixels } from './stored.js';

/** An image file and what it shows. */
export interface ClassedImage {
  readonly file: Blob;
  readonly class: string;
}

export interface BitmapOptions extends DecodingOptions {
  /** Says channels, fit, resize and crop, as for `openData`. */
  readonly preprocessing: Preprocessing;
  readonly augmentation?: Augmentation;
  /** In the order of their labels; by default those of the images, by name. */
  readonly classes?: readonly string[];
  /** 'images' by default. */
  readonly name?: string;
}

/**
 * Images of a chosen folder (`<input type="file" webkitdirectory>`) with the names of the folders that they lie in. Other files are left out.
 */
export function classedFiles(files: Iterable<File>): ClassedImage[] {
  return [...files]
    .filter((file) => /^image\/(jpeg|png|webp)$/.test(file.type))
    .map((file) => ({ file, class: file.webkitRelativePath.split('/').at(-2) ?? '' }));
}

/**
 * Decodes images into memory, upright (EXIF), transparency over white, sized as the network wants them. Each browser resizes in its own way:
 * pixels are near those of `openData`, not the same.
 *
 * @throws FileError naming images that cannot be decoded (all are tried, and counted) unless `skipBad`; InputError without images, or for
 * a class that `classes` does not have; BackendError where there is no `createImageBitmap`
 */
export async function openBitmaps(images: readonly ClassedImage[], options: BitmapOptions): Promise<Dataset> {
  const { preprocessing, augmentation, name = 'images' } = options;
  if (typeof createImageBitmap !== 'function' || typeof OffscreenCanvas !== 'function') {
    throw new BackendError('decoding images in a page needs createImageBitmap and OffscreenCanvas');
  }
  if (images.length === 0) throw new InputError(`${name}: there are no images, expected JPEG, PNG or WebP files`);
  const stored = storedAs(preprocessing, augmentation);
  const shape = storedShape(stored);
  const classes = options.classes ?? [...new Set(images.map((image) => image.class))].sort();
  const foreign = images.find((image) => !classes.includes(image.class));
  if (foreign) throw new InputError(`${name}: an image is of class '${foreign.class}', expected ${classes.join(', ')}`);
  const paths = images.map(({ file, class: folder }, i) => `${folder}/${file instanceof File ? file.name : i}`);
  const bytes = new Uint8Array(images.length * elements(shape));
  let kept = 0;
  const { good, bad } = await decodeAll(
    paths,
    elements(shape),
    async (i, into) => decodeBitmap(images[i].file, paths[i], stored, into),
    async (more) => {
      bytes.set(more, kept);
      kept += more.length;
    },
    options,
  );
  settleBad(name, bad, images.length, options);
  if (good.length === 0) throw new FileError(`${name}: none of the ${images.length} images can be read`);
  const labels = Int32Array.from(good, (i) => classes.indexOf(images[i].class));
  return memoryDataset(name, shape, classes, labels, bytes.subarray(0, kept));
}

async function decodeBitmap(file: Blob, path: string, stored: StoredAs, into: Uint8Array): Promise<void> {
  const { fit, side } = stored;
  const bitmap = await createImageBitmap(file, { imageOrientation: 'from-image' }).catch((error: unknown) => {
    const reason = error instanceof Error ? error.message : String(error);
    throw new FileError(`cannot read the image '${path}': ${reason}`, { cause: error });
  });
  try {
    const context = new OffscreenCanvas(side, side).getContext('2d', { willReadFrequently: true });
    if (!context) throw new BackendError('decoding images needs a canvas, and the browser gives none');
    context.fillStyle = '#ffffff';
    context.fillRect(0, 0, side, side);
    context.imageSmoothingQuality = 'high';
    const shorter = Math.min(bitmap.width, bitmap.height);
    const [width, height] = fit === 'warp' ? [bitmap.width, bitmap.height] : [shorter, shorter];
    const [left, top] = [(bitmap.width - width) / 2, (bitmap.height - height) / 2];
    context.drawImage(bitmap, left, top, width, height, 0, 0, side, side);
    const { data } = context.getImageData(0, 0, side, side);
    const rgb = new Uint8Array(3 * side * side);
    for (let i = 0; i < side * side; i++) rgb.set(data.subarray(4 * i, 4 * i + 3), 3 * i);
    storePixels({ width: side, height: side, data: rgb }, stored, into);
  } finally {
    bitmap.close();
  }
}
