/** Image files as a network with an `input` takes them: bytes of one shape, which the device crops and normalises. */
import { ArgumentError, FileError } from '../errors.js';
import { elements } from '../ops/define.js';
import { decodeAll } from './decodeAll.js';
import { readImage } from './image.js';
import { type StoredAs, storedShape, storePixels } from './stored.js';

/**
 * Decodes files and brings them to size: [N, C, side, side] in the order of `paths`. Node only.
 *
 * @throws FileError naming every file that cannot be read (all are tried); ArgumentError when there are none
 */
export async function loadStored(
  paths: readonly string[],
  stored: StoredAs,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  if (paths.length === 0) throw new ArgumentError('no images were given, expected at least one path');
  const size = elements(storedShape(stored));
  const images = new Uint8Array(paths.length * size);
  let filled = 0;
  const { bad } = await decodeAll(
    paths,
    size,
    async (i, into) => {
      storePixels(await readImage(paths[i], { fit: stored.fit, size: stored.side }), stored, into);
    },
    async (bytes) => {
      images.set(bytes, filled);
      filled += bytes.length;
    },
    { signal },
  );
  if (bad.length === 1) throw new FileError(bad[0].reason);
  if (bad.length > 1) {
    const reasons = bad.map(({ reason }) => reason).join('\n');
    throw new FileError(`${bad.length} of ${paths.length} images cannot be read:\n${reasons}`);
  }
  return images;
}
