/**
 * Data of ONNX tensors that lie in a file beside the model (onnx.ai, "External Data"): key-value pairs with its 'location', a relative
 * path, and the 'offset' and 'length' of the data in it, in bytes.
 */
import { FileError } from '../errors.js';
import { type ByteSource, openSource } from './byteSource.js';

export interface ExternalData {
  /** The file; it is open only while it is read, for there may be one for each tensor. */
  readonly source: ByteSource;
  readonly begin: number;
  /** In bytes; undefined where the model does not say. */
  readonly length: number | undefined;
}

/**
 * Finds the file that a tensor's data lie in. It must be a regular file in the model's folder or below it, links followed, so that a
 * model from a stranger cannot have other files read.
 *
 * @param tensor names the tensor in errors, with its file
 * @throws FileError for a location that is not so, and for an offset or a length that is no such number
 */
export async function externalData(
  model: ByteSource,
  pairs: readonly { readonly key?: string; readonly value?: string }[],
  tensor: string,
): Promise<ExternalData> {
  const entries = new Map(pairs.map(({ key, value }) => [key, value]));
  const location = entries.get('location') ?? '';
  const path = await resolved(model, location, tensor);
  const begin = bytesOf(entries.get('offset'), `${tensor} has external_data.offset`) ?? 0;
  const length = bytesOf(entries.get('length'), `${tensor} has external_data.length`);
  const probe = await openSource(path);
  await probe.close();
  const { label, size } = probe;
  const source: ByteSource = {
    label,
    size,
    async read(offset, into) {
      const file = await openSource(path);
      try {
        await file.read(offset, into);
      } finally {
        await file.close();
      }
    },
    close: async () => undefined,
  };
  return { source, begin, length };
}

async function resolved(model: ByteSource, location: string, tensor: string): Promise<string> {
  const where = `${tensor} has its data in '${location}'`;
  if (model.path === undefined) throw new FileError(`${where}, a file beside the model: open the model by its path`);
  const segments = location.split('/');
  if (
    location === '' ||
    location.includes('\0') ||
    location.includes('\\') ||
    segments[0] === '' ||
    segments.includes('..')
  ) {
    throw new FileError(`${where}, expected a path relative to the model's folder and inside it`);
  }
  const { dirname, join, sep } = await import('node:path');
  const { realpath, stat } = await import('node:fs/promises');
  try {
    const folder = await realpath(dirname(model.path));
    const path = await realpath(join(folder, location));
    if (!path.startsWith(folder.endsWith(sep) ? folder : folder + sep)) {
      throw new FileError(`${where}, which leads out of the model's folder`);
    }
    if (!(await stat(path)).isFile()) throw new FileError(`${where}, which is no regular file`);
    return path;
  } catch (error) {
    if (error instanceof FileError) throw error;
    throw new FileError(`${where}, which cannot be read: ${error instanceof Error ? error.message : error}`, {
      cause: error,
    });
  }
}

function bytesOf(text: string | undefined, where: string): number | undefined {
  if (text === undefined) return undefined;
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value)) throw new FileError(`${where} '${text}', expected a number of bytes`);
  return value;
}
