/** Makes the generated part of docs/results.md and its plots of the records that the scripts of this folder have left. */
import { readFile } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { Command } from 'commander';
import { writeAtomically } from '../../src/atomicFile.js';
import { print, reportFailure } from '../../src/cli/lib/output.js';
import { FileError } from '../../src/errors.js';
import type { RunRecord } from './record.js';
import { filesIn } from './script.js';
import { pageOf, withPage } from './tables.js';

interface Options {
  readonly records: string;
  readonly page: string;
  readonly quick: boolean;
}

async function main(): Promise<void> {
  const command = new Command('results')
    .description('makes tables and plots of the records of training runs')
    .option('--records <folder>', 'where they are, and where plots go', 'docs/measured')
    .option('--page <file>', 'the page whose generated part is replaced', 'docs/results.md')
    .option('--quick', 'takes records of quick runs too', false)
    .parse();
  const { records: folder, page, quick } = command.opts<Options>();
  const files = (await filesIn(folder)).filter((name) => name.endsWith('.json'));
  const found: RunRecord[] = [];
  for (const file of files) {
    const record = await readRecord(join(folder, file));
    if (record && (quick || !record.quick)) found.push(record);
  }
  if (found.length === 0) throw new FileError(`there are no records of training runs in '${folder}'`);
  const { markdown, plots } = pageOf(found, relative(dirname(page), folder));
  for (const [name, svg] of plots) await write(join(folder, name), svg);
  const before = await readFile(page, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw new FileError(`cannot read '${page}': ${error.message}`, { cause: error });
  });
  await write(page, withPage(before, markdown));
  print(`${basename(page)}: ${found.length} runs, ${plots.size} plots`);
}

/** Undefined for JSON of another kind: the folder has other measurements too. */
async function readRecord(path: string): Promise<RunRecord | undefined> {
  try {
    const content = JSON.parse(await readFile(path, 'utf8')) as Partial<RunRecord>;
    return Array.isArray(content.curves) && Array.isArray(content.figures) ? (content as RunRecord) : undefined;
  } catch (error) {
    throw new FileError(`cannot read '${path}': ${(error as Error).message}`, { cause: error });
  }
}

function write(path: string, text: string): Promise<void> {
  return writeAtomically(path, (append) => append(new TextEncoder().encode(text)));
}

main().catch((error: unknown) => {
  process.exitCode = reportFailure(error);
});
