/** Records of runs as the tables and plots of docs/results.md. */
import { plot } from './plot.js';
import type { Curve, Figure, RunRecord } from './record.js';

/** Between these lines the page is generated; the rest of it is written by hand. */
export const marks = { begin: '<!-- runs: begin -->', end: '<!-- runs: end -->' } as const;

/** In the order of the page; runs that are not here come last. */
const order = [
  'mnist-tf',
  'mnist-tf-he',
  'cifar10-quick',
  'cifar10-80sec',
  'figure1',
  'cifar10-18pct-ablation',
  'alexnet-photographs',
  'cifar10-quick-pretraining',
  'cifar10-quick-transfer',
  'cifar10-13pct',
  'cifar10-11pct',
];

export interface Page {
  /** What goes between the marks. */
  readonly markdown: string;
  /** SVG by file name, beside the records. */
  readonly plots: ReadonlyMap<string, string>;
}

/** @param folder where records and plots lie, as the page links to them */
export function pageOf(records: readonly RunRecord[], folder: string): Page {
  const byName = new Map<string, RunRecord[]>();
  for (const record of records) byName.set(record.name, [...(byName.get(record.name) ?? []), record]);
  const rank = (name: string) => (order.includes(name) ? order.indexOf(name) : order.length);
  const names = [...byName.keys()].sort((a, b) => rank(a) - rank(b) || a.localeCompare(b));
  const plots = new Map<string, string>();
  const sections = names.map((name) => {
    const runs = [...(byName.get(name) ?? [])].sort((a, b) => a.seed - b.seed);
    const own = plotsOf(name, runs);
    for (const [file, svg] of own) plots.set(file, svg);
    return section(name, runs, [...own.keys()], folder);
  });
  return { markdown: sections.join('\n\n'), plots };
}

/** The page with its generated part replaced, or made anew. */
export function withPage(before: string | undefined, markdown: string): string {
  const generated = `${marks.begin}\n\n${markdown}\n\n${marks.end}`;
  if (before === undefined) return `# Results\n\n${generated}\n`;
  const [from, to] = [before.indexOf(marks.begin), before.indexOf(marks.end)];
  if (from < 0 || to < from) return `${before.trimEnd()}\n\n${generated}\n`;
  return before.slice(0, from) + generated + before.slice(to + marks.end.length);
}

function section(name: string, runs: readonly RunRecord[], plots: readonly string[], folder: string): string {
  const [first] = runs;
  const columns = [...new Set(runs.flatMap(({ figures }) => figures.map(columnOf)))];
  const cells = (run: RunRecord) =>
    columns.map((column) => {
      const figure = run.figures.find((candidate) => columnOf(candidate) === column);
      return figure ? formatValue(figure) : '';
    });
  const rows = runs.map((run) => [`\`${run.command}\``, String(run.seed), duration(run.seconds), ...cells(run)]);
  if (runs.length > 1) rows.push(['median (least to most)', '', '', ...columns.map((column) => spread(runs, column))]);
  const head = ['command', 'seed', 'time', ...columns];
  const notes = [...new Set(runs.flatMap(({ note }) => note ?? []))];
  const machines = [...new Set(runs.map(({ machine }) => `${machine.cpu}, Node ${machine.node}, ${machine.backend}`))];
  return [
    `## ${name}`,
    '',
    `To reach: ${first.goal}.`,
    '',
    ...[head, head.map((_, i) => (i === 0 ? '---' : '---:')), ...rows].map((row) => `| ${row.join(' | ')} |`),
    '',
    ...[...notes, `Measured on ${machines.join('; ')}`].map((text) => `${text[0].toUpperCase()}${text.slice(1)}.`),
    ...plots.flatMap((file) => ['', `![${file.replace('.svg', '')}](${folder}/${file})`]),
  ].join('\n');
}

function columnOf({ name, unit }: Figure): string {
  return unit === '' ? name : `${name} (${unit})`;
}

function formatValue({ value, above, unit }: Omit<Figure, 'name'>): string {
  if (value === null) return above === undefined ? 'not reached' : `> ${formatValue({ value: above, unit })}`;
  return unit === '%' ? value.toFixed(2) : String(Number(value.toPrecision(4)));
}

function spread(runs: readonly RunRecord[], column: string): string {
  const figures = runs.flatMap(({ figures }) => figures.filter((figure) => columnOf(figure) === column));
  const values = figures.map(({ value }) => value ?? Number.POSITIVE_INFINITY).sort((a, b) => a - b);
  const { unit } = figures[0];
  const middle = values.length >> 1;
  const median = values.length % 2 === 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
  const [of, least, most] = [median, values[0], values[values.length - 1]].map((value) =>
    formatValue({ value: Number.isFinite(value) ? value : null, unit }),
  );
  return `${of} (${least} to ${most})`;
}

/** One plot for each pair of axes. */
function plotsOf(name: string, runs: readonly RunRecord[]): Map<string, string> {
  const byAxes = new Map<string, Curve[]>();
  for (const { curves } of runs) {
    for (const curve of curves) {
      if (curve.points.length === 0) continue;
      const axes = `${curve.y} by ${curve.x}`;
      byAxes.set(axes, [...(byAxes.get(axes) ?? []), curve]);
    }
  }
  return new Map([...byAxes].map(([axes, curves]) => [`${name}-${slug(axes)}.svg`, plot(name, curves)]));
}

function slug(words: string): string {
  return words
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '');
}

function duration(seconds: number): string {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  return `${minutes} min ${Math.round(seconds - 60 * minutes)} s`;
}
