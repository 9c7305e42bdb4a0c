/**
 * A real browser: headless Chromium with WebGPU on SwiftShader, the page served with and without the headers that make it isolated, and
 * everything held against what Node computes. Nothing is skipped: without Chromium this fails and says what is missing.
 */
import type { Page } from 'playwright-core';
import t, { type Test } from 'tap';
import { launchChromium } from '../bench/chromium.js';
import { enableRelaxedSimd } from '../src/backends/wasm/platform.js';
import { startServer } from '../src/cli/lib/server.js';
import { openBackend, type VerifyReport, type VerifyResult, verify } from '../src/index.js';
import type { BenchmarkReport } from '../src/page/benchmark.js';
import type { TrainingReport } from '../src/page/training.js';
import { distance, maxRelative, norm } from './golden.js';
import { type Figures, runSection, train, trainIn } from './support/browser.js';

// Half a minute for each part on two cores; machines are slower when they are shared.
t.setTimeout(600_000);

const library = new URL('../lib/index.js', import.meta.url).href;
const steps = 4;
const browser = await launchChromium();
const isolated = await startServer(0);
const plain = await startServer(0, false);
t.teardown(async () => {
  await browser.close();
  await isolated.close();
  await plain.close();
});
await enableRelaxedSimd();

const complaints: string[] = [];

/** Opens the page in a window of its own and waits until it has looked around. */
async function openPage(url: string): Promise<Page> {
  const page = await (await browser.newContext({ viewport: { width: 360, height: 740 } })).newPage();
  page.setDefaultTimeout(120_000);
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  await page.goto(url);
  await page.waitForSelector('html[data-ready]');
  return page;
}

const withHeaders = await openPage(isolated.url);
const withoutHeaders = await openPage(plain.url);

t.test('the page says what is here, and why something is not', async (t) => {
  const here = await withHeaders.locator('#device').innerText();
  t.match(here, /WebGPU\s+yes\s+webgpu, .*swiftshader.*software adapter/i);
  t.match(here, /threads\s+yes\s+wasm, relaxed SIMD, \d+ threads?\n/);
  t.match(here, 'The page is cross-origin isolated');
  const there = await withoutHeaders.locator('#device').innerText();
  t.match(there, /threads\s+no\s+shared memory is not to be had here/);
  t.match(there, /one thread\s+yes\s+wasm, relaxed SIMD, 1 thread, no shared memory/);
  t.match(there, 'Cross-Origin-Embedder-Policy: require-corp');
  t.ok(await withoutHeaders.locator('#verification input[value=threads]').isDisabled(), 'threads are not offered');
  for (const page of [withHeaders, withoutHeaders]) {
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    t.ok(overflow <= 0, 'nothing is wider than a small phone');
  }
});

t.test('training steps in a page follow those in Node', async (t) => {
  const node = await train({ library, options: { backend: 'wasm', threads: 2 }, steps });
  t.ok(node.losses.length === steps && node.losses.every(Number.isFinite), `${node.losses}`);
  const [threads, single, ...gpu] = await Promise.all([
    trainIn(withHeaders, { backend: 'wasm', threads: 2 }, steps),
    trainIn(withoutHeaders, { backend: 'wasm' }, steps),
    trainIn(withHeaders, { backend: 'webgpu' }, steps),
    trainIn(withoutHeaders, { backend: 'webgpu' }, steps),
  ]);
  t.same(threads, node, 'WASM with threads: the same bits');
  t.same(single, node, 'WASM without: the same bits');
  for (const figures of gpu) expectClose(t, figures, node);
});

/** Tolerances for whole networks: those of the golden runs. */
function expectClose(t: Test, found: Figures, wanted: Figures): void {
  t.ok(maxRelative(found.logits, wanted.logits) <= 1e-5, 'WebGPU: logits');
  t.ok(maxRelative(found.losses, wanted.losses) <= 1e-5, `WebGPU: losses ${found.losses} and ${wanted.losses}`);
  t.same(found.before, wanted.before, 'WebGPU: initial values are the same bits');
  for (const [name, content] of Object.entries(wanted.after)) {
    const change = distance(content, wanted.before[name]);
    const error = distance(found.after[name], content);
    t.ok(
      error <= 1e-4 * change + 1e-6 * norm(content),
      `WebGPU: ${name} is off by ${error} after a change of ${change}`,
    );
  }
}

