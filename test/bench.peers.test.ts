/** Peers beside our own networks: on the adapter that we compute on, in processes and in browsers, and what becomes of those that fail. */
import t, { type Test } from 'tap';
import { type BenchmarkOptions, runBenchmark } from '../bench/benchmark.js';
import { BrowserSite } from '../bench/browser/site.js';
import type { Mode } from '../bench/implementation.js';
import { peers } from '../bench/peers/index.js';
import { readyInTime } from '../bench/peers/protocol.js';
import { formatReport } from '../bench/print.js';
import type { Report } from '../bench/report.js';
import { enableRelaxedSimd } from '../src/backends/wasm/platform.js';
import { preset } from '../src/models/presets.js';
import { tandem } from './support/cli.js';
import { fakePeer } from './support/peers.js';
import { onSoftwareAdapter } from './support/software.js';

await onSoftwareAdapter();
await enableRelaxedSimd();

// A few seconds each on two cores; machines are slower when they are shared.
t.setTimeout(300_000);

/** What every peer can run. */
const options: BenchmarkOptions = {
  model: preset('alexnet-owt', { width: 1 / 32, classes: 10 }),
  batches: [1],
  backends: ['webgpu'],
  threads: [1],
  modes: ['forward'],
  layers: false,
  peers: [],
  memoryModes: [],
  sampling: { rounds: 2, warmUp: 1, minTimeMs: 1, pauseMs: 0, budgetMs: 100 },
};

t.test('those of the adapter are opened beside a network on it; one that fails is left out and named', async (t) => {
  const fail = async () => {
    throw new Error('out of memory\nwith details');
  };
  const opened: string[] = [];
  const report = await runBenchmark({
    ...options,
    peers: [
      fakePeer('host', false, opened),
      fakePeer('device', true, opened),
      fakePeer('a', true, opened, { run: fail }),
      fakePeer('b', true, opened, { logits: fail, inFlight: fail }),
      { name: 'c', onAdapter: true, open: fail },
      { name: 'd', onAdapter: true, open: () => readyInTime('d', new Promise<never>(() => {}), 10) },
    ],
  });
  t.strictSame(opened, ['device', 'a', 'b']);
  t.strictSame(
    report.results.map(({ implementation }) => implementation),
    ['tandem', 'device', 'b'],
  );
  t.match(report.results[1], { gpuMs: 5, inFlight: { ms: 6 } });
  t.match(report.results[2], { gpuMs: 5, inFlight: undefined });
  t.strictSame(
    report.missing.map(({ reason }) => reason),
    [
      'd was not ready after 0.01 s',
      'c: could not be opened at batch 1: out of memory',
      'b (webgpu): logits at batch 1: out of memory',
      'a (webgpu): forward at batch 1: out of memory',
      'b (webgpu): runs in flight of forward at batch 1: out of memory',
    ],
  );
  t.match(formatReport(report), 'not measured: d was not ready after 0.01 s');
});

/** Ours and tfjs on the adapter, with the same logits. */
function expectBoth(t: Test, report: Report, modes: readonly Mode[]): void {
  t.strictSame(report.missing, []);
  for (const mode of modes) {
    const results = report.results.filter((result) => result.mode === mode && result.backend === 'webgpu');
    t.strictSame(
      results.map(({ implementation }) => implementation),
      ['tandem', 'tfjs-webgpu'],
      mode,
    );
    for (const { medianMs, gpuMs, inFlight } of results) {
      t.ok(medianMs > 0 && (gpuMs ?? 0) > 0 && (inFlight?.ms ?? 0) > 0, `${mode}: all three times`);
    }
  }
  t.ok(report.agreement.length > 0 && report.agreement.every(({ agrees }) => agrees), 'logits agree');
}

t.test('tfjs-webgpu in a process of its own', async (t) => {
  const report = await runBenchmark({ ...options, peers: peers.filter(({ name }) => name === 'tfjs-webgpu') });
  expectBoth(t, report, options.modes);
});

t.test('all of them in headless Chromium', async (t) => {
  const site = await BrowserSite.open('software');
  t.teardown(() => site.close());
  const modes = ['forward', 'step'] as const;
  const report = await runBenchmark({
    ...options,
    backends: ['wasm', 'webgpu'],
    modes,
    layers: true,
    site,
    // onnxruntime-web's WebGPU does not get ready on SwiftShader.
    peers: site.peers.filter(({ name }) => ['tfjs-webgpu', 'onnxruntime-web'].includes(name)),
  });
  expectBoth(t, report, modes);
  t.match(report.machine, { browser: /^headless Chromium \d+/, adapter: /swiftshader/i });
  t.match(formatReport(report), /headless Chromium \d+.*\n.*\n.*GPU ms +ms in flight/);
  t.same(
    report.results
      .filter(({ backend }) => backend === 'wasm')
      .map(({ implementation, mode }) => [implementation, mode]),
    [
      ['tandem', 'forward'],
      ['onnxruntime-web', 'forward'],
      ['tandem', 'step'],
    ],
  );
  for (const { implementation, layers } of report.results) {
    t.equal(layers?.some(({ name, ms }) => name === 'conv1' && ms > 0) ?? false, implementation === 'tandem');
  }
  t.same(report.coldStart, [], 'which would be that of the browser');
});

t.test('what a browser cannot tell is refused', async (t) => {
  t.match(await tandem('bench', '--browser', '--memory'), {
    code: 2,
    stderr: /^tandem: --memory measures processes of Node/,
  });
  t.match(await tandem('bench', '--peer', 'mathematica'), { code: 2, stderr: /tfjs-webgpu/ });
});
