/** What was taken for what: the confusion matrix as HTML, and its largest entries. */
import { pngDataUri } from '../data/png.js';
import { escapeHtml, htmlTable } from '../html.js';

/** Above this a table of numbers can no longer be read, and the matrix is drawn, a pixel for a cell. */
const mostNamed = 25;

const mostPairs = 12;

/** Counts [classes, classes]; the row is the label, the column what was said. */
export interface Confusion {
  readonly counts: ArrayLike<number>;
  readonly classes: readonly string[];
}

export async function confusionSection(confusion: Confusion): Promise<string> {
  const { classes } = confusion;
  const matrix = classes.length <= mostNamed ? matrixTable(confusion) : await matrixPicture(confusion);
  return `<div class="confused">\n${matrix}\n<div>${pairsTable(confusion)}</div>\n</div>`;
}

function rowSums({ counts, classes }: Confusion): readonly number[] {
  return classes.map((_, row) => classes.reduce((sum, _, column) => sum + counts[row * classes.length + column], 0));
}

/** A cell is as dark as its share of its row. */
function matrixTable(confusion: Confusion): string {
  const { counts, classes } = confusion;
  const sums = rowSums(confusion);
  const share = (row: number, column: number) => counts[row * classes.length + column] / Math.max(1, sums[row]);
  const head = classes.map((name) => `<th scope="col"><span>${escapeHtml(name)}</span></th>`).join('');
  const rows = classes.map((name, row) => {
    const cells = classes.map((_, column) => {
      const part = share(row, column);
      const look = `${row === column ? 'right' : 'wrong'}${part > 0.5 ? ' deep' : ''}`;
      return `<td class="${look}" style="--share:${part.toFixed(3)}">${counts[row * classes.length + column] || ''}</td>`;
    });
    const right = sums[row] > 0 ? `${(100 * share(row, row)).toFixed(1)} %` : '–';
    return `<tr><th scope="row">${escapeHtml(name)}</th>${cells.join('')}<td class="recall">${right}</td></tr>`;
  });
  return `<div class="scroll"><table class="confusion">
<caption>A row is a label, a column what the network said; at the end of a row the share that is right</caption>
<tr><td></td>${head}<th scope="col"><span>right</span></th></tr>
${rows.join('\n')}
</table></div>`;
}

async function matrixPicture(confusion: Confusion): Promise<string> {
  const { counts, classes } = confusion;
  const sums = rowSums(confusion);
  const side = classes.length;
  const data = new Uint8Array(3 * side * side);
  const [paper, ink] = [
    [255, 255, 255],
    [11, 110, 127],
  ];
  for (let i = 0; i < side * side; i++) {
    // The square root lets one mistake in a hundred be seen.
    const strength = Math.sqrt(counts[i] / Math.max(1, sums[Math.floor(i / side)]));
    for (let c = 0; c < 3; c++) data[3 * i + c] = Math.round(paper[c] + strength * (ink[c] - paper[c]));
  }
  const uri = await pngDataUri({ width: side, height: side, data });
  return `<figure class="matrix"><img src="${uri}" alt="confusion matrix of ${side} classes"><figcaption>A row is a label, a column what the network said, of ${side} classes in order; the darker the more often.</figcaption></figure>`;
}

function pairsTable(confusion: Confusion): string {
  const { counts, classes } = confusion;
  const sums = rowSums(confusion);
  const pairs = Array.from({ length: classes.length ** 2 }, (_, i) => ({
    label: Math.floor(i / classes.length),
    said: i % classes.length,
    count: counts[i],
  })).filter(({ label, said, count }) => label !== said && count > 0);
  if (pairs.length === 0) return '<p>Every image was recognised.</p>';
  const worst = pairs.sort((a, b) => b.count - a.count).slice(0, mostPairs);
  const table = htmlTable(
    [
      { title: 'is', align: 'left' },
      { title: 'was taken for', align: 'left' },
      { title: 'images', align: 'right' },
      { title: 'of its class', align: 'right' },
    ],
    worst.map(({ label, said, count }) => [
      classes[label],
      classes[said],
      String(count),
      `${((100 * count) / sums[label]).toFixed(1)} %`,
    ]),
  );
  return `<h3>What is confused most</h3>\n<div class="scroll">${table}</div>`;
}
