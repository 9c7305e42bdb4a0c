/** The package as its users have it: packed, and installed without development dependencies into a folder of its own. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const root = fileURLToPath(new URL('../../../', import.meta.url));

/** What `npm pack --json` says of the package: sizes in bytes. */
export interface Packed {
  readonly filename: string;
  readonly size: number;
  readonly unpackedSize: number;
  readonly files: readonly { readonly path: string; readonly size: number }[];
}

interface Lock {
  readonly lockfileVersion: number;
  readonly packages: Readonly<Record<string, { readonly dev?: boolean }>>;
}

/** Runs a command in a folder to its end, and returns what it prints. */
export async function runIn(folder: string, command: string, ...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(command, args, { cwd: folder, maxBuffer: 2 ** 26 });
  return stdout;
}

/** Packs the package as it is built, into a folder. */
export async function pack(folder: string): Promise<Packed> {
  const printed = await runIn(root, 'npm', 'pack', '--ignore-scripts', '--json', '--pack-destination', folder);
  const [packed] = JSON.parse(printed) as [Packed];
  return packed;
}

/**
 * Installs a packed package into a folder, with those versions of its dependencies that this repository has: what `npm ci` here has left in
 * npm's cache is then all that is needed.
 */
export async function install(tarball: string, folder: string): Promise<void> {
  const specifier = `file:${tarball}`;
  const dependencies = { 'tandem-nn': specifier };
  const app = { name: 'app', private: true, type: 'module', dependencies };
  const manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  const lock = JSON.parse(await readFile(join(root, 'package-lock.json'), 'utf8')) as Lock;
  const integrity = `sha512-${createHash('sha512')
    .update(await readFile(tarball))
    .digest('base64')}`;
  const needed = Object.entries(lock.packages).filter(([path, { dev }]) => path !== '' && !dev);
  const { version, bin, engines, dependencies: required, optionalDependencies } = manifest;
  const packages = {
    '': app,
    'node_modules/tandem-nn': {
      ...{ version, bin, engines, dependencies: required, optionalDependencies },
      ...{ resolved: specifier, integrity },
    },
    ...Object.fromEntries(needed),
  };
  await mkdir(folder);
  await writeFile(join(folder, 'package.json'), JSON.stringify(app));
  await writeFile(join(folder, 'package-lock.json'), JSON.stringify({ ...lock, name: 'app', packages }));
  await runIn(folder, 'npm', 'ci', '--omit=dev', '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund');
}
