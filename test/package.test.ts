/**
 * The package as a user meets it: packed, installed without development dependencies into an empty folder, imported by Node, run as a
 * command, compiled against, and built into a page by Vite that computes in headless Chromium what Node computes.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { isBuiltin } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build as bundle } from 'esbuild';
import sharp from 'sharp';
import t from 'tap';
import { build, createLogger, type Rolldown } from 'vite';
import { launchChromium } from '../bench/chromium.js';
import { startServer } from '../src/cli/lib/server.js';
import { emptyFolder, tandem } from './support/cli.js';
import { install, pack, runIn } from './support/installed.js';

t.setTimeout(300_000);

/** A little above what they are; to be raised knowingly. Bytes, but for the number of files. */
const limits = {
  packed: 1_900_000,
  unpacked: 5_000_000,
  files: 900,
  /** JavaScript that a page loads for an import of the library, minified; and compressed with gzip. */
  entry: 120_000,
  entryCompressed: 39_000,
};

const folder = (await emptyFolder(t))('app');
const around = join(folder, '..');
const browser = launchChromium();
t.teardown(async () => (await browser).close());
const packed = await pack(around);
await install(join(around, packed.filename), folder);
const home = join(folder, 'node_modules', 'tandem-nn');

/** What the app does, in Node and in the page: it trains a step, and classifies. */
const app = `import { classify, imageInput, openEngine, preset } from 'tandem-nn';

export async function run(options) {
  const engine = await openEngine(options);
  const model = preset('cifar10-quick', { classes: 3 });
  const net = await engine.network(model, { seed: 3, input: imageInput(model, [3, 32, 32]) });
  const images = Uint8Array.from({ length: 2 * 3 * 32 * 32 }, (_, i) => Math.imul(i, 0x9e3779b1) >>> 24);
  const loss = await (await net.step(images, [0, 2])).loss;
  const guesses = await classify(net, images);
  const { logits } = await net.forward(images);
  await engine.close();
  return { backend: engine.info.description, figures: { loss, guesses, logits: [...logits] } };
}
`;

/** The page, which can do so itself or leave it to a worker of its own. */
const page = `import { run } from './app.js';

globalThis.run = run;
globalThis.runInWorker = (options) => new Promise((resolve, reject) => {
  const worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
  worker.onmessage = ({ data }) => resolve(data);
  worker.onerror = ({ message }) => reject(new Error(message));
  worker.postMessage(options);
});
`;
const worker = `import { run } from './app.js';

globalThis.onmessage = async ({ data }) => globalThis.postMessage(await run(data));
`;

interface Ran {
  readonly backend: string;
  readonly figures: { readonly loss: number; readonly logits: readonly number[] };
}

async function runInNode(): Promise<Ran> {
  await writeFile(join(folder, 'app.js'), app);
  const script = `import { run } from './app.js';
    console.log(JSON.stringify(await run({ backend: 'wasm', threads: 2, simd: 'relaxed' })));`;
  await writeFile(join(folder, 'node.js'), script);
  return JSON.parse(await runIn(folder, process.execPath, 'node.js'));
}

t.test('what is packed', async (t) => {
  const paths = packed.files.map(({ path }) => path);
  for (const path of ['LICENSE', 'README.md', 'package.json', 'dist/lib/index.js', 'dist/src/index.d.ts']) {
    t.ok(paths.includes(path), path);
  }
  const others = paths.filter(
    (path) => !/^(dist\/(bench|lib|page|src|wasm)|models|bench\/peers)\/|^[\w.]+$/.test(path),
  );
  t.same(others, [], 'nothing else');
  t.same(
    paths.filter((path) => /\.(map|wat|tgz)$|(?<!\.d)\.ts$|\.tsbuildinfo$/.test(path)),
    [],
    'no sources twice, no leavings of a build',
  );
  const { size, unpackedSize } = packed;
  t.comment(`packed ${size}, unpacked ${unpackedSize} bytes, ${paths.length} files`);
  t.ok(size <= limits.packed, `${size} bytes packed`);
  t.ok(unpackedSize <= limits.unpacked, `${unpackedSize} bytes unpacked`);
  t.ok(paths.length <= limits.files, `${paths.length} files`);
  const { scripts } = JSON.parse(await readFile(join(home, 'package.json'), 'utf8'));
  t.same(
    Object.keys(scripts).filter((name) => /install$/.test(name)),
    [],
    'installing it runs nothing',
  );
});

