/** The report as tables of text: what the terminal, the page and the Markdown file show alike. */
import { type Column, formatSignificant } from '../src/cli/lib/table.js';
import { type LayerTable, type LayerWork, layerLines, layerTables, phaseTotals } from './layers.js';
import type { Opening } from './opening.js';
import type { Machine, Ratio, Report, Result, Subject } from './report.js';

export interface Table {
  /** Above the table; none for the results themselves. */
  readonly title?: string;
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly string[])[];
  readonly totals?: readonly (readonly string[])[];
}

const left = (title: string): Column => ({ title, align: 'left' });
const right = (title: string): Column => ({ title, align: 'right' });

export function machineLine({ cpu, cores, node, browser, backends, peakGflopsPerCore, loadBefore }: Machine): string {
  const machine = `${cpu}, ${cores} ${cores === 1 ? 'core' : 'cores'}, ${browser ?? `node ${node}`}`;
  return `${machine}; ${backends.join('; ')}; peak ${peakGflopsPerCore.toFixed(1)} GFLOP/s a core; load before ${loadBefore.toFixed(1)}`;
}

/** What must be known beside the machine: forced algorithms, missing peers. */
export function notes({ algorithms, missing, coldStart, openings }: Report): string[] {
  const forced = Object.entries(algorithms).map(([name, algorithm]) => `${name}=${algorithm}`);
  return [
    ...(forced.length > 0 ? [`forced: ${forced.join(', ')}`] : []),
    ...new Set(missing.map(({ reason }) => `not measured: ${reason}`)),
    ...coldStart.map(({ backend, batch, importMs, engineMs, networkMs, firstRunMs, totalMs }) => {
      const times = { import: importMs, engine: engineMs, network: networkMs, 'first forward run': firstRunMs };
      const parts = Object.entries(times).map(([name, ms]) => `${name} ${ms.toFixed(0)}`);
      return `cold start of ${backend}, batch ${batch}: ${totalMs.toFixed(0)} ms (${parts.join(', ')})`;
    }),
    ...(openings.length > 0 ? [openingLine(openings)] : []),
  ];
}

function openingLine([ours, ...others]: readonly Opening[]): string {
  const times = ({ medianMs, firstRunMs }: Opening) => `${medianMs.toFixed(0)} ms (first run ${firstRunMs.toFixed(0)})`;
  const theirs = others.map((other) => `${other.implementation} ${times(other)}, ratio ${other.ratio?.toFixed(2)}`);
  const what = `open ${ours.model}, ${ours.fileMB.toFixed(0)} MB of weights, ready for batch ${ours.batch}`;
  return `${what}: ours ${times(ours)}, ${theirs.join(', ')}`;
}

/** All tables of a report but those of layers. */
export function mainTables(report: Report): Table[] {
  const tables = [results(report), comparisons(report), memory(report), scaling(report), agreement(report)];
  return tables.filter(({ rows }) => rows.length > 0);
}

function results({ results, ratios }: Report): Table {
  const onAdapter = results.some(({ inFlight }) => inFlight !== undefined);
  const withMemory = results.some(({ peakRssMB }) => peakRssMB !== undefined);
  return {
    columns: [
      ...[left('implementation'), left('mode'), right('batch'), right('threads'), right('median ms'), right('±')],
      ...[right('img/s'), right('GFLOP/s'), right('% of peak'), right('time / ours'), right('rounds')],
      ...(onAdapter ? [right('GPU ms'), right('ms in flight'), right('img/s in flight')] : []),
      ...(withMemory ? [right('peak MB')] : []),
    ],
    rows: results.map((result) => [
      ...[nameOf(result), result.mode, String(result.batch), String(result.threads)],
      ...[formatSignificant(result.medianMs), `${result.marginOfErrorPercent.toFixed(1)} %`],
      ...[formatSignificant(result.imagesPerSecond), formatSignificant(result.gflops), percent(result.percentOfPeak)],
      ...[ratioOf(result, ratios), String(result.rounds)],
      ...(onAdapter ? deviceCells(result) : []),
      ...(withMemory ? [result.peakRssMB?.toFixed(0) ?? ''] : []),
    ]),
  };
}

function deviceCells({ gpuMs, inFlight }: Result): string[] {
  return [gpuMs, inFlight?.ms, inFlight?.imagesPerSecond].map((figure) =>
    figure === undefined ? '' : formatSignificant(figure),
  );
}

export function nameOf({ implementation, backend, variant, version }: Subject & { readonly version?: string }): string {
  if (version !== undefined) return peerName({ implementation: `${implementation} ${version}`, backend });
  return `${implementation} (${variant === undefined ? backend : `${backend}, ${variant}`})`;
}

/** A peer that has two ways to compute is told apart by the one that is not its usual one. */
function peerName({ implementation, backend }: Pick<Subject, 'implementation' | 'backend'>): string {
  return ['cpu', 'wasm'].includes(backend) ? implementation : `${implementation} (${backend})`;
}

/** How much longer it took than the first of our own; nothing for that one itself. */
function ratioOf(result: Result, ratios: readonly Ratio[]): string {
  const ratio = ratios.find(({ of }) => sameSubject(of, result));
  return ratio ? `${ratio.medianRatio.toFixed(2)}×` : '';
}

