/**
 * A folder of class folders of images: ROOT/CLASS/NAME.jpg. They are decoded once, into a packed file in the user's cache that is found
 * again by names, sizes and times of change. Node only; its modules are imported on use, so that a page can import this file.
 */
import { isSystemError } from '../atomicFile.js';
import { ArgumentError, FileError, InputError } from '../errors.js';
import { elements } from '../ops/define.js';
import { userCacheFolder } from '../userCache.js';
import type { Dataset } from './dataset.js';
import { type DecodingOptions, decodeAll, settleBad } from './decodeAll.js';
import { readImage } from './image.js';
import { openPacked, type PackedDescription, writePacked } from './packed.js';
import { type StoredAs, storedShape, storePixels } from './stored.js';

export interface FolderOptions extends DecodingOptions {
  readonly stored: StoredAs;
  /** The class folders that there may be, in the order of their labels; by default those that are there, by name. */
  readonly classes?: readonly string[];
  /** Folder of the packed file, by default `tandem/images` in the user's cache folder. */
  readonly cache?: string;
  /** Up to so many bytes of decoded images are held in memory, 256 MiB by default; larger ones are read from the packed file. */
  readonly inMemory?: number;
}

interface ImageFile {
  /** Below the root, with slashes. */
  readonly path: string;
  readonly label: number;
  readonly size: number;
  readonly mtimeMs: number;
}

/** Changes when decoding, resizing or the packed file do: what older versions wrote is then made anew. */
const packedVersion = 1;
const inMemoryByDefault = 2 ** 28;
const imageName = /^[^.].*\.(jpe?g|png|webp)$/i;
/** A packed file that was not opened for so long is deleted when another one is written. */
const keptDays = 60;
const packedName = /^[0-9a-f]{32}\.packed$/;
/** Files whose size and time are asked for at one time. */
const statAtOnce = 64;

/**
 * Opens a folder of class folders; labels follow the order of their names. Files other than JPEG, PNG and WebP, and hidden ones, are ignored.
 *
 * @throws FileError for a folder without class folders, one without images, images that cannot be read (all are tried, and counted)
 * unless `skipBad`, a cache that cannot be written; InputError for a class that `classes` does not have; BackendError when sharp is missing
 */
export async function openFolder(root: string, name: string, options: FolderOptions): Promise<Dataset> {
  const { stored, signal, inMemory = inMemoryByDefault } = options;
  const { join } = await import('node:path');
  const { classes, files } = await listImages(root, options.classes, signal);
  const shape = storedShape(stored);
  const key = await keyOf(stored, classes, files);
  const cache = options.cache ?? join(await defaultCache(), 'images');
  const path = join(cache, `${key.slice(0, 32)}.packed`);
  const names = files.map((file) => file.path);
  let packed = await openPacked(path, name, key, inMemory);
  if (!packed) {
    const size = { fit: stored.fit, size: stored.side };
    await writePacked(path, async (write) => {
      const decode = async (i: number, into: Uint8Array) => {
        storePixels(await readImage(join(root, names[i]), size), stored, into);
      };
      const { good, bad } = await decodeAll(names, elements(shape), decode, write, options);
      const labels = Int32Array.from(good, (i) => files[i].label);
      // Named from the root: the folder may be elsewhere when the packed file is opened again.
      const relative = bad.map((image) => ({
        ...image,
        reason: image.reason.replace(join(root, image.path), image.path),
      }));
      const description: PackedDescription = { key, shape, classes, bad: relative };
      return { labels, description };
    });
    await forgetUnused(cache);
    packed = await openPacked(path, name, key, inMemory);
    if (!packed) throw new FileError(`the cache of decoded images '${path}' was changed while it was written`);
  }
  await noteUse(path);
  const { dataset, bad } = packed;
  try {
    settleBad(`'${root}'`, bad, files.length, {
      ...options,
      onSkipped: (image, reason) => options.onSkipped?.(join(root, image), reason),
    });
    expectImages(root, dataset, files);
  } catch (error) {
    await dataset.close();
    throw error;
  }
  return dataset;
}

