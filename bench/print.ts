/** The report as text for people. */
import { type Column, formatSignificant, formatTable } from '../src/cli/lib/table.js';
import type { LayerTiming } from './implementation.js';
import type { Agreement, ColdStart, Machine, Ratio, Report, Result, Subject } from './report.js';

const left = (title: string): Column => ({ title, align: 'left' });
const right = (title: string): Column => ({ title, align: 'right' });

export function formatReport(report: Report): string {
  const blocks = [
    formatMachine(report.machine),
    formatResults(report),
    formatAgreement(report.agreement),
    report.missing.map(({ reason }) => `not measured: ${reason}`).join('\n'),
    report.coldStart.map(formatColdStart).join('\n'),
    ...layerTables(report.results).map(formatLayers),
  ];
  return blocks.filter((block) => block !== '').join('\n\n');
}

function formatMachine({ cpu, cores, node, backends, peakGflopsPerCore }: Machine): string {
  const machine = `${cpu}, ${cores} ${cores === 1 ? 'core' : 'cores'}, node ${node}`;
  return `${machine}; ${backends.join('; ')}; peak ${peakGflopsPerCore.toFixed(1)} GFLOP/s a core`;
}

function formatResults({ results, ratios, machine }: Report): string {
  const withMemory = results.some(({ peakRssMB }) => peakRssMB !== undefined);
  const columns = [
    ...[left('implementation'), left('mode'), right('batch'), right('threads'), right('median ms'), right('±')],
    ...[right('img/s'), right('GFLOP/s'), right('% of peak'), right('time / ours'), right('rounds')],
    ...(withMemory ? [right('peak MB')] : []),
  ];
  const rows = results.map((result) => [
    ...[nameOf(result), result.mode, String(result.batch), String(result.threads)],
    ...[formatSignificant(result.medianMs), `${result.marginOfErrorPercent.toFixed(1)} %`],
    ...[formatSignificant(result.imagesPerSecond), formatSignificant(result.gflops), percentOfPeak(result, machine)],
    ...[ratioOf(result, ratios), String(result.rounds)],
    ...(withMemory ? [result.peakRssMB === undefined ? '' : result.peakRssMB.toFixed(0)] : []),
  ]);
  return formatTable(columns, rows);
}

/** Share of the peak of as many cores as there are threads, with the engine's vectors; native code with wider ones can exceed it. */
function percentOfPeak({ gflops, threads }: Result, { peakGflopsPerCore }: Machine): string {
  return `${((gflops / (threads * peakGflopsPerCore)) * 100).toFixed(0)} %`;
}

export function nameOf({ implementation, backend, version }: Result): string {
  return version === undefined ? `${implementation} (${backend})` : `${implementation} ${version}`;
}

/** How much longer it took than our first backend; nothing for that one itself. */
export function ratioOf(result: Result, ratios: readonly Ratio[]): string {
  const ratio = ratios.find(({ of }) => sameSubject(of, result));
  return ratio ? `${ratio.medianRatio.toFixed(2)}×` : '';
}

function sameSubject(a: Subject, b: Subject): boolean {
  return a.implementation === b.implementation && a.backend === b.backend && a.mode === b.mode && a.batch === b.batch;
}

function formatAgreement(agreement: readonly Agreement[]): string {
  if (agreement.length === 0) return '';
  const columns = [
    left('logits of'),
    left('against'),
    right('batch'),
    right('max|Δ| / max|ref|'),
    right('allowed'),
    left(''),
  ];
  const rows = agreement.map(({ of, to, batch, difference, bound, agrees }) => [
    ...[of, to, String(batch), difference.toExponential(1), bound.toExponential(0)],
    agrees ? 'agree' : 'DISAGREE',
  ]);
  return formatTable(columns, rows);
}

function formatColdStart({ backend, batch, importMs, engineMs, networkMs, firstRunMs, totalMs }: ColdStart): string {
  const times = { import: importMs, engine: engineMs, network: networkMs, 'first forward run': firstRunMs };
  const parts = Object.entries(times)
    .map(([name, ms]) => `${name} ${ms.toFixed(0)}`)
    .join(', ');
  return `cold start of ${backend}, batch ${batch}: ${totalMs.toFixed(0)} ms (${parts})`;
}

