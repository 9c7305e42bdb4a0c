/** The report as one page that needs nothing else: no script, no font, no file beside it. */
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
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>tandem bench</title>
<style>${style}</style>
<h1>tandem bench</h1>
<p>${escapeText(machineLine(report.machine))}</p>
${mainTables(report)
  .map((table) => section('h3', table))
  .join('\n')}
${notes(report)
  .map((note) => `<p>${escapeText(note)}</p>`)
  .join('\n')}
${tablesOfLayers(report)
  .map((table) => section('h2', table, layerBar(table)))
  .join('\n')}
</html>
`;
}

/** @param bar HTML of a last cell of each row */
function section(
  heading: string,
  { title, columns, rows, totals = [] }: Table,
  bar?: (row: readonly string[]) => string,
) {
  const side = columns.map(({ align }) => (align === 'left' ? ' class="left"' : ''));
  const cells = (texts: readonly string[]) => texts.map((text, i) => `<td${side[i]}>${escapeText(text)}</td>`).join('');
  const head = columns.map((column, i) => `<th${side[i]}>${escapeText(column.title)}</th>`).join('');
  const lines = [
    `<tr>${head}${bar ? '<th></th>' : ''}</tr>`,
    ...rows.map((row) => `<tr>${cells(row)}${bar ? `<td class="bars">${bar(row)}</td>` : ''}</tr>`),
    ...totals.map((row) => `<tr class="total">${cells(row)}</tr>`),
  ];
  const titled = title === undefined ? '' : `<${heading}>${escapeText(title)}</${heading}>\n`;
  return `${titled}<table>\n${lines.join('\n')}\n</table>`;
}

/** A bar as long as a layer takes, in the colour of its phase. */
function layerBar({ columns, rows }: Table): (row: readonly string[]) => string {
  const [phase, ms] = ['phase', 'ms'].map((wanted) => columns.findIndex(({ title }) => title === wanted));
  const longest = Math.max(...rows.map((row) => Number(row[ms])));
  return (row) =>
    `<span class="bar ${row[phase]}" style="width:${((Number(row[ms]) / longest) * 100).toFixed(2)}%"></span>`;
}

function escapeText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
