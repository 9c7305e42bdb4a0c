/** The report as one page that needs nothing else: no script, no font, no file beside it. */
import { type LayerRow, type LayerTable, layerTables, nameOf, ratioOf } from './print.js';
import type { Report } from './report.js';

const style = `
:root { color-scheme: light dark; --forward: #3b82c4; --backward: #d98a3d; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0 2rem; }
th, td { padding: .15rem .6rem; text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
th { border-bottom: 1px solid; }
th:first-child, td:first-child { text-align: left; }
td.bars { width: 45%; text-align: left; }
.bar { display: inline-block; height: .8em; vertical-align: middle; }
.forward { background: var(--forward); }
.backward { background: var(--backward); }
.disagrees { color: #c0392b; font-weight: bold; }
`;

export function reportPage(report: Report): string {
  const { cpu, cores, node, backends, peakGflopsPerCore } = report.machine;
  const machine = `${cpu}, ${cores} cores, node ${node}; ${backends.join('; ')}; peak ${peakGflopsPerCore.toFixed(1)} GFLOP/s a core`;
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>tandem bench</title>
<style>${style}</style>
<h1>tandem bench</h1>
<p>${escapeText(machine)}</p>
${resultTable(report)}
${report.agreement.map(agreementLine).join('\n')}
${report.missing.map(({ reason }) => `<p>not measured: ${escapeText(reason)}</p>`).join('\n')}
${layerTables(report.results).map(layerSection).join('\n')}
</html>
`;
}

function resultTable({ results, ratios }: Report): string {
  const rows = results.map((result) =>
    row([
      ...[nameOf(result), result.mode, String(result.batch), String(result.threads), result.medianMs.toFixed(1)],
      ...[`${result.marginOfErrorPercent.toFixed(1)} %`, result.imagesPerSecond.toFixed(1), result.gflops.toFixed(1)],
      ratioOf(result, ratios),
    ]),
  );
  return table(
    ['implementation', 'mode', 'batch', 'threads', 'median ms', '±', 'img/s', 'GFLOP/s', 'time / ours'],
    rows,
  );
}

function agreementLine({ of, to, batch, difference, bound, agrees }: Report['agreement'][number]): string {
  const verdict = agrees ? 'agree' : '<span class="disagrees">disagree</span>';
  const figures = `max|Δ| / max|ref| = ${difference.toExponential(1)}, allowed ${bound.toExponential(0)}`;
  return `<p>Logits of ${escapeText(of)} and ${escapeText(to)} at batch ${batch} ${verdict}: ${figures}.</p>`;
}

function layerSection({ title, rows }: LayerTable): string {
  const longest = Math.max(...rows.map(({ forward, backward }) => (forward?.ms ?? 0) + (backward?.ms ?? 0)));
  const legend =
    '<span class="bar forward" style="width:1em"></span> forward <span class="bar backward" style="width:1em"></span> backward';
  const titles = ['layer', 'algorithm', 'forward ms', 'GFLOP/s', 'backward ms', 'GFLOP/s', ''];
  return `<h2>${escapeText(title)}</h2>\n<p>${legend}</p>\n${table(
    titles,
    rows.map((layer) => layerLine(layer, longest)),
  )}`;
}

function layerLine({ name, forward, backward }: LayerRow, longest: number): string {
  const bars = (['forward', 'backward'] as const).map((phase) => {
    const ms = (phase === 'forward' ? forward : backward)?.ms ?? 0;
    return `<span class="bar ${phase}" style="width:${((ms / longest) * 100).toFixed(2)}%"></span>`;
  });
  const figures = [forward, backward].flatMap((timing) => [
    timing?.ms.toFixed(2) ?? '',
    timing?.gflops.toFixed(1) ?? '',
  ]);
  return row([name, (forward ?? backward)?.algorithm ?? '', ...figures], `<td class="bars">${bars.join('')}</td>`);
}

function table(titles: readonly string[], rows: readonly string[]): string {
  return `<table>\n<tr>${titles.map((title) => `<th>${escapeText(title)}</th>`).join('')}</tr>\n${rows.join('\n')}\n</table>`;
}

/** @param last a cell that is HTML already */
function row(cells: readonly string[], last = ''): string {
  return `<tr>${cells.map((cell) => `<td>${escapeText(cell)}</td>`).join('')}${last}</tr>`;
}

function escapeText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