/** The time of a packed file is that of its last use; where it cannot be set, that of its making stays. */
async function noteUse(path: string): Promise<void> {
  const { utimes } = await import('node:fs/promises');
  const now = new Date();
  await utimes(path, now, now).catch(() => undefined);
}

/** Deletes what can be made again and was not used for long; what cannot be deleted stays. */
async function forgetUnused(cache: string): Promise<void> {
  const [{ readdir, rm, stat }, { join }] = await Promise.all([import('node:fs/promises'), import('node:path')]);
  const oldest = Date.now() - keptDays * 24 * 60 * 60 * 1000;
  for (const name of await readdir(cache).catch(() => [])) {
    if (!packedName.test(name)) continue;
    const path = join(cache, name);
    const used = await stat(path).catch(() => undefined);
    if (used && used.mtimeMs < oldest) await rm(path, { force: true }).catch(() => undefined);
  }
}

/** The names of the folders in a folder, in the order of their UTF-16 units, hidden ones left out. */
export async function foldersIn(root: string): Promise<string[]> {
  const { readdir } = await import('node:fs/promises');
  const entries = await readdir(root, { withFileTypes: true }).catch((error: unknown) => {
    throw isSystemError(error) ? new FileError(`cannot read '${root}': ${error.message}`, { cause: error }) : error;
  });
  const { stat } = await import('node:fs/promises');
  const { join } = await import('node:path');
  const isFolder = await Promise.all(
    entries.map(async (entry) => {
      if (entry.name.startsWith('.')) return false;
      if (!entry.isSymbolicLink()) return entry.isDirectory();
      const target = await stat(join(root, entry.name)).catch(() => undefined);
      return target?.isDirectory() ?? false;
    }),
  );
  return entries
    .filter((_, i) => isFolder[i])
    .map((entry) => entry.name)
    .sort();
}

async function listImages(
  root: string,
  allowed: readonly string[] | undefined,
  signal: AbortSignal | undefined,
): Promise<{ readonly classes: readonly string[]; readonly files: readonly ImageFile[] }> {
  const [{ readdir, stat }, { join }] = await Promise.all([import('node:fs/promises'), import('node:path')]);
  const folders = await foldersIn(root);
  if (folders.length === 0) throw new FileError(`'${root}' has no class folders, expected CLASS/NAME.jpg in it`);
  const classes = allowed ?? folders;
  const files: ImageFile[] = [];
  for (const folder of folders) {
    const label = classes.indexOf(folder);
    if (label < 0) {
      throw new InputError(
        `'${root}' has a class '${folder}', expected those of the training set: ${classes.join(', ')}`,
      );
    }
    const names = (await readdir(join(root, folder))).filter((name) => imageName.test(name)).sort();
    if (names.length === 0) {
      throw new FileError(`the class folder '${join(root, folder)}' has no images (.jpg, .jpeg, .png or .webp)`);
    }
    for (let start = 0; start < names.length; start += statAtOnce) {
      signal?.throwIfAborted();
      const stats = names.slice(start, start + statAtOnce).map(async (name): Promise<ImageFile> => {
        const { size, mtimeMs } = await stat(join(root, folder, name));
        return { path: `${folder}/${name}`, label, size, mtimeMs };
      });
      files.push(...(await Promise.all(stats)));
    }
  }
  return { classes, files };
}

async function keyOf(stored: StoredAs, classes: readonly string[], files: readonly ImageFile[]): Promise<string> {
  const { createHash } = await import('node:crypto');
  const hash = createHash('sha256').update(JSON.stringify([packedVersion, stored, classes]));
  for (const { path, size, mtimeMs } of files) hash.update(JSON.stringify([path, size, mtimeMs]));
  return hash.digest('hex');
}

async function defaultCache(): Promise<string> {
  const folder = await userCacheFolder();
  if (folder === undefined) throw new ArgumentError('folders of images can be opened where there are files, in Node');
  return folder;
}

/** A class of which every image was left out is no class to train on. */
function expectImages(root: string, dataset: Dataset, files: readonly ImageFile[]): void {
  const readable = new Set(dataset.labels);
  const lost = files.find(({ label }) => !readable.has(label));
  if (lost) throw new FileError(`'${root}': none of the images of class '${dataset.classes[lost.label]}' can be read`);
}