/** Forward and backward of one backend at one batch size, layer by layer. */
export interface LayerTable {
  readonly title: string;
  readonly rows: readonly LayerRow[];
  readonly totalMs: number;
}

export interface LayerRow {
  readonly name: string;
  readonly forward?: LayerTiming;
  readonly backward?: LayerTiming;
  /** Of the table's total time. */
  readonly share: number;
}

/** One table for each backend and batch size; forward times from inference where that was measured, else from the step. */
export function layerTables(results: readonly Result[]): LayerTable[] {
  const groups = new Map<string, Result[]>();
  for (const result of results) {
    if (!result.layers) continue;
    const title = `${nameOf(result)}, ${result.model}, batch ${result.batch}`;
    groups.set(title, [...(groups.get(title) ?? []), result]);
  }
  return [...groups].map(([title, group]) => {
    const ofPhase = (phase: 'forward' | 'backward') => {
      const { layers = [] } =
        group.find(({ mode }) => mode === phase) ?? group.find(({ mode }) => mode === 'step') ?? {};
      return layers.filter((layer) => layer.phase === phase);
    };
    const forward = ofPhase('forward');
    const backward = ofPhase('backward');
    const totalMs = [...forward, ...backward].reduce((sum, { ms }) => sum + ms, 0);
    const rows = inOrder(forward, backward).map((name) => {
      const there = forward.find((layer) => layer.name === name);
      const back = backward.find((layer) => layer.name === name);
      return { name, forward: there, backward: back, share: ((there?.ms ?? 0) + (back?.ms ?? 0)) / totalMs };
    });
    return { title, rows, totalMs };
  });
}

/** Names of the layers as data flows forward; one that only the backward phase has (a fused ReLU) follows its neighbour there. */
function inOrder(forward: readonly LayerTiming[], backward: readonly LayerTiming[]): string[] {
  const names = forward.map(({ name }) => name);
  let previous = -1;
  for (const { name } of backward.toReversed()) {
    if (!names.includes(name)) names.splice(previous + 1, 0, name);
    previous = names.indexOf(name);
  }
  return names;
}

function formatLayers({ title, rows }: LayerTable): string {
  const columns = [
    ...[left('layer'), left('op'), left('algorithm'), right('forward ms'), right('GFLOP/s')],
    ...[right('backward ms'), right('GFLOP/s'), right('share'), left('')],
  ];
  const cells = rows.map(({ name, forward, backward, share }) => {
    const main = forward ?? backward;
    return [
      ...[name, main?.op ?? '', main?.algorithm ?? '', ...figures(forward), ...figures(backward)],
      ...[`${(share * 100).toFixed(1)} %`, bar(share)],
    ];
  });
  const total = (phase: 'forward' | 'backward') => {
    const layers = rows.map((row) => row[phase]).filter((layer) => layer !== undefined);
    return figures(layers.length === 0 ? undefined : totalOf(layers));
  };
  return `${title}\n${formatTable(columns, cells, ['total', '', '', ...total('forward'), ...total('backward'), '', ''])}`;
}

function totalOf(layers: readonly LayerTiming[]): Pick<LayerTiming, 'ms' | 'gflops'> {
  const ms = layers.reduce((sum, layer) => sum + layer.ms, 0);
  return { ms, gflops: layers.reduce((sum, layer) => sum + layer.gflops * layer.ms, 0) / ms };
}

function figures(timing: Pick<LayerTiming, 'ms' | 'gflops'> | undefined): [string, string] {
  return timing ? [timing.ms.toFixed(2), formatSignificant(timing.gflops)] : ['', ''];
}

const barWidth = 24;
const eighths = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

function bar(share: number): string {
  const parts = Math.round(share * barWidth * 8);
  return '█'.repeat(parts >> 3) + eighths[parts & 7];
}
