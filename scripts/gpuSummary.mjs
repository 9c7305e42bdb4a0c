// What scripts/gpu.sh measured, as tables: images per second of everybody, ours over theirs, and TFLOP/s of each layer.
//
//   node scripts/gpuSummary.mjs FOLDER
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const [folder = '.'] = process.argv.slice(2);

function read(name) {
  const path = join(folder, `${name}.json`);
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : undefined;
}

const figure = (value) => (value === undefined ? '' : value >= 100 ? value.toFixed(0) : value.toPrecision(3));
const row = (cells) => `| ${cells.join(' | ')} |`;
const nameOf = ({ implementation, backend, version }) => `${implementation}${version ? ` ${version}` : ''} (${backend})`;

const lines = [];
const info = read('info');
const adapter = info?.backends.find((backend) => backend.adapter)?.adapter;
lines.push(adapter ? `${adapter.name}${adapter.software ? ' (software adapter)' : ''}` : 'no adapter', '');

const verify = read('verify');
if (verify) {
  const { cases, passed, failed } = verify.summary;
  lines.push(`verify: ${cases} cases, ${passed} passed, ${failed} failed`, '');
}

const reports = ['large', 'small', 'tuned', 'layers', 'layers-1'].flatMap((part) => {
  const report = read(part);
  return report ? [{ part, ...report }] : [];
});
const head = ['part', 'network', 'mode', 'batch', 'implementation', 'img/s', 'img/s in flight', 'GPU ms', 'ours / theirs', 'in flight'];
if (reports.length > 0) lines.push(row(head), row(head.map((_, i) => (i < 3 || i === 4 ? '---' : '---:'))));
for (const { part, results } of reports) {
  for (const result of results) {
    const { model, mode, batch, imagesPerSecond, inFlight, gpuMs } = result;
    const ours = results.find((r) => r.implementation === 'tandem' && r.mode === mode && r.batch === batch);
    const over = (own, their) => (ours && ours !== result && own && their ? `${(own / their).toFixed(2)}×` : '');
    lines.push(
      row([
        ...[part, model, mode, batch, nameOf(result)],
        ...[figure(imagesPerSecond), figure(inFlight?.imagesPerSecond), figure(gpuMs)],
        over(ours?.imagesPerSecond, imagesPerSecond),
        over(ours?.inFlight?.imagesPerSecond, inFlight?.imagesPerSecond),
      ]),
    );
  }
}
const missing = reports.flatMap(({ part, missing }) => missing.map(({ reason }) => `not measured in ${part}: ${reason}`));
for (const reason of new Set(missing)) lines.push('', reason);

// Layers by the adapter's clock: those of a step where one was measured (its forward has dropout), else of forward.
for (const { part, results } of reports) {
  const batches = [...new Set(results.map(({ batch }) => batch))];
  for (const batch of batches) {
    const timed = results.filter((result) => result.batch === batch && result.layers);
    const result = timed.find(({ mode }) => mode === 'step') ?? timed[0];
    if (!result) continue;
    const layerHead = ['layer', 'phase', 'op', 'algorithm', 'ms', 'TFLOP/s', 'GB/s'];
    lines.push('', `**${part}: ${result.model}, ${result.mode}, batch ${batch}**`, '', row(layerHead));
    lines.push(row(layerHead.map((_, i) => (i < 4 ? '---' : '---:'))));
    for (const { name, phase, ops } of result.layers) {
      for (const { op, algorithm, ms, gflops, gbPerSecond } of ops) {
        lines.push(row([name, phase, op, algorithm, ms.toFixed(3), (gflops / 1000).toFixed(2), figure(gbPerSecond)]));
      }
    }
  }
}

const steps = join(folder, 'steps.log');
if (existsSync(steps)) lines.push('', ...readFileSync(steps, 'utf8').trim().split('\n').map((line) => `- ${line}`));
console.log(lines.join('\n'));
