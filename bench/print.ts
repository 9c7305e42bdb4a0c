/** The report as text for people, on a terminal or as Markdown. */
import { type Column, formatTable } from '../src/cli/lib/table.js';
import type { Report } from './report.js';
import { machineLine, mainTables, notes, type Table, tablesOfLayers } from './tables.js';

export function formatReport(report: Report): string {
  return document(report, '\n', ({ title, columns, rows, totals = [] }) => {
    const table = formatTable(columns, rows, ...totals);
    return title === undefined ? table : `${title}\n${table}`;
  });
}

export function formatMarkdown(report: Report): string {
  return `${document(report, '\n\n', ({ title, columns, rows, totals = [] }) => {
    const table = markdownTable(columns, [...rows, ...totals]);
    return title === undefined ? table : `**${title}**\n\n${table}`;
  })}\n`;
}

/** @param between notes */
function document(report: Report, between: string, format: (table: Table) => string): string {
  const blocks = [
    machineLine(report.machine),
    ...mainTables(report).map(format),
    notes(report).join(between),
    ...tablesOfLayers(report).map(format),
  ];
  return blocks.filter((block) => block !== '').join('\n\n');
}

function markdownTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  const rule = columns.map(({ align }) => (align === 'left' ? '---' : '---:'));
  return [line(columns.map(({ title }) => title)), line(rule), ...rows.map(line)].join('\n');
}
