/** Prints what `verify` found, for terminals. */
import { judge, type VerifyReport, type VerifyResult } from './verify.js';

export interface ReportOptions {
  /** Every result on a line of its own, not only those that failed. */
  readonly verbose?: boolean;
}

/**
 * A table of ops × backends with the worst error ÷ bound of each, the results that failed, and a line that sums up. Above 1 is
 * a failure.
 */
export function formatReport(report: VerifyReport, options: ReportOptions = {}): string {
  const { summary, results } = report;
  const lines = [...align(summariseResults(results))];
  const listed = options.verbose ? results : results.filter((result) => result.status === 'failed');
  if (listed.length > 0) lines.push('', ...listed.flatMap(formatResult));
  const skipped = summary.skipped > 0 ? `, ${summary.skipped} skipped` : '';
  lines.push(
    '',
    `${summary.cases} cases, ${summary.checks} checks: ${summary.passed} cases passed, ${summary.failed} failed${skipped}` +
      ' (figures are error ÷ bound at the worst element; above 1 fails)',
  );
  return lines.join('\n');
}

/** One result: what was checked, on what, how far off, and why it failed. */
export function formatResult(result: VerifyResult): readonly string[] {
  const { op, quantity, algorithm, backend, against, status, maxAbsError, bound, furtherOff, reason } = result;
  const further = furtherOff === undefined ? '' : `, further off: ${furtherOff}`;
  const head =
    `${status === 'failed' ? 'FAILED' : 'ok    '} ${ratio(result.ratio).padStart(8)}  ${op} ${quantity} [${algorithm}] ` +
    `${backend} against ${against}: ${result.case}`;
  const detail = `                 error ${number(maxAbsError)}, bound ${number(bound)}${further}${reason ? `: ${reason}` : ''}`;
  return status === 'failed' ? [head, detail] : [head];
}

/** Titles, then a row for each op: cases, and for each pair of a backend and what it is held against the worst error ÷ bound. */
export function summariseResults(results: readonly VerifyResult[]): readonly (readonly string[])[] {
  const columns = [...new Set(results.map(column))];
  const rows = [...new Set(results.map((result) => result.op))].map((op) => {
    const own = results.filter((result) => result.op === op);
    const cells = columns.map((name) => cell(own.filter((result) => column(result) === name)));
    return [op, String(new Set(own.map((result) => result.case)).size), ...cells];
  });
  return [['op', 'cases', ...columns], ...rows];
}

function column({ backend, against }: VerifyResult): string {
  return against === judge ? backend : `${backend} ~ ${against}`;
}

function cell(results: readonly VerifyResult[]): string {
  if (results.length === 0) return '';
  const worst = ratio(results.reduce((most, result) => Math.max(most, result.ratio), 0));
  const failed = results.filter((result) => result.status === 'failed').length;
  return failed > 0 ? `${worst} (${failed} failed)` : worst;
}

/** The first column to the left, the others to the right, two spaces between. */
function align(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i].length)));
  return rows.map((row) =>
    row
      .map((text, i) => (i === 0 ? text.padEnd(widths[i]) : text.padStart(widths[i])))
      .join('  ')
      .trimEnd(),
  );
}

function ratio(value: number): string {
  if (value === Number.MAX_VALUE) return '∞';
  return value < 1000 ? value.toFixed(3) : value.toExponential(1);
}

function number(value: number): string {
  return value === Number.MAX_VALUE ? '∞' : value.toPrecision(3);
}
