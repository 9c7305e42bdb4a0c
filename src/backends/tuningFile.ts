/** The file that keeps what autotuning measured: one for a user, which may be deleted at any time. Node only; a page has none. */
import { BackendError } from '../errors.js';
import { userCacheFolder } from '../userCache.js';
import type { AdapterInfo } from './backend.js';

/** What was found out about a node: the fastest algorithm, and milliseconds of each that was timed. */
export interface Tuning {
  readonly algorithm: string;
  readonly ms: Readonly<Record<string, number>>;
}

/** By what a choice depends on (see `keyOf`). */
export type Tunings = Readonly<Record<string, Tuning>>;

/** What was measured on an adapter, and the version of the kernels that were. */
interface Measured {
  readonly kernels: string;
  readonly tunings: Tunings;
}

interface Content {
  readonly format: typeof format;
  readonly version: typeof version;
  /** By the name of the adapter. */
  readonly adapters: Readonly<Record<string, Measured>>;
}

/** Whose measurements are meant: an adapter's, with the kernels that run on it now. */
export type Tuned = Pick<AdapterInfo, 'name' | 'kernels'>;

const format = 'tandem tuning';
const version = 2;

/**
 * Where the file is unless the caller says so: `tandem/tuning.json` in the user's cache folder ($XDG_CACHE_HOME, by default ~/.cache).
 * Undefined where there are no files.
 */
export async function defaultTuningFile(): Promise<string | undefined> {
  const folder = await userCacheFolder();
  return folder && (await import('node:path')).join(folder, 'tuning.json');
}

/**
 * What the file holds for an adapter; nothing where there is no file, or other kernels were measured.
 *
 * @throws BackendError for a file that is not what it should be: names the file and what is wrong
 */
export async function readTunings(path: string, adapter: Tuned): Promise<Tunings> {
  return tuningsOf(await readContent(path), adapter);
}

function tuningsOf({ adapters }: Content, { name, kernels }: Tuned): Tunings {
  const measured = adapters[name];
  return measured?.kernels === kernels ? measured.tunings : {};
}

/**
 * Adds to what the file holds for an adapter, and drops what was measured of other kernels; the folder is made where it is not there. A file
 * that cannot be read is replaced.
 *
 * @throws FileError when the file cannot be written
 */
export async function addTunings(path: string, adapter: Tuned, added: Tunings): Promise<void> {
  const [{ mkdir }, { dirname }] = await Promise.all([import('node:fs/promises'), import('node:path')]);
  const { writeAtomically } = await import('../atomicFile.js');
  const known = await readContent(path).catch(() => empty);
  const { name, kernels } = adapter;
  const measured: Measured = { kernels, tunings: { ...tuningsOf(known, adapter), ...added } };
  const content: Content = { ...empty, adapters: { ...known.adapters, [name]: measured } };
  await mkdir(dirname(path), { recursive: true }).catch(() => undefined);
  await writeAtomically(path, (write) => write(new TextEncoder().encode(`${JSON.stringify(content, null, 2)}\n`)));
}

const empty: Content = { format, version, adapters: {} };

async function readContent(path: string): Promise<Content> {
  const { readFile } = await import('node:fs/promises');
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return empty;
    throw new BackendError(`${path}: ${(error as Error).message}`, { cause: error });
  }
  return parse(text, path);
}

function parse(text: string, path: string): Content {
  const bad = (what: string, cause?: unknown): BackendError => new BackendError(`${path}: ${what}`, { cause });
  let content: Content;
  try {
    content = JSON.parse(text);
  } catch (error) {
    throw bad(`no JSON: ${(error as Error).message}`, error);
  }
  if (content?.format !== format) throw bad(`field 'format' is not '${format}'`);
  if (content.version !== version) throw bad(`field 'version' is ${content.version}, expected ${version}`);
  if (!isRecord(content.adapters)) throw bad("field 'adapters' is no object");
  for (const [adapter, measured] of Object.entries(content.adapters)) {
    if (!isRecord(measured) || typeof measured.kernels !== 'string' || !isRecord(measured.tunings)) {
      throw bad(`field 'adapters' → '${adapter}' is no object with 'kernels' and 'tunings'`);
    }
    for (const [key, tuning] of Object.entries(measured.tunings)) {
      if (!isTuning(tuning)) throw bad(`'${key}' of '${adapter}' is no algorithm with its times`);
    }
  }
  return content;
}

function isTuning(value: unknown): value is Tuning {
  if (!isRecord(value)) return false;
  const { algorithm, ms } = value;
  if (typeof algorithm !== 'string' || !isRecord(ms)) return false;
  return algorithm in ms && Object.values(ms).every((time) => typeof time === 'number' && time >= 0);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