function sameSubject(a: Subject, b: Subject): boolean {
  const keys = ['implementation', 'backend', 'variant', 'mode', 'threads', 'batch'] as const;
  return keys.every((key) => a[key] === b[key]);
}

/** Our time over each peer's. */
function comparisons({ comparisons }: Report): Table {
  return acrossPeers('time, ours over theirs (medians of the ratios of the rounds)', comparisons, ({ medianRatio }) =>
    medianRatio.toFixed(2),
  );
}

/** Our peak memory over each peer's. */
function memory({ comparisons, results }: Report): Table {
  const peakOf = (subject: Subject) => results.find((result) => sameSubject(result, subject))?.peakRssMB;
  const measured = comparisons.filter(({ of, to }) => peakOf(of) !== undefined && peakOf(to) !== undefined);
  return acrossPeers('peak memory, ours over theirs', measured, ({ of, to }) =>
    ((peakOf(of) as number) / (peakOf(to) as number)).toFixed(2),
  );
}

/** A row for each of our own, a column for each peer. */
function acrossPeers(title: string, ratios: readonly Ratio[], figure: (ratio: Ratio) => string): Table {
  const peers = [...new Set(ratios.map(({ to }) => peerName(to)))];
  const ours = ratios.map(({ of }) => of).filter((of, i, all) => all.findIndex((o) => sameSubject(o, of)) === i);
  return {
    title,
    columns: [left('ours'), left('mode'), right('batch'), right('threads'), ...peers.map(right)],
    rows: ours.map((own) => [
      ...[nameOf(own), own.mode, String(own.batch), String(own.threads)],
      ...peers.map((peer) => {
        const ratio = ratios.find(({ of, to }) => sameSubject(of, own) && peerName(to) === peer);
        return ratio ? figure(ratio) : '';
      }),
    ]),
  };
}

function scaling({ scaling }: Report): Table {
  return {
    title: 'threads: times as fast (medians of the ratios of the rounds)',
    columns: [left('ours'), left('mode'), right('batch'), right('threads'), right('over'), right('times as fast')],
    rows: scaling.map(({ of, to, medianRatio }) => [
      ...[nameOf(to), to.mode, String(to.batch), String(to.threads), String(of.threads), medianRatio.toFixed(2)],
    ]),
  };
}

function agreement({ agreement }: Report): Table {
  return {
    columns: [
      ...[left('logits of'), left('against'), right('batch'), right('threads')],
      ...[right('max|Δ| / max|ref|'), right('allowed'), left('')],
    ],
    rows: agreement.map(({ of, to, variant, lossy, batch, threads, difference, bound, agrees }) => [
      ...[
        variant === undefined ? of : `${of} (${variant})`,
        to,
        String(batch),
        String(threads),
        difference.toExponential(1),
        bound.toExponential(0),
      ],
      agrees ? (lossy ? 'lossy' : 'agree') : 'DISAGREE',
    ]),
  };
}

/** A table for each of our networks, number of threads and batch size. */
export function tablesOfLayers(report: Report): Table[] {
  return layerTables(report.results).map((table) => ({
    title: layerTitle(table),
    columns: [
      ...[left('layer'), left('phase'), left('op'), left('algorithm'), right('ms'), right('share'), right('GFLOP/s')],
      ...(ofCores(table) ? [right('% of peak'), right('in GEMM'), right('GEMM GFLOP/s'), right('% of peak')] : []),
      ...[right('MB'), right('GB/s')],
    ],
    rows: layerLines(table.rows).map((line) => [
      ...[line.name, line.phase, line.op, line.algorithm],
      ...workCells(line, table),
    ]),
    totals: phaseTotals(table).map(({ phase, work }) => ['total', phase, '', '', ...workCells(work, table)]),
  }));
}

export function layerTitle({ result }: LayerTable): string {
  const { model, batch, threads, corePeaksGflops } = result;
  const what = `${nameOf(result)}, ${model}, batch ${batch}`;
  if (!corePeaksGflops) return `${what}; times by the adapter's clock`;
  const [before, after] = corePeaksGflops.map((peak) => peak.toFixed(1));
  const peak = `peak of one core ${before} GFLOP/s before, ${after} after`;
  return `${what}, ${threads} ${threads === 1 ? 'thread' : 'threads'}; ${peak}`;
}

/** Whether the table is of what cores did, whose peak is known. */
function ofCores({ result }: LayerTable): boolean {
  return result.corePeaksGflops !== undefined;
}

function workCells(work: Omit<LayerWork, 'op' | 'algorithm'>, table: LayerTable): string[] {
  const { ms, gflops, percentOfPeak, gemmMs, gemmGflops, gemmPercentOfPeak, bytes, gbPerSecond } = work;
  const ofPeak = [
    percent(percentOfPeak),
    gemmMs && percent((gemmMs / ms) * 100),
    gemmGflops?.toFixed(1),
    gemmPercentOfPeak && percent(gemmPercentOfPeak),
  ];
  return [
    ...[ms.toFixed(ms < 1 ? 3 : 2), `${((ms / table.totalMs) * 100).toFixed(1)} %`, formatSignificant(gflops)],
    ...(ofCores(table) ? ofPeak.map((cell) => cell || '') : []),
    ...[formatSignificant(bytes / 1e6), formatSignificant(gbPerSecond)],
  ];
}

function percent(value: number | undefined): string {
  return value === undefined ? '' : `${value.toFixed(0)} %`;
}