t.test('verify --quick in a page finds what it finds in Node', async (t) => {
  // At the same time: three times the same work, and one core would be idle while the other compiles kernels.
  const [node, threads, single, gpu] = await Promise.all([
    verifyInNode(),
    runSection<VerifyReport>(await openPage(isolated.url), 'verification', ['threads']),
    runSection<VerifyReport>(withoutHeaders, 'verification', ['single']),
    runSection<VerifyReport>(withHeaders, 'verification', ['webgpu']),
  ]);
  for (const [name, report] of Object.entries({ node, threads, single, gpu })) {
    t.equal(report.summary.failed, 0, `${name}: none failed`);
    t.equal(report.summary.cases, node.summary.cases, `${name}: all cases`);
  }
  t.ok(node.results.length > 1000, `${node.results.length} results`);
  t.same(disagreements(threads.results, node.results), [], 'WASM with threads: the same figures');
  t.same(disagreements(single.results, node.results), [], 'WASM without: the same figures');
  // WGSL promises no NaN; all other cases are there, with algorithms of their own.
  const quantities = (results: readonly VerifyResult[]) =>
    new Set(results.filter((each) => !each.case.includes('(nonFinite)')).map(quantityOf));
  t.strictSame([...quantities(gpu.results)].sort(), [...quantities(node.results)].sort(), 'WebGPU: all of WASM’s');
  t.ok(
    gpu.results.every(({ against, ratio }) => against === 'reference' && ratio <= 1),
    'WebGPU: none above its bound',
  );
});

async function verifyInNode(): Promise<VerifyReport> {
  const backend = await openBackend({ backend: 'wasm', threads: 1 });
  try {
    return await verify({ backends: [{ label: 'node', backend }], quick: true });
  } finally {
    await backend.close();
  }
}

function quantityOf({ op, case: name, quantity }: VerifyResult): string {
  return `${op} | ${name} | ${quantity}`;
}

/**
 * Results that are missing, or whose error is another. Engines round float64 powers differently in the last place, which moves the reference
 * by some 10⁻¹⁶; another float32 at the worst element would move the error by about a bound.
 */
function disagreements(found: readonly VerifyResult[], wanted: readonly VerifyResult[]): string[] {
  const keyOf = (each: VerifyResult) => `${quantityOf(each)} | ${each.algorithm}`;
  const byKey = new Map(found.map((each) => [keyOf(each), each]));
  if (byKey.size !== wanted.length) return [`${byKey.size} results for ${wanted.length}`];
  return wanted.map(keyOf).filter((key, i) => {
    const { maxAbsError = Number.NaN, bound = Number.NaN } = byKey.get(key) ?? {};
    const [error, limit] = [maxAbsError - wanted[i].maxAbsError, wanted[i].bound];
    return !(Math.abs(error) <= 1e-6 * limit && Math.abs(bound - limit) <= 1e-9 * limit);
  });
}

