/** What pages that Tandem writes share: text made safe, tables, and the frame of a page that needs no other file. */

export interface HtmlColumn {
  readonly title: string;
  readonly align: 'left' | 'right';
}

/** Text as it stands between tags or in a quoted attribute. */
export function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

/** A whole page: no script, no font, no file beside it; `style` is CSS, `body` is HTML. */
export function htmlPage(title: string, style: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>${style}</style>
</head>
<body>
${body}
</body>
</html>
`;
}

/**
 * A table of text.
 *
 * @param totals last rows, of class 'total'
 * @param extra HTML of one more cell of each row, of class 'bars'
 */
export function htmlTable(
  columns: readonly HtmlColumn[],
  rows: readonly (readonly string[])[],
  totals: readonly (readonly string[])[] = [],
  extra?: (row: readonly string[]) => string,
): string {
  const side = columns.map(({ align }) => (align === 'left' ? ' class="left"' : ''));
  const cells = (texts: readonly string[]) => texts.map((text, i) => `<td${side[i]}>${escapeHtml(text)}</td>`).join('');
  const head = columns.map(({ title }, i) => `<th${side[i]}>${escapeHtml(title)}</th>`).join('');
  const lines = [
    `<tr>${head}${extra ? '<th></th>' : ''}</tr>`,
    ...rows.map((row) => `<tr>${cells(row)}${extra ? `<td class="bars">${extra(row)}</td>` : ''}</tr>`),
    ...totals.map((row) => `<tr class="total">${cells(row)}</tr>`),
  ];
  return `<table>\n${lines.join('\n')}\n</table>`;
}
