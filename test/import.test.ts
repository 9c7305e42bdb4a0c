import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import t from 'tap';

t.test('importing the library', async (t) => {
  const index = new URL('../src/index.js', import.meta.url);
  const seen = new Set<string>();
  const outside: string[] = [];
  const walk = async (url: URL): Promise<void> => {
    if (seen.has(url.href)) return;
    seen.add(url.href);
    for (const [, name] of (await readFile(url, 'utf8')).matchAll(/^(?:import|export|\}) [^;'"]*?from '([^']+)'/gm)) {
      if (name.startsWith('.')) await walk(new URL(name, url));
      else outside.push(`${url.href} imports ${name}`);
    }
  };
  await walk(index);
  t.ok(seen.size > 20, 'the imports were found', { found: seen.size });
  t.same(outside, [], 'needs nothing that a page does not have');

  // As a user gets it: one file, and chunks that are loaded on use.
  const library = new URL('../lib/index.js', import.meta.url);
  const script = `await import(${JSON.stringify(library.href)});
    console.log(JSON.stringify(process.getActiveResourcesInfo()));`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script]);
  const running = (JSON.parse(stdout) as string[]).filter((resource) => /Worker|MessagePort|Timeout/.test(resource));
  t.same(running, [], 'starts nothing');
});
