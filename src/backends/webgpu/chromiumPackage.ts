/**
 * What the npm package `@sparticuz/chromium` carries, unpacked into the temporary folder: SwiftShader, and a headless Chromium with the
 * libraries that it needs beyond those of the C compiler.
 */
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliDecompressSync } from 'node:zlib';
import { BackendError } from '../../errors.js';

const packageName = '@sparticuz/chromium';

/**
 * The folder that holds what is in some archives of the package ('NAME.tar.br', or 'NAME.br' for a program), unpacked when it is first
 * asked for.
 *
 * @param name of the folder, told from others by the package's version and the user
 * @param texts further files by name
 * @throws BackendError when the package is not there
 */
export function unpack(
  name: string,
  archives: readonly string[],
  texts: Readonly<Record<string, string>> = {},
): string {
  const { root, version } = findPackage(archives);
  const folder = join(tmpdir(), `tandem-${name}-${version}-${userInfo().uid}`);
  if (isOurs(folder)) return folder;
  // Whole or not at all: processes may do this at the same time.
  const fresh = mkdtempSync(join(tmpdir(), `tandem-${name}-`));
  const write = (file: string, content: Buffer | string, mode = 0o644): void => {
    mkdirSync(dirname(join(fresh, file)), { recursive: true });
    writeFileSync(join(fresh, file), content, { mode });
  };
  for (const archive of archives) {
    const content = brotliDecompressSync(readFileSync(join(root, 'bin', archive)));
    if (!archive.endsWith('.tar.br')) write(archive.replace(/\.br$/, ''), content, 0o755);
    else for (const [file, part] of filesOf(content)) write(file, part);
  }
  for (const [file, text] of Object.entries(texts)) write(file, text);
  try {
    renameSync(fresh, folder);
    return folder;
  } catch {
    if (!isOurs(folder)) return fresh;
    rmSync(fresh, { recursive: true });
    return folder;
  }
}

/** Whether the folder is there and nobody else can have put libraries into it. */
function isOurs(folder: string): boolean {
  const found = lstatSync(folder, { throwIfNoEntry: false });
  return found?.isDirectory() === true && found.uid === userInfo().uid && (found.mode & 0o022) === 0;
}

function findPackage(archives: readonly string[]): { readonly root: string; readonly version: string } {
  let entry: string;
  try {
    entry = fileURLToPath(import.meta.resolve(packageName));
  } catch (error) {
    const how = `npm install --save-dev ${packageName}`;
    throw new BackendError(`this needs the npm package '${packageName}' (${how})`, { cause: error });
  }
  for (let root = dirname(entry); root !== dirname(root); root = dirname(root)) {
    if (!archives.every((archive) => existsSync(join(root, 'bin', archive)))) continue;
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
    return { root, version };
  }
  throw new BackendError(`the npm package '${packageName}' does not hold ${archives.join(', ')}`);
}

/** Names and contents of the plain files of a tar archive (POSIX ustar: headers and contents in blocks of 512 bytes). */
function* filesOf(archive: Buffer): Generator<readonly [string, Buffer]> {
  const text = (at: number, length: number): string => archive.toString('latin1', at, at + length).replace(/\0.*/s, '');
  for (let at = 0; at + 512 <= archive.length && archive[at] !== 0; ) {
    const [name, size, type] = [text(at, 100), Number.parseInt(text(at + 124, 12), 8), text(at + 156, 1)];
    if (type === '0' || type === '') yield [name, archive.subarray(at + 512, at + 512 + size)];
    at += 512 + Math.ceil(size / 512) * 512;
  }
}
