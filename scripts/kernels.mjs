/**
 * Gathers kernels/**.wgsl into one module, so that a page needs no request for each: src/backends/webgpu/generated/kernels.ts. With them goes a
 * version, which changes with the kernels and with what chooses their constants, tiles and slices.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

/** [path, text] of the files in a folder of the project, by path. */
function textsOf(folder, extension) {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .map((file) => file.replaceAll('\\', '/'))
    .filter((file) => file.endsWith(extension))
    .sort()
    .map((file) => [file, readFileSync(join(root, folder, file), 'utf8')]);
}

const kernels = textsOf('kernels', '.wgsl');
const lowering = textsOf('src/backends/webgpu/lower', '.ts');
const version = createHash('sha256').update(JSON.stringify([kernels, lowering])).digest('hex').slice(0, 16);
const lines = [
  '/** Written by scripts/kernels.mjs: the WGSL files of kernels/, by path, and the version of them and their lowering. */',
  `export const kernelsVersion = '${version}';`,
  'export const kernelFiles: Readonly<Record<string, string>> = {',
  ...kernels.map(([file, text]) => `  ${JSON.stringify(file)}: ${JSON.stringify(text)},`),
  '};',
];
const target = join(root, 'src/backends/webgpu/generated/kernels.ts');
mkdirSync(dirname(target), { recursive: true });
writeFileSync(target, `${lines.join('\n')}\n`);
