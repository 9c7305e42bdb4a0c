/** The rules of the house: one op, one name, one file in each room; imports run one way; nobody tests for a backend's name. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { ops } from '../src/ops/registry.js';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Names without extension of the files of a folder. */
function filesOf(folder: string, extension: string): readonly string[] {
  return readdirSync(join(root, folder))
    .filter((name) => name.endsWith(extension))
    .map((name) => name.slice(0, -extension.length));
}

t.test('one op, one name, one file in each room', async (t) => {
  const families = [...new Set([...ops.values()].map((op) => op.family))].sort();
  const shared = ['define', 'registry'];
  t.same(
    filesOf('src/ops', '.ts')
      .filter((name) => !shared.includes(name))
      .sort(),
    families,
    'src/ops has a file for each',
  );
  t.same([...filesOf('src/verify/cases', '.ts')].sort(), families, 'src/verify/cases has a file for each');

  // An op whose output has the bytes of its input needs no kernel.
  const withKernels = families.filter((family) => [...ops.values()].some((op) => op.family === family && !op.alias));
  const kernelRooms = [
    ['assembly', '.ts'],
    ['kernels', '.wgsl'],
  ].filter(([folder]) => existsSync(join(root, folder)));
  for (const [folder, extension] of kernelRooms) {
    const found = filesOf(folder, extension);
    for (const family of withKernels) t.ok(found.includes(family), `${folder}/${family}${extension}`);
  }
});

/** Rooms from the ground up; a file may import from its own floor and those below it. */
const floors: readonly (readonly string[])[] = [
  ['src/errors', 'src/atomicFile', 'src/concurrently', 'src/crc32', 'src/html', 'src/userCache'],
  ['src/ops'],
  ['src/graph'],
  ['src/plan'],
  ['src/backends'],
  ['src/engine'],
  ['src/verify', 'src/train', 'src/data', 'src/formats', 'src/models'],
  ['src/index'],
  ['src/cli', 'bench', 'src/page'],
];

/** 'src/ops/lrn.ts' is in 'src/ops', 'src/errors.ts' is a room of its own, and bench is one. */
function roomOf(file: string): string {
  const parts = file.replace(/\.[jt]s$/, '').split('/');
  return parts[0] === 'src' ? parts.slice(0, 2).join('/') : parts[0];
}

function floorOf(file: string): number {
  return floors.findIndex((rooms) => rooms.includes(roomOf(file)));
}

/** All TypeScript files of a folder, relative to the root. */
function sources(folder: string): readonly string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => `${folder}/${name}`);
}

const files = [...sources('src'), ...sources('bench')];

function textOf(file: string): string {
  return readFileSync(join(root, file), 'utf8');
}

/** Files that a file imports by a relative path, dynamically or for types only included. */
function importsOf(file: string): readonly string[] {
  const specifiers = [...textOf(file).matchAll(/\b(?:from|import)\s*\(?\s*'(\.[^']+)'/g)].map((match) => match[1]);
  return specifiers.map((specifier) => normalize(join(dirname(file), specifier)));
}

t.test('imports run one way', async (t) => {
  t.ok(files.length > 20 && files.flatMap(importsOf).length > 50, 'the scan found files and imports');
  for (const file of files) {
    t.ok(floorOf(file) >= 0, `${file} is in a room of the house`);
    for (const imported of importsOf(file)) {
      if (floorOf(imported) > floorOf(file)) t.fail(`${file} imports ${imported}, which is above it`);
    }
  }
});

/** 'src/backends/wasm/index.ts' belongs to 'wasm'; 'src/backends/open.ts' to none. */
function backendOf(file: string): string | undefined {
  return /^src\/backends\/([^/]+)\//.exec(file)?.[1];
}

t.test('no backend imports another', async (t) => {
  const backends = new Set(files.map(backendOf).filter((name) => name !== undefined));
  t.ok(backends.size >= 2, [...backends].join(', '));
  for (const file of files.filter((name) => backendOf(name))) {
    for (const imported of importsOf(file)) {
      const other = backendOf(imported);
      if (other !== undefined && other !== backendOf(file)) t.fail(`${file} imports ${imported}`);
    }
  }
});

t.test("nobody outside src/backends tests for a backend's name", async (t) => {
  const names = [...new Set(files.map(backendOf).filter((name) => name !== undefined))].join('|');
  const test = new RegExp(
    `[=!]==?\\s*'(${names})'|'(${names})'\\s*[=!]==?|\\bcase\\s+'(${names})'|\\.(startsWith|includes|endsWith)\\('(${names})`,
  );
  t.match("if (info.name === 'wasm')", test, 'the pattern finds one');
  for (const file of files.filter((name) => roomOf(name) !== 'src/backends')) {
    for (const [i, line] of textOf(file).split('\n').entries()) {
      if (test.test(line)) t.fail(`${file}:${i + 1}: ${line.trim()}`);
    }
  }
});
