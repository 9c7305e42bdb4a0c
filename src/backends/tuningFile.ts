/** The file that keeps what autotuning measured: one for a user, which may be deleted at any time. Node only; a page has none. */
import { BackendError } from '../errors.js';
import { userCacheFolder } from '../userCache.js';

/** What was found out about a node: the fastest algorithm, and milliseconds of each that was timed. */
export interface Tuning {
  readonly algorithm: string;
  readonly ms: Readonly<Record<string, number>>;
}

/** By what a choice depends on (see `keyOf`). */
export type Tunings = Readonly<Record<string, Tuning>>;

interface Content {
  readonly format: typeof format;
  readonly version: typeof version;
  /** By the name of the adapter. */
  readonly adapters: Readonly<Record<string, Tunings>>;
}

const format = 'tandem tuning';
const version = 1;

/**
 * Where the file is unless the caller says so: `tandem/tuning.json` in the user's cache folder ($XDG_CACHE_HOME, by default ~/.cache).
 * Undefined where there are no files.
 */
export async function defaultTuningFile(): Promise<string | undefined> {
  const folder = await userCacheFolder();
  return folder && (await import('node:path')).join(folder, 'tuning.json');
}

/**
 * What the file holds for an adapter; nothing where there is no file.
 *
 * @throws BackendError for a file that is not what it should be: names the file and what is wrong
 */
export async function readTunings(path: string, adapter: string): Promise<Tunings> {
  return (await readContent(path)).adapters[adapter] ?? {};
}

/**
 * Adds to what the file holds for an adapter; the folder is made where it is not there. A file that cannot be read is replaced.
 *
 * @throws FileError when the file cannot be written
 */
export async function addTunings(path: string, adapter: string, added: Tunings): Promise<void> {
  const [{ mkdir }, { dirname }] = await Promise.all([import('node:fs/promises'), import('node:path')]);
  const { writeAtomically } = await import('../atomicFile.js');
  const { adapters } = await readContent(path).catch(() => empty);
  const content: Content = { ...empty, adapters: { ...adapters, [adapter]: { ...adapters[adapter], ...added } } };
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
  for (const [adapter, tunings] of Object.entries(content.adapters)) {
    if (!isRecord(tunings)) throw bad(`field 'adapters' → '${adapter}' is no object`);
    for (const [key, tuning] of Object.entries(tunings)) {
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
