/** Gathers kernels/**.wgsl into one module, so that a page needs no request for each: src/backends/webgpu/generated/kernels.ts. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const folder = join(root, 'kernels');
const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .map((file) => file.replaceAll('\\', '/'))
  .filter((file) => file.endsWith('.wgsl'))
  .sort();
const entries = files.map((file) => `  ${JSON.stringify(file)}: ${JSON.stringify(readFileSync(join(folder, file), 'utf8'))},`);
const target = join(root, 'src/backends/webgpu/generated/kernels.ts');
mkdirSync(dirname(target), { recursive: true });
writeFileSync(
  target,
  `/** Written by scripts/kernels.mjs: the WGSL files of kernels/, by path. */\nexport const kernelFiles: Readonly<Record<string, string>> = {\n${entries.join('\n')}\n};\n`,
);
