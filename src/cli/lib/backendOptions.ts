/** The options of commands that run a network: on what it is computed. */
import type { Command } from 'commander';
import { type BackendName, backendNames } from '../../backends/open.js';
import { adapterOption } from './adapter.js';
import { wholeNumber, word } from './options.js';

/** As `openEngine` takes them. */
export interface BackendChoice {
  readonly backend?: BackendName;
  readonly threads?: number;
}

/** `--backend`, `--adapter` and `--threads` */
export function addBackendOptions(command: Command): Command {
  return command
    .option('--backend <name>', backendNames.join(' or '), word(backendNames))
    .addOption(adapterOption())
    .option('--threads <n>', 'threads; those of this machine by default', wholeNumber(1));
}
