/** The IDX format of MNIST (yann.lecun.com/exdb/mnist): two zeros, a type, a rank; the sizes, big endian; the elements. */
import { FileError } from '../errors.js';
import { elements } from '../ops/define.js';

/** Unsigned bytes, the only type that MNIST's files have. */
const unsignedByte = 0x08;

export interface IdxArray {
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

/**
 * Reads an IDX file of bytes, gzip or not.
 *
 * @param rank what is expected: 3 for images, 1 for labels
 * @param where the file's name in errors
 * @throws FileError naming the field that is wrong
 */
export async function parseIdx(file: Uint8Array, rank: number, where: string): Promise<IdxArray> {
  const bytes = file[0] === 0x1f && file[1] === 0x8b ? await gunzip(file, where) : file;
  const header = 4 + 4 * rank;
  if (bytes.length < header) {
    throw new FileError(`'${where}' is not an IDX file: it has ${bytes.length} bytes, the header takes ${header}`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const expected = (unsignedByte << 8) | rank;
  if (view.getUint32(0) !== expected) {
    throw new FileError(`'${where}': the magic number is ${hex(view.getUint32(0))}, expected ${hex(expected)}`);
  }
  const shape = Array.from({ length: rank }, (_, i) => view.getUint32(4 + 4 * i));
  const data = bytes.subarray(header);
  if (data.length !== elements(shape)) {
    throw new FileError(`'${where}': ${shape.join('×')} take ${elements(shape)} bytes, the file has ${data.length}`);
  }
  return { shape, data };
}

function hex(magic: number): string {
  return `0x${magic.toString(16).padStart(8, '0')}`;
}

async function gunzip(file: Uint8Array, where: string): Promise<Uint8Array> {
  try {
    const stream = new Blob([file as Uint8Array<ArrayBuffer>]).stream().pipeThrough(new DecompressionStream('gzip'));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new FileError(`'${where}' cannot be unpacked by gzip: ${reason}`, { cause: error });
  }
}
