/** Decoding of JPEG, PNG and WebP files by sharp, an optional dependency that is loaded on first use. */
import { BackendError, FileError } from '../errors.js';

/** 8-bit RGB, row by row: pixel (x, y) has its channels at 3·(y·width + x). */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** How a decoded image is brought to size: 'warp' to `size`×`size`; 'shorter-side' to that length, keeping the aspect. */
export interface Resizing {
  readonly fit: 'warp' | 'shorter-side';
  readonly size: number;
}

/**
 * Decodes an image file, upright (EXIF), transparency over white, and resizes it bilinearly (averaging when it shrinks).
 *
 * @throws FileError naming the file when it is missing, truncated or no image; BackendError when sharp is not installed.
 */
export async function readImage(path: string, resizing?: Resizing): Promise<Pixels> {
  const sharp = await loadSharp();
  try {
    let image = sharp(path, { failOn: 'error' }).autoOrient();
    if (resizing) {
      const { fit, size } = resizing;
      const options = { kernel: 'linear', fastShrinkOnLoad: false, fit: fit === 'warp' ? 'fill' : 'outside' } as const;
      image = image.resize(size, size, options);
    }
    const flat = image.flatten({ background: '#ffffff' }).toColourspace('srgb').raw();
    const { data, info } = await flat.toBuffer({ resolveWithObject: true });
    return { width: info.width, height: info.height, data: new Uint8Array(data.buffer, data.byteOffset, data.length) };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new FileError(`cannot read the image '${path}': ${reason}`, { cause: error });
  }
}

async function loadSharp(): Promise<typeof import('sharp').default> {
  try {
    return (await import('sharp')).default;
  } catch (error) {
    throw new BackendError("decoding images needs the package 'sharp': npm install sharp", { cause: error });
  }
}
