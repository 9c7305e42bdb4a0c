/** What all scripts of this folder share: their options, the engine, an interrupt that is heeded, and the record at the end. */
import { readdir } from 'node:fs/promises';
import { availableParallelism, cpus } from 'node:os';
import { basename } from 'node:path';
import { Command, Option } from 'commander';
import { writeAtomically } from '../../src/atomicFile.js';
import { type BackendName, backendNames } from '../../src/backends/open.js';
import { enableRelaxedSimd } from '../../src/backends/wasm/platform.js';
import { provideAdapter } from '../../src/cli/lib/adapter.js';
import { wholeNumber } from '../../src/cli/lib/options.js';
import { expectFolder, oneLine, print, reportFailure } from '../../src/cli/lib/output.js';
import { type Engine, openEngine } from '../../src/engine/engine.js';
import { FileError } from '../../src/errors.js';
import type { Figure, Outcome, RunRecord } from './record.js';

export interface RunOptions {
  readonly data: string;
  readonly seed: number;
  readonly quick: boolean;
  readonly steps?: number;
  readonly json?: string;
  readonly backend?: BackendName;
  readonly threads?: number;
}

/** What a script works with. */
export class Run<O extends RunOptions = RunOptions> {
  constructor(
    readonly options: O,
    readonly engine: Engine,
    readonly signal: AbortSignal,
  ) {}

  get seed(): number {
    return this.options.seed;
  }

  /** How long a training of `full` steps is in this run; `quick` is for a few minutes in all. */
  steps(full: number, quick: number): number {
    return Math.min(Math.ceil(this.options.quick ? quick : full), this.options.steps ?? Number.POSITIVE_INFINITY);
  }

  say(text: string): void {
    process.stderr.write(`${text}\n`);
  }
}

/** Ends a script that was interrupted: there is no record then. */
const interrupted = 130;

/**
 * Runs a script: reads the command line, opens an engine, does the work, and writes the record as JSON.
 *
 * @param configure adds options of the script's own
 */
export async function script<O extends RunOptions>(
  description: string,
  work: (run: Run<O>) => Promise<Outcome>,
  configure: (command: Command) => Command = (command) => command,
): Promise<void> {
  const command = new Command(basename(process.argv[1] ?? 'run', '.js'))
    .description(description)
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(`${oneLine(text)}\n`) })
    .requiredOption('--data <source>', 'a folder of images or of a dataset, or synthetic')
    .option('--seed <number>', 'of initial values, shuffling and dropout', wholeNumber(0), 1)
    .option('--quick', 'a run of minutes, which shows that it works and no more', false)
    .option('--steps <number>', 'at most so many steps of each training', wholeNumber(1))
    .option('--json <file>', "where the record goes ('-': standard output); docs/measured/NAME-seedN.json by default")
    .addOption(new Option('--backend <name>').choices(backendNames))
    .option('--threads <number>', 'of the backend that has threads', wholeNumber(1));
  configure(command);
  const controller = new AbortController();
  process.once('SIGINT', () => controller.abort());
  try {
    command.parse();
    await provideAdapter(command);
    await enableRelaxedSimd();
    await perform(command.opts<O>(), work, controller.signal);
  } catch (error) {
    process.exitCode = controller.signal.aborted ? interrupted : reportFailure(error);
  }
}

async function perform<O extends RunOptions>(
  options: O,
  work: (run: Run<O>) => Promise<Outcome>,
  signal: AbortSignal,
): Promise<void> {
  const { seed, backend, threads } = options;
  if (options.json !== undefined) await expectFolder(options.json);
  const quick = options.quick || options.steps !== undefined;
  const start = performance.now();
  const engine = await openEngine({ ...(backend ? { backend } : {}), ...(threads ? { threads } : {}) });
  try {
    const outcome = await work(new Run(options, engine, signal));
    const record: RunRecord = {
      ...outcome,
      command: commandLine(process.argv.slice(2)),
      seed,
      quick,
      seconds: Math.round((performance.now() - start) / 100) / 10,
      machine: {
        cpu: cpus()[0]?.model.trim() ?? 'unknown',
        cores: availableParallelism(),
        node: process.version,
        backend: engine.info.description,
      },
    };
    const file = options.json ?? `docs/measured/${outcome.name}-seed${seed}${quick ? '-quick' : ''}.json`;
    const text = recordText(record);
    if (file === '-') process.stdout.write(text);
    else await writeAtomically(file, (write) => write(new TextEncoder().encode(text)));
    if (file !== '-') print([...outcome.figures.map(formatFigure), `written to ${file}`].join('\n'));
  } finally {
    await engine.close();
  }
}

/** Names of the files in a folder, in order. */
export async function filesIn(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch((error: Error) => {
    throw new FileError(`cannot read '${folder}': ${error.message}`, { cause: error });
  });
  return names.sort();
}

/** JSON with a point of a curve on one line. */
function recordText(record: RunRecord): string {
  const text = JSON.stringify(record, null, 1);
  return `${text.replace(/\[\s+(-?[\d.e+-]+),\s+(-?[\d.e+-]+)\s+\]/g, '[$1, $2]')}\n`;
}

function formatFigure({ name, value, above, unit }: Figure): string {
  if (value === null && above === undefined) return `${name}: not reached`;
  return `${name}: ${value ?? `> ${above}`}${unit === '' ? '' : ` ${unit}`}`;
}

/** What to type for the same run; where the data and the record lie is the reader's own affair. */
function commandLine(given: readonly string[]): string {
  const kept: string[] = [];
  for (let i = 0; i < given.length; i++) {
    const [flag, value] = given[i].split('=', 2);
    const last = value ?? given[i + 1];
    if (flag === '--json' || flag === '--data') {
      if (flag === '--data') kept.push(flag, basename(last));
      if (value === undefined) i++;
    } else kept.push(given[i]);
  }
  return ['node', `dist/bench/runs/${basename(process.argv[1])}`, ...kept].join(' ');
}
