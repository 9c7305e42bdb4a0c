/** Builds dist/page, which any web server can host as it is: the page, its workers as ES modules, and the WebAssembly builds. */
import { cpSync, mkdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const target = join(root, 'dist/page');
const compiled = join(root, 'dist/src');
rmSync(target, { recursive: true, force: true });
await build({
  entryPoints: ['page/page.js', 'page/worker.js', 'backends/wasm/worker.js'].map((file) => join(compiled, file)),
  bundle: true,
  splitting: true,
  minify: true,
  format: 'esm',
  target: 'es2022',
  // What only Node loads is never reached in a page.
  external: ['node:*', 'webgpu', 'sharp'],
  // Files find the worker and the WebAssembly builds from where they are themselves, as in dist/lib.
  outdir: join(target, 'lib'),
  outbase: compiled,
  chunkNames: 'backends/wasm/[name]-[hash]',
  logLevel: 'warning',
});
for (const file of ['index.html', 'style.css']) cpSync(join(root, 'src/page', file), join(target, file));
mkdirSync(join(target, 'wasm'));
cpSync(join(root, 'dist/wasm'), join(target, 'wasm'), { recursive: true, filter: (file) => !file.endsWith('.wat') });
