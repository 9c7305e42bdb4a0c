/** `tandem serve`: what it gives, and what it does not. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { request } from 'node:http';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { fileOf, startServer } from '../src/cli/lib/server.js';
import { tandem } from './support/cli.js';

t.test('the page, the library and nothing else', async (t) => {
  const server = await startServer(0);
  t.teardown(() => server.close());
  t.match(server.url, /^http:\/\/127\.0\.0\.1:\d+\/$/);
  const get = (path: string, method = 'GET') => fetch(new URL(path, server.url), { method });

  const page = await get('');
  t.equal(page.status, 200);
  t.equal(page.headers.get('content-type'), 'text/html; charset=utf-8');
  t.equal(page.headers.get('cross-origin-opener-policy'), 'same-origin');
  t.equal(page.headers.get('cross-origin-embedder-policy'), 'require-corp');
  const html = await page.text();
  // Everything that the page names is there.
  const names = [...html.matchAll(/(?:src|href)="([^":]+)"/g)].map(([, name]) => name);
  t.same(names.sort(), ['lib/page/page.js', 'style.css']);
  for (const [path, type] of [
    ...names.map((name) => [name, name.endsWith('.css') ? 'text/css' : 'text/javascript']),
    ['lib/page/worker.js', 'text/javascript'],
    ['lib/backends/wasm/worker.js', 'text/javascript'],
    ['wasm/relaxed-shared.wasm', 'application/wasm'],
    ['dist/lib/index.js', 'text/javascript'],
    ['dist/wasm/plain.wasm', 'application/wasm'],
  ]) {
    const found = await get(path);
    t.equal(found.status, 200, path);
    t.ok(found.headers.get('content-type')?.startsWith(type), `${path} is ${type}`);
    t.equal((await found.arrayBuffer()).byteLength, Number(found.headers.get('content-length')));
  }
  const head = await get('style.css', 'HEAD');
  t.same([head.status, await head.text()], [200, '']);
  t.equal((await get('', 'POST')).status, 405);
  for (const path of ['nothing.js', 'lib', 'lib/', 'dist/src/index.js', 'package.json']) {
    t.equal((await get(path)).status, 404, path);
  }
  // A client that does not tidy its paths.
  for (const path of [
    '/../src/index.js',
    '/lib/../../lib/index.js',
    '/%2e%2e/lib/index.js',
    '//lib/index.js',
    '/.x.js',
  ]) {
    t.equal(await statusOf(server.url, path), 404, path);
    t.equal(fileOf(path), undefined, path);
  }
});

/** Of a path as it is written. */
function statusOf(url: string, path: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(url);
    request({ hostname, port, path }, (response) => {
      response.resume();
      resolve(response.statusCode);
    })
      .on('error', reject)
      .end();
  });
}

t.test('without the headers where a test asks for that', async (t) => {
  const server = await startServer(0, false);
  t.teardown(() => server.close());
  const { status, headers } = await fetch(server.url);
  t.equal(status, 200);
  t.notOk(headers.has('cross-origin-opener-policy') || headers.has('cross-origin-embedder-policy'));
});

t.test('the command says where it serves', async (t) => {
  const main = fileURLToPath(new URL('../src/cli/main.js', import.meta.url));
  const child = spawn(process.execPath, [main, 'serve', '--port', '0'], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => child.kill());
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const url = /(http:\S+)/.exec(line.toString())?.[1] ?? '';
  t.match(await (await fetch(url)).text(), '<title>Tandem on this device</title>');

  const { port } = new URL(url);
  const second = await tandem('serve', '--port', port);
  t.equal(second.code, 2);
  t.match(second.stderr, /^tandem: cannot serve on 127\.0\.0\.1:\d+: .*EADDRINUSE.*\n$/);
  t.match(await tandem('serve', '--port', '70000'), { code: 2, stderr: /port must be .* got 70000\n$/ });
  t.match(await tandem('serve', '--port', 'x'), { code: 2, stderr: /whole number/ });
});
