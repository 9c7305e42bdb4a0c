/** Writes float32 arrays as .npy files: apart from the reader, which a page that only writes needs not. */
import { writeAtomically } from '../atomicFile.js';
import { ArgumentError } from '../errors.js';
import { elements, formatShape } from '../ops/define.js';
import { bytesOfFloats } from './tensorFile.js';

/** What a file begins with. */
export const npyMagic = '\x93NUMPY';

/**
 * Writes float32 values as an .npy file, row-major, whole or not at all.
 *
 * @throws ArgumentError when the data do not fill the shape; FileError when the file cannot be written
 */
export async function writeNpy(path: string, shape: readonly number[], data: Float32Array): Promise<void> {
  const chunks = npyChunks(shape, data);
  await writeAtomically(path, async (write) => {
    for (const chunk of chunks) await write(chunk);
  });
}

/** The bytes of such a file. */
export function npyBytes(shape: readonly number[], data: Float32Array): Uint8Array<ArrayBuffer> {
  const [head, content] = npyChunks(shape, data);
  const bytes = new Uint8Array(head.length + content.length);
  bytes.set(head);
  bytes.set(content, head.length);
  return bytes;
}

function npyChunks(
  shape: readonly number[],
  data: Float32Array,
): readonly [head: Uint8Array<ArrayBuffer>, content: Uint8Array<ArrayBuffer>] {
  if (data.length !== elements(shape)) {
    throw new ArgumentError(`npy: shape ${formatShape(shape)} needs ${elements(shape)} values, got ${data.length}`);
  }
  const tuple = `(${shape.join(', ')}${shape.length === 1 ? ',' : ''})`;
  const header = `{'descr': '<f4', 'fortran_order': False, 'shape': ${tuple}, }`;
  // Spaces and a line feed, so that the data are aligned as the format asks.
  const length = Math.ceil((10 + header.length + 1) / 64) * 64 - 10;
  const head = Uint8Array.from(`${npyMagic}\x01\x00\0\0${header.padEnd(length - 1)}\n`, (character) =>
    character.charCodeAt(0),
  );
  new DataView(head.buffer).setUint16(8, length, true);
  return [head, bytesOfFloats(data)];
}