t.test('the page trains and measures on each way of computing', async (t) => {
  const fields = { steps: '3', batch: '4', seed: '2' };
  const losses = async (page: Page, way: string) => {
    const report = await runSection<TrainingReport>(page, 'training', [way], fields);
    t.match(report, { model: 'cifar10-quick', batch: 4, seed: 2 });
    t.same(
      report.steps.map(({ step }) => step),
      [0, 1, 2],
      `${way}: three steps`,
    );
    return report.steps.map(({ loss }) => loss);
  };
  const threads = await losses(withHeaders, 'threads');
  t.same(await losses(withoutHeaders, 'single'), threads, 'the same bits with and without threads');
  t.ok(maxRelative(await losses(withHeaders, 'webgpu'), threads) <= 1e-5, 'WebGPU: losses');
  t.ok((await withHeaders.locator('#training polyline').getAttribute('points'))?.split(' ').length === 3, 'the curve');

  const report = await runSection<BenchmarkReport>(withHeaders, 'benchmark', ['webgpu', 'threads', 'single'], {
    model: 'cifar10-quick',
  });
  t.match(report.machine, { cores: Number, isolated: true, adapter: /swiftshader/i });
  t.same(
    report.results.map(({ backend, mode, batch }) => [backend, mode, batch]),
    [
      ['webgpu', 'forward', 1],
      ['wasm', 'forward', 1],
      ['wasm', 'forward', 1],
    ],
  );
  for (const { medianMs, minMs, imagesPerSecond, gflops, rounds, layers } of report.results) {
    t.ok(0 < minMs && minMs <= medianMs && rounds >= 3 && gflops > 0, `${medianMs} ms`);
    t.ok(Math.abs(imagesPerSecond * medianMs - 1000) < 1e-6);
    t.ok(
      layers?.some(({ name, ms }) => name === 'conv1' && ms > 0),
      'layer by layer',
    );
  }
  t.equal(report.ratios.length, 2);
});

t.test('the page of a training run is made in a page, fits a phone and asks for nothing', async (t) => {
  const made = await openPage(isolated.url);
  const html = await made.evaluate<string>(`(async () => {
    const { trainingReport } = await import('/dist/lib/index.js');
    const events = Array.from({ length: 600 }, (_, i) => (
      { kind: 'step', epoch: 1, step: i + 1, loss: 1000 / (i + 1), top1: i / 600, top5: 1, lr: 0.01, imagesPerSecond: 100 + i % 7 }
    ));
    const weights = Float32Array.from({ length: 4 * 3 * 25 }, (_, i) => Math.sin(i));
    const filters = { name: 'conv1.weight', shape: [4, 3, 5, 5], weights, channels: 'RGB' };
    const classes = Array.from({ length: 12 }, (_, i) => 'a class with a long name ' + i);
    const confusion = new Int32Array(144).map((_, i) => i % 5);
    const figures = { images: 12, loss: 1, top1: 0.5, top5: 1, perClass: [], mistakes: [] };
    return trainingReport({ events, facts: { model: 'x' }, filters, evaluation: { ...figures, classes, confusion } });
  })()`);
  await made.close();
  const shown = await (
    await browser.newContext({ viewport: { width: 360, height: 740 }, colorScheme: 'dark' })
  ).newPage();
  const asked: string[] = [];
  shown.on('request', (request) => asked.push(request.url().slice(0, 40)));
  await shown.setContent(html);
  const seen = await shown.evaluate(() => ({
    wide: document.documentElement.scrollWidth - window.innerWidth,
    sizes: [...document.images].map((image) => [image.complete, image.naturalWidth, image.naturalHeight]),
    curves: [...document.querySelectorAll('svg polyline')].map((line) => line.getBoundingClientRect().width > 200),
    colour: getComputedStyle(document.body).backgroundColor,
  }));
  t.ok(seen.wide <= 0, 'nothing is wider than a small phone');
  t.same(seen.sizes, Array(4).fill([true, 5, 5]), 'the filters are pictures');
  t.same(seen.curves, Array(5).fill(true), 'the curves are drawn');
  t.equal(seen.colour, 'rgb(20, 24, 28)', 'dark where that is wanted');
  t.same(
    asked.filter((url) => !url.startsWith('data:')),
    [],
  );
  await shown.close();
});

t.test('a job can be stopped', async (t) => {
  const part = withoutHeaders.locator('#verification');
  await part.getByRole('button', { name: 'Run' }).click();
  await part.getByRole('button', { name: 'Stop' }).click();
  t.match(await part.locator('.results').innerText(), 'Stopped.');
  t.ok(await part.getByRole('button', { name: 'Run' }).isEnabled());
});

t.test('nothing was complained of', async (t) => {
  t.same(complaints, []);
});
