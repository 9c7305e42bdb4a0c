/** `tandem bench` on a graphics adapter, and where there is none. */
import { readFile } from 'node:fs/promises';
import t from 'tap';
import { type BenchmarkOptions, runBenchmark } from '../bench/benchmark.js';
import { formatReport } from '../bench/print.js';
import type { Report } from '../bench/report.js';
import { caffeAlexnet } from '../src/models/caffeAlexnet.js';
import { emptyFolder, tandem } from './support/cli.js';
import { fakePeer } from './support/peers.js';

const quick = ['--model', 'cifar10-quick', '--batch', '1', '--mode', 'forward', '--rounds', '2'];

async function bench(path: string, ...args: string[]): Promise<{ readonly report: Report; readonly text: string }> {
  const { code, stdout, stderr } = await tandem('bench', ...quick, ...args, '--json', path);
  if (code !== 0) throw new Error(stderr);
  return { report: JSON.parse(await readFile(path, 'utf8')), text: stdout };
}

t.test('webgpu beside wasm', async (t) => {
  const folder = await emptyFolder(t);
  const { report, text } = await bench(folder('figures.json'), '--backend', 'wasm,webgpu', '--adapter', 'software');
  t.match(report.machine.adapter, /SwiftShader/);
  const [wasm, webgpu] = report.results;
  t.strictSame([wasm.backend, webgpu.backend], ['wasm', 'webgpu']);

  t.ok(wasm.percentOfPeak && wasm.corePeaksGflops);
  t.strictSame([wasm.gpuMs, wasm.inFlight], [undefined, undefined], "no clock but the host's");
  t.strictSame([webgpu.percentOfPeak, webgpu.corePeaksGflops], [undefined, undefined], "a core's peak says nothing");
  t.ok(webgpu.medianMs > 0 && (webgpu.gpuMs ?? 0) > 0);
  t.ok((webgpu.inFlight?.runs ?? 0) >= 2);
  t.equal(webgpu.inFlight?.imagesPerSecond, (1 / (webgpu.inFlight?.ms ?? 0)) * 1000);

  for (const layer of webgpu.layers ?? []) {
    t.ok(layer.ms > 0, layer.name);
    t.equal(layer.gbPerSecond, layer.bytes / layer.ms / 1e6);
    t.equal(layer.percentOfPeak, undefined);
  }
  t.ok((webgpu.layers ?? []).length > 6);
  t.match(report.agreement, [{ of: 'tandem', to: 'tandem', backend: 'webgpu', agrees: true }]);
  t.match(text, /GPU ms +ms in flight/);
  t.match(text, /tandem \(webgpu\), cifar10-quick, batch 1; times by the adapter's clock/);
});

t.test('without being asked for it is measured on hardware, or the report says why not', async (t) => {
  const { report, text } = await bench((await emptyFolder(t))('figures.json'), '--no-layers');
  const measured = report.results.some(({ backend }) => backend === 'webgpu');
  const reason = report.missing.find(({ implementation }) => implementation === 'tandem (webgpu)')?.reason;
  t.equal(measured, reason === undefined);
  t.match(text, measured ? /tandem \(webgpu\)/ : /not measured: WebGPU/);
});

t.test('peers are measured beside ours that compute where they do', async (t) => {
  const opened: string[] = [];
  const options: BenchmarkOptions = {
    model: caffeAlexnet({ classes: 5, width: 0.04, inputSize: 67 }),
    batches: [1],
    backends: ['wasm'],
    threads: [1],
    modes: ['forward'],
    layers: false,
    peers: [fakePeer('host', false, opened), fakePeer('device', true, opened)],
    memoryModes: [],
    absent: [{ backend: 'webgpu', reason: 'WebGPU is not here' }],
    sampling: { rounds: 2, warmUp: 1, minTimeMs: 1, pauseMs: 0 },
  };
  const report = await runBenchmark(options);
  t.strictSame(opened, ['host']);
  t.match(report.missing, [{ implementation: 'tandem (webgpu)', reason: 'WebGPU is not here' }]);
  t.match(formatReport(report), /not measured: WebGPU is not here/);
});
