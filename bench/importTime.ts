import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** Milliseconds that `import 'tandem-nn'` takes in a process of its own; the best of a few, for the rest is the machine's mood. */
export async function measureImport(repeats = 5): Promise<number> {
  const index = new URL('../lib/index.js', import.meta.url).href;
  const script = `const start = performance.now(); await import(${JSON.stringify(index)}); console.log(performance.now() - start);`;
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < repeats; i++) {
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script]);
    best = Math.min(best, Number(stdout));
  }
  return best;
}
