/** `--adapter`: which graphics adapter a command computes on. */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { type Command, Option } from 'commander';
import { adapterBackends } from '../../backends/open.js';
import { findAdapter } from '../../backends/webgpu/adapter.js';
import { hasSoftwareEnvironment, softwareEnvironment } from '../../backends/webgpu/software.js';
import { BackendError } from '../../errors.js';

export function adapterOption(): Option {
  return new Option(
    '--adapter <kind>',
    "'software' computes on SwiftShader, slowly and without a GPU; it is also what is left where --backend asks for an adapter and none is found",
  ).choices(['software']);
}

/** `--tune` and `--no-tune`: neither uses what an earlier `--tune` has kept. */
export function tuneOptions(): readonly Option[] {
  return [
    new Option(
      '--tune',
      'on a graphics adapter, time the algorithms of every node first and take the fastest; kept in tandem/tuning.json in your cache folder',
    ),
    new Option('--no-tune', 'leave aside what an earlier --tune has kept'),
  ];
}

/** Before a command: where it asks for a software adapter, or for any adapter and there is none, a process that has one runs it. */
export async function provideAdapter(command: Command): Promise<void> {
  const { adapter, backend, browser } = command.opts<{
    adapter?: 'software';
    backend?: string | readonly string[];
    /** A browser finds adapters by itself. */
    browser?: boolean;
  }>();
  if (browser || hasSoftwareEnvironment()) return;
  if (adapter !== undefined) {
    await runOnSoftware('as asked for');
    return;
  }
  const asked = [backend ?? []].flat();
  if (!asked.some((name) => adapterBackends.some((known) => known === name))) return;
  const absent = await findAdapter().then(
    () => undefined,
    (error: BackendError) => error.message,
  );
  if (absent !== undefined) await runOnSoftware(absent).catch(expectBackendError);
}

function runOnSoftware(reason: string): Promise<never> {
  return runAgain(`tandem: computing on SwiftShader, a software adapter (${reason})\n`);
}

/** Runs this very program in a new process with a software adapter, and ends as it does. */
export async function runAgain(notice = ''): Promise<never> {
  const env = { ...process.env, ...softwareEnvironment() };
  process.stderr.write(notice);
  const child = spawn(process.execPath, [...process.execArgv, ...process.argv.slice(1)], { env, stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal));
  const status = await new Promise<number>((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code, signal) => resolve(code ?? 128 + constants.signals[signal as NodeJS.Signals]));
  });
  process.exit(status);
}

/** Without the package the command itself says what is missing. */
function expectBackendError(error: unknown): void {
  if (!(error instanceof BackendError)) throw error;
}
