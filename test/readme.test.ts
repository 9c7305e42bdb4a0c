/** The README's snippets run as they are printed. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import t from 'tap';

const root = fileURLToPath(new URL('../../', import.meta.url));

t.test('every TypeScript snippet of the README runs', async (t) => {
  const readme = await readFile(join(root, 'README.md'), 'utf8');
  const snippets = [...readme.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, code]) => code);
  t.ok(snippets.length >= 3, 'the snippets were found');
  // A folder that has the package installed, as a user's would.
  const folder = await mkdtemp(join(tmpdir(), 'tandem-readme-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  await mkdir(join(folder, 'node_modules'));
  await symlink(root, join(folder, 'node_modules', 'tandem-nn'), 'dir');
  for (const [i, code] of snippets.entries()) {
    const file = join(folder, `snippet${i}.mjs`);
    await writeFile(file, code);
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [file], { cwd: folder, timeout: 120_000 });
    t.ok(stdout.trim().length > 0, `snippet ${i} prints`);
    t.notMatch(stderr, /error/i, `snippet ${i} complains of nothing`);
  }
});
