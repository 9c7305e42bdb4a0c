/** The report as one page that needs nothing else. */
import { escapeHtml, htmlPage, htmlTable } from '../src/html.js';
import type { Report } from './report.js';
import { machineLine, mainTables, notes, type Table, tablesOfLayers } from './tables.js';

const style = `
:root { color-scheme: light dark; --forward: #3b82c4; --backward: #d98a3d; --update: #5a9e6f; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 90rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0 2rem; }
th, td { padding: .15rem .6rem; text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
th { border-bottom: 1px solid; }
tr.total td { font-weight: bold; }
th.left, td.left { text-align: left; }
td.bars { width: 30%; text-align: left; }
.bar { display: inline-block; height: .8em; vertical-align: middle; }
.forward { background: var(--forward); }
.backward { background: var(--backward); }
.update { background: var(--update); }
`;

export function reportPage(report: Report): string {
  const body = [
    '<h1>tandem bench</h1>',
    `<p>${escapeHtml(machineLine(report.machine))}</p>`,
    ...mainTables(report).map((table) => section('h3', table)),
    ...notes(report).map((note) => `<p>${escapeHtml(note)}</p>`),
    ...tablesOfLayers(report).map((table) => section('h2', table, layerBar(table))),
  ];
  return htmlPage('tandem bench', style, body.join('\n'));
}

/** @param bar HTML of a last cell of each row */
function section(
  heading: string,
  { title, columns, rows, totals }: Table,
  bar?: (row: readonly string[]) => string,
): string {
  const titled = title === undefined ? '' : `<${heading}>${escapeHtml(title)}</${heading}>\n`;
  return `${titled}${htmlTable(columns, rows, totals, bar)}`;
}

/** A bar as long as a layer takes, in the colour of its phase. */
function layerBar({ columns, rows }: Table): (row: readonly string[]) => string {
  const [phase, ms] = ['phase', 'ms'].map((wanted) => columns.findIndex(({ title }) => title === wanted));
  const longest = Math.max(...rows.map((row) => Number(row[ms])));
  return (row) =>
    `<span class="bar ${row[phase]}" style="width:${((Number(row[ms]) / longest) * 100).toFixed(2)}%"></span>`;
}
