/** Curves as an SVG of their own. */
import type { Curve, Point } from './record.js';

const size = { width: 640, plot: 280, left: 64, right: 24, title: 28, line: 18, bottom: 48 };
/** Okabe and Ito 2008: told apart by everybody. */
const colours = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#000000'];
/** From a ratio this large on, an axis is logarithmic. */
const logarithmicFrom = 300;

/** A curve of so few points shows them as dots. */
const mostDots = 20;

interface Axis {
  readonly ticks: readonly number[];
  /** Where a value lies, from 0 to 1. */
  place(value: number): number;
}

/** One plot of curves that share their axes; those of one name have one colour. */
export function plot(title: string, curves: readonly Curve[]): string {
  const points = curves.flatMap((curve) => curve.points);
  const x = linear(points.map((point) => point[0]));
  const y = vertical(points.map((point) => point[1]));
  const names = [...new Set(curves.map(({ name }) => name))];
  const colour = (name: string) => colours[names.indexOf(name) % colours.length];
  // The legend lies above the plot, where it hides no curve.
  const top = size.title + size.line * (names.length + 1);
  const bottom = top + size.plot;
  const height = bottom + size.bottom;
  const across = (value: number) => size.left + x.place(value) * (size.width - size.left - size.right);
  const up = (value: number) => bottom - y.place(value) * size.plot;
  const lines = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size.width} ${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${size.width}" height="${height}" fill="#fff"/>`,
    text(size.left, 20, escaped(title), 'font-size="14" font-weight="bold"'),
    ...y.ticks.flatMap((tick) => [
      `<path d="M${size.left} ${round(up(tick))}H${size.width - size.right}" stroke="#ddd"/>`,
      text(size.left - 6, up(tick) + 4, label(tick), 'text-anchor="end"'),
    ]),
    ...x.ticks.map((tick) => text(across(tick), bottom + 18, label(tick), 'text-anchor="middle"')),
    text((size.left + size.width - size.right) / 2, height - 8, escaped(curves[0].x), 'text-anchor="middle"'),
    text(16, top - 8, escaped(curves[0].y)),
    ...curves.flatMap(({ name, points: own }) => {
      const drawn = own.filter(isDrawn(y)).map(([a, b]) => [round(across(a)), round(up(b))]);
      const line = `<polyline points="${drawn.join(' ')}" fill="none" stroke="${colour(name)}" stroke-width="1.5"/>`;
      if (drawn.length > mostDots) return line;
      return [line, ...drawn.map(([a, b]) => `<circle cx="${a}" cy="${b}" r="2.5" fill="${colour(name)}"/>`)];
    }),
    ...names.map((name, i) => {
      const [left, base] = [size.left, size.title + 14 + size.line * i];
      const line = `<path d="M${left} ${base - 4}h18" stroke="${colour(name)}" stroke-width="3"/>`;
      return `${line}${text(left + 24, base, escaped(name))}`;
    }),
    '</svg>',
  ];
  return `${lines.join('\n')}\n`;
}

function isDrawn(axis: Axis): (point: Point) => boolean {
  return ([x, y]) => Number.isFinite(x) && Number.isFinite(axis.place(y));
}

/** Logarithmic where values are of very different size. */
function vertical(values: readonly number[]): Axis {
  const finite = values.filter(Number.isFinite);
  const least = Math.min(...finite.filter((value) => value > 0));
  const most = Math.max(...finite);
  if (!(most / least >= logarithmicFrom)) return linear(values);
  const [low, high] = [Math.floor(Math.log10(least)), Math.ceil(Math.log10(most))];
  const step = Math.max(1, Math.ceil((high - low) / 8));
  const ticks = Array.from({ length: Math.floor((high - low) / step) + 1 }, (_, i) => 10 ** (low + i * step));
  return { ticks, place: (value) => (Math.log10(value) - low) / (high - low) };
}

/** From 0 on, in steps of 1, 2 or 5 times a power of ten. */
function linear(values: readonly number[]): Axis {
  const most = Math.max(...values.filter(Number.isFinite), Number.MIN_VALUE);
  const power = 10 ** Math.floor(Math.log10(most / 4));
  const step = power * ([1, 2, 5, 10].find((factor) => (factor * power * 6) / most >= 1) ?? 10);
  const count = Math.ceil(most / step - 1e-9);
  return {
    ticks: Array.from({ length: count + 1 }, (_, i) => Number((i * step).toPrecision(6))),
    place: (value) => value / (count * step),
  };
}

function label(tick: number): string {
  return Math.abs(tick) >= 1e5 || (tick !== 0 && Math.abs(tick) < 1e-3) ? tick.toExponential(0) : String(tick);
}

function text(x: number, y: number, content: string, attributes = ''): string {
  return `<text x="${round(x)}" y="${round(y)}" fill="#333"${attributes && ` ${attributes}`}>${content}</text>`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escaped(content: string): string {
  return content.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
}
