/** Curves as SVG text: of figures over the steps of a training run, for a page or for a file of their own. */
import { escapeHtml } from '../html.js';

export type Point = readonly [x: number, y: number];

export interface Series {
  readonly name: string;
  /** In the order of x. A y that is not finite is left out. */
  readonly points: readonly Point[];
  /** Dots on the line: for figures that are few. */
  readonly dots?: boolean;
}

export interface ChartOptions {
  /** What the chart is of, for those who cannot see it, and beside the vertical axis. */
  readonly title: string;
  /** What x counts. */
  readonly x: string;
  readonly series: readonly Series[];
  /** 'log' is taken only where all values are positive; 'auto' takes it where they range over two powers of ten. */
  readonly scale?: 'linear' | 'log' | 'auto';
  /** Ends of the axes, where the values do not decide. */
  readonly xTo?: number;
  readonly yFrom?: number;
  /** How values are written on the axis. */
  readonly format?: (value: number) => string;
  /** Upright lines with a word each. */
  readonly marks?: readonly { readonly x: number; readonly text: string }[];
}

const size = { width: 420, height: 230, left: 46, right: 10, top: 26, bottom: 24 };

/** More points than this are drawn as their means, over a band from the least to the largest. */
const mostPoints = 240;

/** Colours and widths of a chart, light and dark; a page has it once. */
export const chartStyle = `
svg.chart { display: block; width: 100%; height: auto; --s0: #0b6e7f; --s1: #c2571a; --s2: #6b4fa0; --s3: #4c7a1f; --s4: #a3264f; --s5: #555; --grid: #d9d7d1; --label: #5d6872; }
@media (prefers-color-scheme: dark) {
svg.chart { --s0: #5cc2d3; --s1: #f0a060; --s2: #b9a1ea; --s3: #a5cf75; --s4: #f08aa8; --s5: #bbb; --grid: #343c44; --label: #9aa5af; }
}
.chart text { fill: var(--label); font: 12px system-ui, sans-serif; }
.chart line { stroke: var(--grid); }
.chart line.mark { stroke: var(--label); stroke-dasharray: 3 3; }
.chart polyline { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
.chart polygon { opacity: .2; }
${Array.from({ length: 6 }, (_, i) => `.chart .s${i} { stroke: var(--s${i}); fill: var(--s${i}); } .chart polyline.s${i} { fill: none; } .chart polygon.s${i} { stroke: none; } .chart text.s${i} { stroke: none; }`).join('\n')}
`;

/** An `<svg>` element for a page that has `chartStyle`. */
export function lineChart(options: ChartOptions): string {
  return svg(options, '');
}

/** The content of an SVG file. */
export function chartFile(options: ChartOptions): string {
  return `${svg(options, `<style>${chartStyle}</style>`)}\n`;
}

