/** Tables for people: aligned columns under a thin rule. */

export interface Column {
  readonly title: string;
  /** Text to the left, figures to the right. */
  readonly align: 'left' | 'right';
}

/** @param totals last rows, under a rule of their own */
export function formatTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  ...totals: readonly (readonly string[])[]
): string {
  const all = [columns.map(({ title }) => title), ...rows, ...totals];
  const widths = columns.map((_, i) => Math.max(...all.map((row) => row[i].length)));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, i) => (columns[i].align === 'left' ? cell.padEnd(widths[i]) : cell.padStart(widths[i])))
      .join('  ')
      .trimEnd();
  const rule = widths.map((width) => '─'.repeat(width)).join('  ');
  const [head, ...body] = all.map(line);
  if (totals.length > 0) body.splice(-totals.length, 0, rule);
  return [head, rule, ...body].join('\n');
}

/** 60,965,224; a dash for nothing. */
export function formatCount(count: number): string {
  return count === 0 ? '–' : Math.round(count).toLocaleString('en-US');
}

/** 96 × 55 × 55 */
export function formatExtents(shape: readonly number[]): string {
  return shape.join(' × ');
}

/** In units of 1024: 233 MiB. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB'];
  const power = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10));
  return `${formatSignificant(bytes / 1024 ** power)} ${units[power]}`;
}

/** In units of 1000: 1.45 G. */
export function formatLarge(count: number): string {
  const units = ['', 'k', 'M', 'G', 'T'];
  const power = count < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(count) / 3));
  return `${formatSignificant(count / 1000 ** power)} ${units[power]}`.trimEnd();
}

/** About three digits, whole numbers whole. */
export function formatSignificant(value: number): string {
  if (Number.isInteger(value)) return String(value);
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toFixed(digits);
}