t.test('nothing that it imports at once is a development dependency', async (t) => {
  const { dependencies } = JSON.parse(await readFile(join(home, 'package.json'), 'utf8'));
  const { metafile } = await bundle({
    entryPoints: ['dist/src/cli/main.js', 'dist/lib/index.js', 'dist/lib/backends/wasm/workerNode.js'],
    absWorkingDir: home,
    ...{ bundle: true, splitting: true, format: 'esm', platform: 'node', packages: 'external' },
    ...{ outdir: 'unused', write: false, metafile: true },
  });
  const imports = Object.values(metafile.inputs).flatMap((input) => input.imports);
  const outside = imports.filter(({ external, kind }) => external && kind === 'import-statement');
  const packages = [...new Set(outside.map(({ path }) => path).filter((path) => !isBuiltin(path)))];
  t.ok(packages.includes('commander'), packages.join(', '));
  t.same(
    packages.filter((path) => !(ownerOf(path) in dependencies)),
    [],
  );
});

t.test('npx tandem classify says what a photograph shows', async (t) => {
  const pixels = Uint8Array.from({ length: 48 * 48 * 3 }, (_, i) => 128 + 120 * Math.sin(i / 700 + (i % 3)));
  const photo = join(folder, 'photo.jpg');
  await sharp(pixels, { raw: { width: 48, height: 48, channels: 3 } })
    .jpeg()
    .toFile(photo);
  const [printed, here] = await Promise.all([
    runIn(folder, 'npx', '--no-install', 'tandem', 'classify', 'photo.jpg', '--json', 'top.json'),
    tandem('classify', photo, '--json', '-'),
  ]);
  t.match(printed, /^photo\.jpg\n( {2}\w+ +[█▏▎▍▌▋▊▉]* +\d+\.\d %\n){5}/);
  const [theirs, ours] = [await readFile(join(folder, 'top.json'), 'utf8'), here.stdout].map(
    (text) => (JSON.parse(text) as { images: { top: { probability: number }[] }[] }).images[0].top,
  );
  t.same(theirs, ours, 'what the command says in a clone');
  t.ok(theirs[0].probability > 0.2, `${theirs[0].probability}`);
});

t.test('the page of tandem serve comes along', async (t) => {
  const { startServer: startTheirs } = await import(join(home, 'dist/src/cli/lib/server.js'));
  const server: Awaited<ReturnType<typeof startServer>> = await startTheirs(0);
  t.teardown(() => server.close());
  for (const path of ['', 'style.css', 'lib/page/worker.js', 'wasm/relaxed-shared.wasm', 'dist/lib/index.js']) {
    t.equal((await fetch(new URL(path, server.url))).status, 200, `/${path}`);
  }
});

t.test('types resolve, and are sound without skipLibCheck', async (t) => {
  const tsc = fileURLToPath(new URL('../../node_modules/typescript/bin/tsc', import.meta.url));
  const code = `import { classify, type Guess, imageInput, type Model, type Network, openEngine, preset } from 'tandem-nn';
    const engine = await openEngine({ backend: 'wasm', threads: 1 });
    const model: Model = preset('cifar10-quick', { classes: 3 });
    await using net: Network<Model> = await engine.network(model, { input: imageInput(model, [3, 32, 32]) });
    const images = new Uint8Array(3072);
    const loss: number = await (await net.step(images, [1])).loss;
    const guesses: readonly (readonly Guess[])[] = await classify(net, images);
    console.log(loss, guesses[0][0].label.length);
    // @ts-expect-error: there is no such backend
    await openEngine({ backend: 'cuda' });
    // @ts-expect-error: labels are numbers
    await net.step(images, ['cat']);\n`;
  await writeFile(join(folder, 'use.ts'), code);
  for (const [moduleResolution, module] of [
    ['bundler', 'esnext'],
    ['nodenext', 'nodenext'],
  ]) {
    const options = { strict: true, noEmit: true, target: 'es2022', types: [], module, moduleResolution };
    const config = `tsconfig.${moduleResolution}.json`;
    await writeFile(join(folder, config), JSON.stringify({ compilerOptions: options, files: ['use.ts'] }));
    const complaints = await runIn(folder, process.execPath, tsc, '-p', config).catch((error) => `${error.stdout}`);
    t.equal(complaints, '', moduleResolution);
  }
});