function svg(options: ChartOptions, inside: string): string {
  const drawn = options.series.map(({ points }) => thinned(points.filter(([, y]) => Number.isFinite(y))));
  const values = drawn.flatMap((buckets) => buckets.flatMap(({ least, largest }) => [least, largest]));
  const y = axisOf(values, options);
  const xs = options.series.flatMap(({ points }) => points.map(([x]) => x));
  const [xFrom, xTo] = [smallest(xs, 0), options.xTo ?? greatest(xs, 1)];
  const across = (x: number) =>
    size.left + ((size.width - size.left - size.right) * (x - xFrom)) / Math.max(1e-9, xTo - xFrom);
  const down = (value: number) =>
    size.height - size.bottom - (size.height - size.top - size.bottom) * Math.min(1, Math.max(0, y.place(value)));
  const place = (x: number, value: number) => `${across(x).toFixed(1)},${down(value).toFixed(1)}`;

  const grid = y.ticks.map((tick) => {
    const at = down(tick).toFixed(1);
    const label = escapeHtml((options.format ?? formatFigure)(tick));
    return `<line x1="${size.left}" x2="${size.width - size.right}" y1="${at}" y2="${at}"/><text x="${size.left - 6}" y="${Number(at) + 4}" text-anchor="end">${label}</text>`;
  });
  const bottom = size.height - 6;
  const steps = ticksBetween(xFrom, xTo, 4).map((tick) => {
    const at = across(tick);
    // The last one would stick out at the right.
    const [x, anchor] = at > size.width - 30 ? [size.width - 2, 'end'] : [at, 'middle'];
    return `<text x="${x.toFixed(1)}" y="${bottom}" text-anchor="${anchor}">${formatFigure(tick)}</text>`;
  });
  const marks = (options.marks ?? []).map(({ x, text }) => {
    const at = across(x).toFixed(1);
    return `<line class="mark" x1="${at}" x2="${at}" y1="${size.top}" y2="${size.height - size.bottom}"/><text x="${Number(at) + 4}" y="${size.top + 12}">${escapeHtml(text)}</text>`;
  });
  const curves = drawn.flatMap((buckets, i) => {
    if (buckets.length === 0) return [];
    const look = `s${i % 6}`;
    const band = buckets.some(({ least, largest }) => least < largest)
      ? [
          `<polygon class="${look}" points="${[...buckets.map(({ x, largest }) => place(x, largest)), ...buckets.toReversed().map(({ x, least }) => place(x, least))].join(' ')}"/>`,
        ]
      : [];
    const line = `<polyline class="${look}" points="${buckets.map(({ x, mean }) => place(x, mean)).join(' ')}"/>`;
    const dots = options.series[i].dots
      ? buckets.map(
          ({ x, mean }) =>
            `<circle class="${look}" cx="${across(x).toFixed(1)}" cy="${down(mean).toFixed(1)}" r="2.5"/>`,
        )
      : [];
    return [...band, line, ...dots];
  });
  const title = escapeHtml(options.title);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox="0 0 ${size.width} ${size.height}" role="img" aria-label="${escapeHtml(describe(options))}">`,
    inside,
    `<text x="0" y="12">${title}</text>`,
    ...legend(options.series),
    ...grid,
    ...steps,
    `<text x="${size.left - 6}" y="${bottom}" text-anchor="end">${escapeHtml(options.x)}</text>`,
    ...marks,
    ...curves,
    '</svg>',
  ]
    .filter((part) => part !== '')
    .join('\n');
}

/** Names of the series at the top right, in their colours. */
function legend(series: readonly Series[]): readonly string[] {
  if (series.length < 2) return [];
  let end = size.width - size.right;
  return series
    .map(({ name }, i) => {
      const text = `<text class="s${i % 6}" x="${end}" y="12" text-anchor="end">${escapeHtml(name)}</text>`;
      end -= 7 * name.length + 14;
      return text;
    })
    .toReversed();
}

function describe({ title, x, series }: ChartOptions): string {
  const last = series.map(({ name, points }) => {
    const [at, value] = points.at(-1) ?? [];
    return at === undefined || value === undefined
      ? `${name}: nothing`
      : `${name} ${formatFigure(value)} at ${x} ${at}`;
  });
  return `${title}: ${last.join('; ')}`;
}

interface Bucket {
  readonly x: number;
  readonly mean: number;
  readonly least: number;
  readonly largest: number;
}

/** Neighbours put together until there are few enough points to draw. */
function thinned(points: readonly Point[]): readonly Bucket[] {
  const each = Math.max(1, Math.ceil(points.length / mostPoints));
  return Array.from({ length: Math.ceil(points.length / each) }, (_, i) => {
    const own = points.slice(i * each, (i + 1) * each);
    const ys = own.map(([, y]) => y);
    const mean = (list: readonly number[]) => list.reduce((sum, value) => sum + value, 0) / list.length;
    return { x: mean(own.map(([x]) => x)), mean: mean(ys), least: Math.min(...ys), largest: Math.max(...ys) };
  });
}

interface Axis {
  readonly ticks: readonly number[];
  /** From 0 at the bottom to 1 at the top. */
  place(value: number): number;
}

function axisOf(values: readonly number[], { scale = 'auto', yFrom }: ChartOptions): Axis {
  const [low, high] = [smallest(values, 0), greatest(values, 1)];
  const log = scale !== 'linear' && low > 0 && (scale === 'log' || high / low >= 100);
  if (log) {
    const [from, to] = [Math.log10(low), Math.log10(high)];
    const margin = Math.max(0.05, 0.03 * (to - from));
    const [bottom, top] = [from - margin, to + margin];
    const whole = ticksBetween(bottom, top, 5).filter(Number.isInteger);
    const ticks = whole.length >= 2 ? whole.map((power) => 10 ** power) : ticksBetween(low, high, 4);
    return { ticks, place: (value) => (Math.log10(value) - bottom) / (top - bottom) };
  }
  const start = yFrom ?? low;
  const end = high > start ? high : start + (Math.abs(start) || 1);
  // The axis begins and ends at ticks.
  const step = stepBetween(start, end, 4);
  const [bottom, top] = [step * Math.floor(start / step + 1e-9), step * Math.ceil(end / step - 1e-9)];
  return { ticks: multiples(step, bottom, top), place: (value) => (value - bottom) / (top - bottom) };
}

/** 1, 2 or 5 times a power of ten that cuts the range into about so many parts, two at least. */
function stepBetween(from: number, to: number, count: number): number {
  const rough = (to - from) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  // Between neighbours the nearer one by ratio.
  return power * ([1, 2, 5].find((factor) => rough <= factor * power * Math.SQRT2) ?? 10);
}

function multiples(step: number, from: number, to: number): readonly number[] {
  const first = Math.ceil(from / step - 1e-9);
  const length = Math.floor(to / step + 1e-9) - first + 1;
  // A product of step would write 0.30000000000000004.
  return Array.from({ length: Math.max(0, length) }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

function ticksBetween(from: number, to: number, count: number): readonly number[] {
  return to > from ? multiples(stepBetween(from, to, count), from, to) : [from];
}

/** Three digits, without zeros at the end; powers of ten where there would be many zeros. */
export function formatFigure(value: number): string {
  if (value === 0) return '0';
  const magnitude = Math.abs(value);
  if (magnitude >= 1e5 || magnitude < 1e-3) return value.toExponential(1).replace('.0', '').replace('e+', 'e');
  return String(Number(value.toPrecision(magnitude >= 1000 ? 5 : 3)));
}

function smallest(values: readonly number[], none: number): number {
  return values.length === 0 ? none : values.reduce((a, b) => Math.min(a, b));
}

function greatest(values: readonly number[], none: number): number {
  return values.length === 0 ? none : values.reduce((a, b) => Math.max(a, b));
}
