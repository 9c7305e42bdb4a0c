// What scripts/gpu.sh measured, as one table: images per second of everybody, and ours over theirs.
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

const reports = ['large', 'small', 'layers', 'layers-1'].flatMap((name) => read(name) ?? []);
const head = ['network', 'mode', 'batch', 'implementation', 'img/s', 'img/s in flight', 'GPU ms', 'ours / theirs', 'in flight'];
lines.push(row(head), row(head.map((_, i) => (i < 2 || i === 3 ? '---' : '---:'))));
for (const { results } of reports) {
  for (const result of results) {
    const { model, mode, batch, imagesPerSecond, inFlight, gpuMs } = result;
    const ours = results.find((r) => r.implementation === 'tandem' && r.mode === mode && r.batch === batch);
    const over = (own, their) => (ours && ours !== result && own && their ? `${(own / their).toFixed(2)}×` : '');
    lines.push(
      row([
        ...[model, mode, batch, nameOf(result), figure(imagesPerSecond), figure(inFlight?.imagesPerSecond), figure(gpuMs)],
        over(ours?.imagesPerSecond, imagesPerSecond),
        over(ours?.inFlight?.imagesPerSecond, inFlight?.imagesPerSecond),
      ]),
    );
  }
}
for (const { missing } of reports.slice(0, 1)) {
  for (const { reason } of missing) lines.push('', `not measured: ${reason}`);
}
console.log(lines.join('\n'));