t.test('Vite builds a page that computes what Node computes', async (t) => {
  const node = await runInNode();
  t.match(node.backend, /^wasm, relaxed SIMD, 2 threads/);
  const html = '<!doctype html><link rel="icon" href="data:,"><script type="module" src="./page.js"></script>\n';
  await writeFile(join(folder, 'index.html'), html);
  await writeFile(join(folder, 'page.js'), page);
  await writeFile(join(folder, 'worker.js'), worker);
  const complaints: string[] = [];
  const logger = createLogger('silent');
  // That a busy machine was slow is no complaint.
  const complain = (message: string) => message.includes('_TIMINGS]') || complaints.push(message);
  for (const kind of ['warn', 'warnOnce', 'error'] as const) logger[kind] = complain;
  const { output } = (await build({
    root: folder,
    configFile: false,
    customLogger: logger,
    logLevel: 'warn',
  })) as Rolldown.RolldownOutput;
  t.same(complaints, [], 'Vite complains of nothing: what only Node has is named under "browser" in package.json');
  const assets = output.map(({ fileName }) => fileName);
  for (const file of [/\/worker-.*\.js$/, /\/plain-shared-.*\.wasm$/, /\/relaxed-.*\.wasm$/]) {
    t.ok(
      assets.some((name) => file.test(name)),
      `${file} is among the assets`,
    );
  }
  t.notOk(
    assets.some((name) => /dawn|libvips|sharp/.test(name)),
    'nothing of Node',
  );

  const code = loadedAtOnce(output);
  const [size, compressed] = [code.length, gzipSync(code).length];
  t.comment(`the entry: ${size} bytes minified, ${compressed} compressed`);
  t.ok(size <= limits.entry, `the entry has ${size} bytes`);
  t.ok(compressed <= limits.entryCompressed, `${compressed} compressed`);

  const mounts = [{ path: '/', folder: join(folder, 'dist') }];
  for (const [isolated, call, expected] of [
    [true, `run({ backend: 'wasm', threads: 2 })`, /^wasm, relaxed SIMD, 2 threads$/],
    [true, `runInWorker({ backend: 'wasm', threads: 2 })`, /^wasm, relaxed SIMD, 2 threads$/],
    [false, 'runInWorker({})', /^wasm, relaxed SIMD, 1 thread, no shared memory/],
  ] as const) {
    const server = await startServer(0, isolated, mounts);
    const shown = await (await browser).newPage();
    shown.on('pageerror', ({ message }) => complaints.push(message));
    shown.on('console', (message) => {
      if (message.type() === 'error') complaints.push(message.text());
    });
    await shown.goto(`${server.url}index.html`, { waitUntil: 'load' });
    const ran = await shown.evaluate<Ran>(call);
    t.match(ran.backend, expected, call);
    t.same(ran.figures, node.figures, `${call}: the same bits`);
    await shown.close();
    await server.close();
  }
  t.same(complaints, [], 'the page complains of nothing');
});

/** 'protobufjs' for 'protobufjs/light.js'. */
function ownerOf(path: string): string {
  return path
    .split('/')
    .slice(0, path.startsWith('@') ? 2 : 1)
    .join('/');
}

/** The code of the entry and of what it imports, but not of what is imported on use. */
function loadedAtOnce(output: Rolldown.RolldownOutput['output']): Buffer {
  const chunks = new Map(output.flatMap((file) => (file.type === 'chunk' ? [[file.fileName, file] as const] : [])));
  const names = new Set([...chunks.values()].filter(({ isEntry }) => isEntry).map(({ fileName }) => fileName));
  // What is added while it is walked is walked, too.
  for (const name of names) for (const imported of chunks.get(name)?.imports ?? []) names.add(imported);
  return Buffer.from([...names].map((name) => chunks.get(name)?.code ?? '').join('\n'));
}
