/**
 * A software adapter for machines without a GPU, in Node on Linux: SwiftShader, a Vulkan driver that computes on the CPU, out of the npm
 * package `@sparticuz/chromium`. The system's Vulkan loader reads where drivers are from the environment before the process starts, so
 * a process that wants it must be started anew with `softwareEnvironment()`.
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
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliDecompressSync } from 'node:zlib';
import { BackendError } from '../../errors.js';

const packageName = '@sparticuz/chromium';
const archiveName = join('bin', 'swiftshader.tar.br');
const description = 'vk_swiftshader_icd.json';

/** Variables that make Vulkan find SwiftShader and nothing else. Unpacks it into the temporary folder where it is not yet. */
export function softwareEnvironment(): Readonly<Record<string, string>> {
  const folder = unpacked();
  const libraries = [folder, process.env.LD_LIBRARY_PATH].filter(Boolean).join(delimiter);
  return { VK_DRIVER_FILES: join(folder, description), LD_LIBRARY_PATH: libraries };
}

/** Whether this process was started so. */
export function hasSoftwareEnvironment(): boolean {
  return process.env.VK_DRIVER_FILES?.endsWith(description) ?? false;
}

/** @throws BackendError when the package is not there */
function unpacked(): string {
  const { root, version } = findPackage();
  const folder = join(tmpdir(), `tandem-swiftshader-${version}-${userInfo().uid}`);
  if (isOurs(folder)) return folder;
  // Whole or not at all: processes may do this at the same time.
  const fresh = mkdtempSync(join(tmpdir(), 'tandem-swiftshader-'));
  for (const [name, content] of filesOf(brotliDecompressSync(readFileSync(join(root, archiveName))))) {
    mkdirSync(dirname(join(fresh, name)), { recursive: true });
    writeFileSync(join(fresh, name), content);
  }
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

function findPackage(): { readonly root: string; readonly version: string } {
  let entry: string;
  try {
    entry = fileURLToPath(import.meta.resolve(packageName));
  } catch (error) {
    const how = `npm install --save-dev ${packageName}`;
    throw new BackendError(`the software adapter needs the npm package '${packageName}' (${how})`, { cause: error });
  }
  for (let root = dirname(entry); root !== dirname(root); root = dirname(root)) {
    if (!existsSync(join(root, archiveName))) continue;
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
    return { root, version };
  }
  throw new BackendError(`the npm package '${packageName}' holds no ${archiveName}`);
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
