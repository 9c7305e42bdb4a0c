/** Builds dist/contestant, for `tandem bench --browser`: a page whose worker runs our engine or a peer. It is not part of the package. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const dist = join(dirname(fileURLToPath(import.meta.url)), '../dist');
const target = join(dist, 'contestant');
rmSync(target, { recursive: true, force: true });
mkdirSync(target);
await build({
  entryPoints: ['bench/browser/worker.js', 'src/backends/wasm/worker.js'].map((file) => join(dist, file)),
  bundle: true,
  splitting: true,
  format: 'esm',
  target: 'es2022',
  // tfjs' modules have their addresses for bundlers.
  mainFields: ['module', 'main'],
  external: ['node:*', 'webgpu', 'sharp'],
  outdir: target,
  outbase: dist,
  // The WebAssembly builds are looked for from where backends/wasm is.
  chunkNames: 'src/backends/wasm/[name]-[hash]',
  logLevel: 'warning',
});
writeFileSync(join(target, 'index.html'), '<!doctype html>\n<title>Tandem</title>\n<link rel="icon" href="data:," />\n');
